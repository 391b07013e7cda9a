"""Everything of a store, page by page, so that memory does not grow with it."""

from __future__ import annotations

from collections.abc import Iterator

from diana_archive.core.ports import Catalogue, Objects

_STUDIES_A_PAGE = 200
_OBJECTS_A_PAGE = 1000


def study_uids(catalogue: Catalogue, store: str) -> Iterator[str]:
    """All studies of a store with a current instance, read page by page."""
    after, more = "", True
    while more:
        with catalogue.snapshot() as snapshot:
            page, more = snapshot.studies(store, after, _STUDIES_A_PAGE)
        for study in page:
            after = study.study_uid
            yield after


def unknown_objects(catalogue: Catalogue, objects: Objects, store: str) -> Iterator[list[int]]:
    """Ids of the objects in a store that no instance has, a list a page: an empty one where all are known."""
    after = 0
    while ids := objects.settled(store, after, _OBJECTS_A_PAGE):
        after = ids[-1]
        with catalogue.snapshot() as snapshot:
            bearing = snapshot.bearing(ids)
        yield [one for one in ids if one not in bearing]

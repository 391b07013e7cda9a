"""The members of zip files (PS3.12 Annex V) as files of an import."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from diana_archive.adapters.reading import shown, stamp
from diana_archive.core.importing import Found, Key
from diana_common.errors import DianaError
from diana_common.zips import ZipContainer


def members(descriptor: int, name: str, key: Key, after: Key) -> Iterator[Found]:
    """A zip file's members as parts of the file of this name and key, each readable until the next is asked for.

    Raises DianaError CONTAINER_INVALID, CONTAINER_LIMIT before anything is inflated.
    """
    container = ZipContainer(descriptor)
    begun = stamp(descriptor)
    for one in container.members():
        member = (*key, begun, f"{one.number:08d}")
        if member <= after:
            continue
        found = f"{name}!{one.name}" if name else one.name
        try:
            with closing(container.open(one.number)) as stream:
                yield Found(shown([found]), member, stream)
        except DianaError as error:
            yield Found(shown([found]), member, error)

"""Asking an Orthanc, an archive, or a DICOM peer of either one question, whatever way each is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from diana_cli.chain import of_each
from diana_cli.questions import by_accessions
from diana_cli.session import Session
from diana_endpoints.items import Item
from diana_endpoints.levels import BY_UID
from diana_endpoints.protocol.dimse import PeerUser, Wanted
from diana_endpoints.protocol.endpoint import Endpoint
from diana_endpoints.protocol.items import Finder
from diana_endpoints.protocol.proxy import Proxy
from diana_endpoints.protocol.query import Matches, Query

_SHOWN = {
    "study": ("PatientID", "StudyDate", "ModalitiesInStudy", "StudyDescription", "AccessionNumber"),
    "series": ("Modality", "SeriesNumber", "SeriesDescription"),
    "instance": ("InstanceNumber", "SOPClassUID"),
}


@dataclass(frozen=True)
class Asked:
    """A question, and to whom."""

    source: str
    level: str
    matches: Matches
    accessions: Sequence[str] = ()
    peer: str = ""
    """A DICOM peer of the source's; the source itself when empty."""


def answers(session: Session, asked: Asked) -> Iterator[Item]:
    """What is found, each with its header."""
    endpoint = session.services.endpoint(asked.source)
    if not asked.peer:
        finder = cast(Finder, _index_of(session, asked) or session.endpoint(asked.source, Finder, "be asked"))
        for query in by_accessions(_query(asked), asked.accessions):
            yield from finder.find(query)
    elif isinstance(endpoint, Proxy):
        for query in by_accessions(_query(asked), asked.accessions, 1):
            yield from endpoint.find_through(asked.peer, query)
    else:
        door = _door(session, asked)
        for query in by_accessions(_query(asked), asked.accessions, 1):
            yield from door.find_at(asked.peer, asked.level, query.matches, query.return_keys)


def retrieved(session: Session, asked: Asked, found: Iterator[Item]) -> Iterator[Item]:
    """What is found, retrieved by the source: studies whole, by the DICOM door one after the other."""
    endpoint = session.services.endpoint(asked.source)

    def retrieve(item: Item) -> Iterator[Item]:
        if isinstance(endpoint, Proxy):
            yield endpoint.retrieve_through(asked.peer, item)
        else:
            yield from _pulled(_door(session, asked), asked.peer, item)

    return of_each(session.sift("ofind", found), retrieve)


def _pulled(door: PeerUser, peer: str, item: Item) -> Iterator[Item]:
    operation = door.start_pull(peer, Wanted(study_uids=[str(item.meta["study_uid"])]))
    for told in door.await_work(operation):
        if told.failure is not None:
            yield told
        else:
            counts = {"instances": told.meta.get("instance_count", 0), "outcome": "retrieved"}
            yield Item({**item.meta, **counts}, item.header, number=item.number)


def _query(asked: Asked) -> Query:
    """The question, all but the accession numbers."""
    depth = [level.name for level in BY_UID].index(asked.level) + 1
    uids = [level.keyword for level in BY_UID[:depth]]
    shown = [name for name, wanted in asked.matches.items() if not isinstance(wanted, Mapping) and "." not in name]
    return Query(asked.level, asked.matches, [*uids, *_SHOWN[asked.level], *shown])


def _index_of(session: Session, asked: Asked) -> Endpoint | None:
    """The index of an archive's store: archives find nothing themselves."""
    return _beside(session, asked, "index") if _is_archive(session, asked) else None


def _door(session: Session, asked: Asked) -> PeerUser:
    """The DICOM door that brings into the archive's store."""
    door = _beside(session, asked, "dimse") if _is_archive(session, asked) else None
    return cast(PeerUser, door or session.endpoint(asked.source, PeerUser, "ask DICOM peers"))


def _is_archive(session: Session, asked: Asked) -> bool:
    return str(session.services.describe(asked.source)["ctype"]) == "archive"


def _beside(session: Session, asked: Asked, kind: str) -> Endpoint:
    store = str(session.services.describe(asked.source).get("store", ""))
    return session.services.endpoint(f"{kind}:{store}")

"""The DICOM modalities and other Orthancs that an Orthanc knows: asked, retrieved from and sent to through it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from diana_common.errors import DianaError, invalid_field
from diana_endpoints.failures import failure_of, is_fatal
from diana_endpoints.headers import uids_in
from diana_endpoints.http import Server, not_found, segment
from diana_endpoints.items import Item
from diana_endpoints.levels import BY_UID, INSTANCE, LEVELS, PATIENT, SERIES, STUDY, Level, level_of
from diana_endpoints.orthanc_find import level_asked, question
from diana_endpoints.orthanc_headers import header_of, orthanc_name, texts_of
from diana_endpoints.orthanc_jobs import run_job
from diana_endpoints.orthanc_names import as_body, as_mapping, as_mappings, resources
from diana_endpoints.protocol.query import Query

_RETURNED = {
    PATIENT: ("PatientID", "PatientName"),
    STUDY: (
        *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyDate", "StudyTime"),
        *("StudyDescription", "ModalitiesInStudy", "NumberOfStudyRelatedInstances"),
    ),
    SERIES: ("Modality", "SeriesNumber", "SeriesDescription", "NumberOfSeriesRelatedInstances"),
    INSTANCE: ("SOPClassUID", "InstanceNumber"),
}
"""What a peer is asked to return, beside UIDs and what the caller names (PS3.4 section C.6)."""


def modalities(server: Server) -> Iterator[Item]:
    """The DICOM peers and the other Orthancs that it knows."""
    number = 0
    for kind in ("modalities", "peers"):
        known = as_mapping(server.ask("GET", f"/{kind}", fields=[("expand", "")]).json())
        for name, one in sorted(known.items()):
            number += 1
            meta = {"peer": name, "kind": "dicom" if kind == "modalities" else "orthanc"}
            if kind == "modalities":
                meta |= {"ae_title": one.get("AET"), "address": f"{one.get('Host')}:{one.get('Port')}"}
            yield Item(meta, number=number)


def echo(server: Server, peer: str) -> Item:
    """Whether a modality answers a C-ECHO: the milliseconds that it took."""
    began = time.monotonic()
    server.ask("POST", f"{_modality(peer)}/echo", body=b"{}")
    return Item({"peer": peer, "milliseconds": round((time.monotonic() - began) * 1000, 1)})


def find_through(server: Server, peer: str, query: Query) -> Iterator[Item]:
    """A modality's answers to a C-FIND, and their UIDs."""
    with _asked(server, peer, query) as asked:
        answers = server.ask("GET", f"{asked}/answers", fields=[("expand", "")]).json()
    for number, answer in enumerate(as_mappings(answers), 1):
        header = header_of(texts_of(answer))
        yield Item({"peer": peer, "level": level_asked(query).name, **uids_in(header)}, header, number=number)


def retrieve_through(server: Server, peer: str, wanted: Item, patience: float) -> Item:
    """Have it retrieve what `wanted` names by UIDs; the item, named as Orthanc names it, or with its failure."""
    try:
        level, matches = _uids(wanted)
        with _asked(server, peer, Query(level.name, matches)) as asked:
            if not server.ask("GET", f"{asked}/answers").json():
                raise not_found(f"{level.name} at that modality")
            run_job(server, f"{asked}/retrieve", {}, patience)
        named = resources(server, Item({**wanted.meta, "id": "", "level": level.name}))
        wanted.meta |= {"id": named[0].id, "level": level.name, "peer": peer, "outcome": "retrieved"}
    except DianaError as error:
        if is_fatal(error):
            raise
        wanted.failure = failure_of(error)
    return wanted


def send(server: Server, peer: str, wanted: Item, patience: float) -> Item:
    """Send what `wanted` names to a modality or another Orthanc; how many instances that was."""
    known = as_mapping(server.ask("GET", "/peers", fields=[("expand", "")]).json())
    path = f"/peers/{segment(peer, 'peer')}" if peer in known else _modality(peer)
    found = resources(server, wanted)
    done = run_job(server, f"{path}/store", {"Resources": [one.id for one in found]}, patience)
    meta = {"id": found[0].id, "level": found[0].level.name, "peer": peer, "outcome": "sent"}
    return Item({**meta, "instances": done.get("InstancesCount")}, number=wanted.number)


@contextmanager
def _asked(server: Server, peer: str, query: Query) -> Iterator[str]:
    """A question to a modality: where Orthanc keeps the answers, until they are done with."""
    asked = question(query)
    level = level_asked(query)
    keys = [*_unique_keys(level), *_RETURNED[level], *map(orthanc_name, query.return_keys)]
    order = {"Level": asked["Level"], "Query": dict.fromkeys(keys, "") | asked["Query"]}
    answer = as_mapping(server.ask("POST", f"{_modality(peer)}/query", body=as_body(order)).json())
    path = f"/queries/{segment(answer.get('ID'), 'ID')}"
    try:
        yield path
    finally:
        with suppress(DianaError):  # Orthanc keeps the latest few anyway, and forgets the rest
            server.ask("DELETE", path)


def _uids(wanted: Item) -> tuple[Level, dict[str, Sequence[str]]]:
    """The level and matches of the deepest UID, with those above it, as a hierarchical query needs them."""
    found: dict[str, Sequence[str]] = {
        level.keyword: [str(wanted.meta[level.key])] for level in BY_UID if wanted.meta.get(level.key)
    }
    level = level_of(wanted.meta.get("level")) or LEVELS[len(found)]
    needed = _unique_keys(level)
    if not needed or any(keyword not in found for keyword in needed):
        raise invalid_field("item", "needs the UID of its study, and those of all levels down to its own")
    return level, {keyword: found[keyword] for keyword in needed}


def _unique_keys(level: Level) -> list[str]:
    """The UIDs, by keyword, of a level and those above it."""
    return [one.keyword for one in BY_UID if one.depth <= level.depth]


def _modality(peer: str) -> str:
    return f"/modalities/{segment(peer, 'peer')}"

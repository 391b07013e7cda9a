"""A DICOMweb server: QIDO-RS, WADO-RS, STOW-RS (PS3.18 chapter 10)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from diana_common.errors import DianaError, invalid_field
from diana_common.uid import is_uid
from diana_endpoints import dicomweb_find, dicomweb_store
from diana_endpoints.dicomweb_find import ACCEPT, records, uid_path
from diana_endpoints.dicomweb_settings import DicomWebSettings, read_url
from diana_endpoints.headers import fill_header, uids_in
from diana_endpoints.http import Server, bounded_text, not_found, refused
from diana_endpoints.items import Item
from diana_endpoints.kind import Kind
from diana_endpoints.levels import BY_UID, INSTANCE, SERIES, STUDY, UIDS, Level, level_of
from diana_endpoints.multipart import Part, boundary_of, held, read_parts
from diana_endpoints.protocol.endpoint import Health
from diana_endpoints.protocol.query import Query

_DICOM = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}

Place = tuple[str, str, str]
"""The UIDs of a study, series and instance; what is below what is meant is empty."""


class DicomWeb:
    """Endpoint `dicomweb`. Every method but `check` raises DianaError when the server refuses, or is not there.

    An item that is wanted is named by UIDs, or by one of them or an accession number in `meta["id"]`.
    """

    def __init__(self, settings: DicomWebSettings) -> None:
        """Raises DianaError for settings that cannot be used. Connects when it is first needed."""
        self._settings = settings
        self._server = Server(settings, settings.url)
        self.passed_over: Counter[str] = Counter()

    def close(self) -> None:
        """Drop the connections."""
        self._server.close()

    def check(self) -> Health:
        """Whether it answers a search for one study."""
        try:
            with self._server.hurried() as server:
                server.ask("GET", "/studies", fields=[("limit", "1")], headers=ACCEPT)
        except DianaError as error:
            return Health(False, error.message)
        return Health(True, f"answers QIDO-RS{self._server.exposed}")

    def list(self) -> Iterator[Item]:
        """Every instance, study by study, its content fetched when it is opened."""
        self.passed_over = Counter()
        number = 0
        for study in records(self._server, "/studies", [], self._settings.page_size):
            study_uid = uids_in(study).get(STUDY.key, "")
            if not study_uid:
                self.passed_over["studies without a UID"] += 1
                continue
            for header in records(self._server, f"{uid_path(study_uid)}/instances", [], self._settings.page_size):
                number += 1
                uids = {"study_uid": study_uid, **uids_in(header)}
                path = uid_path(*(uids.get(key, "") for key in UIDS))
                meta = {"id": uids.get(INSTANCE.key, ""), **uids}
                yield Item(meta, content=InstanceContent(self._server, path), number=number)

    def find(self, query: Query) -> Iterator[Item]:
        """What matches, each with the header that the server answers."""
        return dicomweb_find.find(self._server, query, self._settings.page_size)

    def get(self, wanted: Item) -> Iterator[Item]:
        """The instances of what `wanted.meta` names, as they come on one stream: large ones by a temporary file."""
        number = 0
        for uids in self._named(wanted):
            with self._server.stream(uid_path(*uids), headers=_DICOM) as (headers, stream):
                for _, pieces in parts_of(headers, stream):
                    number += 1
                    item = Item(content=held(pieces), number=number)
                    with suppress(DianaError):  # what cannot be read can still be kept by whoever takes it
                        fill_header(item)
                        item.meta["id"] = item.meta[INSTANCE.key]
                    yield item

    def put(self, items: Iterable[Item]) -> Iterator[Item]:
        """Store each, small ones together in one request; a warning of the server is in `meta["warning"]`."""
        self._server.ask("GET", "/studies", fields=[("limit", "1")], headers=ACCEPT)  # told of before anything is read
        yield from dicomweb_store.store(self._server, items)

    def delete(self, wanted: Item) -> int:
        """Delete what `wanted.meta` names, where the server offers that (not all do); how many instances that was."""
        deleted = 0
        for uids in self._named(wanted):
            path = uid_path(*uids)
            below = 1 if uids[2] else self._count(path)
            self._server.ask("DELETE", path)
            deleted += below
        return deleted

    def _count(self, path: str) -> int:
        return sum(1 for _ in records(self._server, f"{path}/instances", [], self._settings.page_size))

    def _named(self, wanted: Item) -> Iterator[Place]:
        """Where what is meant is."""
        level = level_of(wanted.meta.get("level")) or INSTANCE
        if level not in BY_UID:
            raise invalid_field("level", "must be study, series or instance")
        study, series, instance = (
            str(wanted.meta.get(one.key) or "") if one.depth <= level.depth else "" for one in BY_UID
        )
        named = str(wanted.meta.get("id") or "")
        if study and (series or not instance):
            yield study, series, instance
        elif instance or series:
            level, uid = (INSTANCE, instance) if instance else (SERIES, series)
            if not (place := self._place(level, uid)):
                raise not_found(level.name)
            yield place
        elif named:
            yield from self._found(bounded_text(named, "id"))
        else:
            raise invalid_field("item", "names no study, series or instance")

    def _place(self, level: Level, uid: str) -> Place | None:
        """Where the series or instance of a UID is; none if there is no such."""
        for header in records(self._server, f"/{level.plural}", [(level.keyword, uid)], 2):
            uids = uids_in(header)
            study = uids.get(STUDY.key, "")
            return (study, uids.get(SERIES.key, ""), uid) if level == INSTANCE else (study, uid, "")
        return None

    def _found(self, named: str) -> Iterator[Place]:
        """A study by its UID, those of an accession number, a series or an instance by its UID."""
        if set(named) & set("*?\\,"):
            raise invalid_field("id", "must be without * ? , and backslash, which would match others too")
        for keyword in (STUDY.keyword, "AccessionNumber"):
            studies = [(uids_in(one).get(STUDY.key, ""), "", "") for one in self._studies(keyword, named)]
            if studies:
                yield from studies
                return
        for level in (SERIES, INSTANCE) if is_uid(named) else ():
            if place := self._place(level, named):
                yield place
                return
        raise not_found("study, series or instance")

    def _studies(self, keyword: str, value: str) -> Iterator[Mapping[str, object]]:
        return records(self._server, "/studies", [(keyword, value)], self._settings.page_size)


@dataclass(frozen=True, slots=True)
class InstanceContent:
    """An instance's file, fetched when it is opened."""

    server: Server
    path: str
    size: int = 0
    """Not known before it is fetched."""

    def open(self) -> BinaryIO:
        with self.server.stream(self.path, headers=_DICOM) as (headers, stream):
            parts = parts_of(headers, stream)
            for _, pieces in parts:
                content = held(pieces)
                next(parts, None)  # there is none, but the end
                return content.open()
        raise not_found("instance")


def parts_of(headers: Mapping[str, str], stream: BinaryIO) -> Iterator[Part]:
    """The instances of an answer of WADO-RS: one file, or several in parts. Raises DianaError."""
    content_type = headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() == "application/dicom":
        yield headers, iter(lambda: stream.read(256 * 1024), b"")
        return
    for part, pieces in read_parts(stream, boundary_of(content_type)):
        kind = part.get("content-type", "application/dicom").partition(";")[0].strip().lower()
        if kind != "application/dicom":
            raise refused("answers with something else than DICOM files")
        yield part, pieces


KIND = Kind(DicomWebSettings, DicomWeb, read_url=read_url)

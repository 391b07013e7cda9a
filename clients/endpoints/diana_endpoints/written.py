"""What an index keeps of what people wrote beside cohorts: search keys and reports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import count, islice

from diana.index.v1 import report_service_pb2 as pb
from diana.index.v1.index_service_pb2 import SearchKey
from diana.type.v1.query_level_pb2 import QueryLevel
from diana_client import IndexClient, ReportClient
from diana_client.errors import InvalidRequest
from diana_endpoints.failures import failure_of
from diana_endpoints.items import Item
from diana_endpoints.mesh import MeshEndpoint
from diana_endpoints.protocol.index import ReportText

_AT_A_TIME = 100


class IndexedWritings(MeshEndpoint):
    """The part of endpoint `index` that is about them. Every method raises MeshError when it cannot go on."""

    _store: str
    """The store where none is named."""

    @cached_property
    def _keys(self) -> IndexClient:
        return IndexClient(self._channel)

    @cached_property
    def _reports(self) -> ReportClient:
        return ReportClient(self._channel)

    def start_key(self, name: str, path: str, level: str = "instance", vr: str = "") -> str:
        """Make an attribute searchable; the name of the operation that fills the key."""
        return self._keys.create_search_key(name, path, level=level, vr=vr).operation.name

    def search_keys(self) -> Iterator[Item]:
        """The search keys by name."""
        for number, key in enumerate(self._keys.search_keys(), 1):
            yield Item(_key_meta(key), number=number)

    def delete_key(self, name: str) -> None:
        """Forget a search key."""
        self._keys.delete_search_key(name)

    def put_reports(self, reports: Iterable[ReportText]) -> Iterator[Item]:
        """Put reports; each with what it finds, or with its failure."""
        left = iter(reports)
        numbers = count(1)
        while some := list(islice(left, _AT_A_TIME)):
            for item in self._put(some):
                item.number = next(numbers)
                yield item

    def report(self, name: str) -> Item:
        """A report with its text."""
        return Item(_report_meta(self._reports.get(name, store=self._store)))

    def study_reports(self, study_uid: str) -> Iterator[Item]:
        """A study's reports, the newest first."""
        found = self._reports.of_study(study_uid, store=self._store)
        for number, report in enumerate(found, 1):
            yield Item(_report_meta(report), number=number)

    def delete_report(self, name: str) -> None:
        """Forget a plain report."""
        self._reports.delete(name, store=self._store)

    def _put(self, reports: Sequence[ReportText]) -> Iterator[Item]:
        """One that is refused must not keep the others: then each goes by itself."""
        try:
            kept = list(self._reports.put(map(_message, reports), store=self._store))
        except InvalidRequest:
            for one in reports:
                yield self._put_one(one)
            return
        for report in kept:
            yield Item({**_report_meta(report), "outcome": "stored"})

    def _put_one(self, report: ReportText) -> Item:
        try:
            (kept,) = self._reports.put([_message(report)], store=self._store)
        except InvalidRequest as error:
            return Item({"report": report.name}, failure=failure_of(error))
        return Item({**_report_meta(kept), "outcome": "stored"})


def _message(report: ReportText) -> pb.Report:
    return pb.Report(
        report_id=report.name,
        study_uid=report.study_uid,
        accession_number=report.accession_number,
        text=report.text,
    )


def _report_meta(report: pb.Report) -> dict[str, object]:
    found = [f"{one.name}={one.text}" for one in report.findings]
    named = {
        "report": report.report_id,
        "study_uid": report.study_uid,
        "accession_number": report.accession_number,
        "time": report.report_time.ToJsonString() if report.HasField("report_time") else "",
        "structured": report.structured,
        "findings": found,
        "text": report.text,
    }
    return {key: value for key, value in named.items() if value != ""}


def _key_meta(key: SearchKey) -> dict[str, object]:
    return {
        "key": key.search_key_id,
        "path": key.path,
        "level": QueryLevel.Name(key.level).removeprefix("QUERY_LEVEL_").lower(),
        "vr": key.vr,
        "ready": key.ready,
        "time": key.create_time.ToJsonString(),
    }

"""Search keys and reports through the whole service: real servers on both sides, a fake only inside the archive."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from diana.index.v1.index_service_pb2 import BackfillResult
from diana.index.v1.report_service_pb2 import Report
from diana.operation.v1.operation_service_pb2 import Operation
from diana_client import (
    AsyncIndexClient,
    AsyncReportClient,
    Channel,
    Conflict,
    FailedPrecondition,
    IndexClient,
    InvalidRequest,
    NotFound,
    OperationClient,
    ReportClient,
    connect,
    connect_async,
)
from diana_index.__main__ import make_server
from diana_index.config import IndexConfig
from diana_index.stores import search_keys
from diana_server.config import PeerConfig, ServerConfig
from tests.contract.index.archive_server import serving
from tests.support.shared_postgres import database
from tests.unit.index.fake_archive import FakeArchive


@dataclass
class Running:
    """An index service that follows a fake archive."""

    archive: FakeArchive
    channel: Channel
    address: str

    @property
    def index(self) -> IndexClient:
        return IndexClient(self.channel)

    @property
    def reports(self) -> ReportClient:
        return ReportClient(self.channel)

    def filled(self, operation: Operation) -> BackfillResult:
        """What a filling came to."""
        ended = OperationClient(self.channel).wait(operation.name, timeout=60)
        assert ended.state == Operation.STATE_SUCCEEDED, ended
        result = BackfillResult()
        assert ended.result.Unpack(result)
        return result

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < end, "it did not come about"
            threading.Event().wait(0.01)


@dataclass
class Place:
    """Where an index keeps what it has."""

    state: Path
    url: str

    @contextmanager
    def running(self, archive: FakeArchive) -> Iterator[Running]:
        with serving(archive) as address:
            config = IndexConfig(ServerConfig("127.0.0.1:0"), self.state, PeerConfig(address), database_url=self.url)
            server = make_server(config)
            at = server.start()
            with connect(at) as channel:
                yield Running(archive, channel, at)
            archive.set_reachable(True)
            server.stop(0)


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "sqlite":
        yield Place(tmp_path / "state", "")
        return
    with database() as url:
        yield Place(tmp_path / "state", url)


@pytest.fixture
def running(place: Place) -> Iterator[Running]:
    with place.running(FakeArchive(batch=200)) as running:
        yield running


def stored(running: Running, count: int = 500) -> None:
    for number in range(count):
        position = running.archive.store(f"1.1.{number}", KVP=80 + number % 2, AccessionNumber="A1")
    assert running.index.count("instance", at_least_position=position) == count


def test_a_key_is_made_filled_used_listed_and_deleted(running: Running) -> None:
    stored(running)
    made = running.index.create_search_key("kvp", "KVP")
    assert (made.search_key.path, made.search_key.vr, made.operation.kind) == ("00180060", "DS", "index.backfill")
    assert running.filled(made.operation) == BackfillResult(instance_count=500, value_count=500)
    ended = OperationClient(running.channel).get(made.operation.name)
    assert (ended.progress.done, ended.progress.total, ended.progress.unit) == (500, 500, "instance")
    assert running.index.count("instance", {"kvp": "81"}) == 250
    (listed,) = running.index.search_keys()
    assert (listed.search_key_id, listed.ready) == ("kvp", True)
    again = running.index.create_search_key("kvp", "(0018,0060)")
    assert (again.operation.name, again.search_key.ready) == (made.operation.name, True)
    with pytest.raises(Conflict) as other:
        running.index.create_search_key("kvp", "KVP", level="series")
    assert other.value.reason == "SEARCH_KEY_EXISTS"
    running.index.delete_search_key("kvp")
    assert running.index.search_keys() == []
    with pytest.raises(NotFound) as gone:
        running.index.delete_search_key("kvp")
    assert gone.value.reason == "SEARCH_KEY_NOT_FOUND"
    with pytest.raises(InvalidRequest) as unknown:
        running.index.count("instance", {"kvp": "81"})
    assert unknown.value.reason == "KEY_UNSUPPORTED"


def test_a_filling_that_was_cancelled_is_begun_again_by_asking_again(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(running)
    go_on = threading.Event()
    fill = search_keys.fill

    def waiting(*args: object) -> object:
        filled = fill(*args)  # type: ignore[arg-type]
        go_on.wait(30)
        return filled

    monkeypatch.setattr(search_keys, "fill", waiting)
    operation = running.index.create_search_key("kvp", "KVP").operation
    operations = OperationClient(running.channel)
    running.until(lambda: operations.get(operation.name).state == Operation.STATE_RUNNING)
    operations.cancel(operation.name)
    go_on.set()
    assert operations.wait(operation.name, timeout=60).state == Operation.STATE_CANCELLED
    with pytest.raises(FailedPrecondition) as not_ready:
        running.index.count("instance", {"kvp": "81"})
    assert not_ready.value.reason == "SEARCH_KEY_NOT_READY"
    again = running.index.create_search_key("kvp", "KVP").operation
    assert again.name != operation.name
    assert running.filled(again).instance_count == 500
    assert running.index.count("instance", {"kvp": "81"}) == 250


def test_keys_and_reports_outlive_a_rebuild(running: Running) -> None:
    stored(running)
    running.filled(running.index.create_search_key("kvp", "KVP").operation)
    list(running.reports.put([Report(report_id="r1", accession_number="A1", text="BI-RADS 4 granuloma")]))
    operations = OperationClient(running.channel)
    rebuilt = operations.wait(running.index.rebuild().name, timeout=60)
    assert rebuilt.state == Operation.STATE_SUCCEEDED, rebuilt
    assert running.index.count("instance", {"kvp": "81"}) == 250
    assert running.reports.get("r1").text == "BI-RADS 4 granuloma"
    assert [one.report_id for one in running.reports.of_study("1")] == ["r1"]


def test_keys_that_were_not_filled_and_reports_that_were_not_searched_are_so_after_a_restart(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = FakeArchive(batch=200)
    with place.running(archive) as first:
        stored(first)
        list(first.reports.put([Report(report_id="r1", accession_number="A1", text="granuloma")]))
        with monkeypatch.context() as patched:
            patched.setattr("diana_index.servicer.search_keys._RECORDS", 1)
            operation = first.index.create_search_key("kvp", "KVP").operation
            first.until(lambda: OperationClient(first.channel).get(operation.name).progress.done > 0)
            OperationClient(first.channel).cancel(operation.name)
            OperationClient(first.channel).wait(operation.name, timeout=60)
    for left in place.state.glob("records/*"):
        left.unlink()
    with place.running(archive) as second:
        second.until(lambda: second.index.search_keys()[0].ready)
        assert second.index.count("instance", {"kvp": "81"}, at_least_position=archive.head()) == 250
        assert second.reports.get("r1").text == "granuloma"


def test_a_copy_of_what_people_wrote_is_put_back(tmp_path: Path) -> None:
    archive, place = FakeArchive(batch=200), Place(tmp_path / "state", "")
    kept, copy = place.state / "written.sqlite", tmp_path / "copy.sqlite"
    with place.running(archive) as first:
        stored(first, 1)
        list(first.reports.put([Report(report_id="early", accession_number="A1", text="granuloma")]))
    shutil.copy(kept, copy)
    with place.running(archive) as second:
        list(second.reports.put([Report(report_id="late", accession_number="A1", text="granuloma")]))
    shutil.copy(copy, kept)
    with place.running(archive) as third:
        third.until(lambda: [one.report_id for one in third.reports.of_study("1")] == ["early"])
        list(third.reports.put([Report(report_id="new", accession_number="A1", text="granuloma")]))
        assert {one.report_id for one in third.reports.of_study("1")} == {"early", "new"}
        assert third.index.count("instance", at_least_position=archive.store("1.1.2")) == 2


def test_processes_that_share_a_database_share_keys_and_reports(tmp_path: Path) -> None:
    archive = FakeArchive(batch=200)
    with (
        database() as url,
        Place(tmp_path / "one", url).running(archive) as one,
        Place(tmp_path / "two", url).running(archive) as two,
    ):
        stored(one)
        both = [(one, two), (two, one)]
        for number, (maker, other) in enumerate(both):
            key = f"kvp{number}"
            maker.filled(maker.index.create_search_key(key, "KVP").operation)
            position = archive.store(f"2.1.{number}", "2", "2.1", KVP=99, AccessionNumber="A2")
            other.until(lambda other=other, key=key: ready(other, key))  # type: ignore[misc]
            for asked in (maker, other):
                assert asked.index.count("instance", {key: "99"}, at_least_position=position) == number + 1
            list(maker.reports.put([Report(report_id=key, accession_number="A2", text=f"granuloma {number}")]))
            assert other.reports.get(key).text == f"granuloma {number}"
        one.index.delete_search_key("kvp1")
        two.until(lambda: "kvp1" not in {listed.keyword for listed in two.index.capabilities()})
        assert [listed.search_key_id for listed in two.index.search_keys()] == ["kvp0"]
        rebuilt = OperationClient(two.channel).wait(two.index.rebuild().name, timeout=60)
        assert rebuilt.state == Operation.STATE_SUCCEEDED, rebuilt
        for asked in (one, two):
            asked.until(lambda asked=asked: ready(asked, "kvp0"))  # type: ignore[misc]
            assert asked.index.count("instance", {"kvp0": "99"}) == 2
            assert len(asked.reports.of_study("2")) == 2


def ready(running: Running, key: str) -> bool:
    return any(one.search_key_id == key and one.ready for one in running.index.search_keys())


def test_reports_are_put_shown_listed_and_deleted(running: Running) -> None:
    stored(running, 1)
    when = Timestamp(seconds=1_700_000_000, nanos=123_456_000)
    report = Report(report_id="r1", study_uid="1", text="Lung-RADS 4A. Former smoker.", report_time=when)
    (kept,) = running.reports.put([report])
    assert (kept.text, kept.report_time, kept.structured) == ("", when, False)
    assert [(one.name, one.text, one.number) for one in kept.findings] == [
        ("lung_rads", "4A", 4.0),
        ("smoking", "former", 0.0),
    ]
    assert not kept.findings[1].HasField("number")
    assert kept.findings[0].end > kept.findings[0].start
    got = running.reports.get("r1")
    assert (got.text, got.report_time) == (report.text, when)
    assert list(running.reports.of_study("1")) == [kept]
    running.reports.delete("r1")
    running.reports.delete("r1")
    with pytest.raises(NotFound) as gone:
        running.reports.get("r1")
    assert gone.value.reason == "REPORT_NOT_FOUND"


def test_more_reports_than_a_message_holds_are_put_in_several(running: Running) -> None:
    reports = [Report(report_id=f"r{n}", accession_number="A1", text=f"{n} " + "x" * 9_000) for n in range(1_200)]
    assert [one.report_id for one in running.reports.put(reports)] == [f"r{n}" for n in range(1_200)]
    stored(running, 1)
    assert len(running.reports.of_study("1")) == 1_000


def test_reports_that_cannot_be_are_refused_by_their_field(running: Running) -> None:
    good = Report(report_id="good", study_uid="1", text="granuloma")
    for bad, field in (
        (Report(report_id="", study_uid="1"), "reports[1].report_id"),
        (Report(report_id="x"), "reports[1].study_uid"),
        (Report(report_id="a\tb", study_uid="1"), "reports[1].report_id"),
        (Report(report_id="x", study_uid="1", text="x" * 1_048_577), "reports[1].text"),
        (Report(report_id="x", study_uid="1", report_time=Timestamp(seconds=1 << 60)), "reports[1].report_time"),
    ):
        with pytest.raises(InvalidRequest) as refused:
            list(running.reports.put([good, bad]))
        assert refused.value.fields[0][0] == field
    with pytest.raises(NotFound):
        running.reports.get("good")


async def test_keys_and_reports_from_asyncio(running: Running) -> None:
    stored(running, 3)
    async with connect_async(running.address) as channel:
        index, reports = AsyncIndexClient(channel), AsyncReportClient(channel)
        made = await index.create_search_key("kvp", "KVP")
        running.filled(made.operation)
        assert [one.search_key_id for one in await index.search_keys()] == ["kvp"]
        await index.delete_search_key("kvp")
        kept = [one async for one in reports.put([Report(report_id="r1", study_uid="1", text="BI-RADS 2")])]
        assert (await reports.of_study("1")) == kept
        assert (await reports.get("r1")).text == "BI-RADS 2"
        await reports.delete("r1")
        assert await reports.of_study("1") == []

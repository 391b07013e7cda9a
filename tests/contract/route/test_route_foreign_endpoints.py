"""Endpoints of others, as collections and rules meet them: that give too little, too much or nothing, fail, and lie."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from diana_common.attempts import Failed, Postponed, Refused, Unreachable
from diana_common.errors import DianaError, Reason
from diana_endpoints.failures import failure_of
from diana_endpoints.items import BytesContent, Failure, Item
from diana_endpoints.protocol.endpoint import Endpoint
from diana_endpoints.protocol.query import Query
from diana_route.core.collecting import Collected, ItemState, Step
from diana_route.core.model import StudyItem
from diana_route.peers.collecting_from_endpoint import EndpointSource
from diana_route.peers.endpoints import Endpoints
from diana_route.peers.held import held
from diana_route.peers.sending_to_endpoint import SendingToEndpoint
from tests.contract.route.collect_mesh import CollectMesh, collect_mesh, instances, study_uid
from tests.support.route_tasks import task_of


@dataclass
class Shelf:
    """An endpoint of somebody else's: gets, and takes."""

    files: list[bytes] = field(default_factory=list)
    taken: list[Item] = field(default_factory=list)
    wrong: Callable[[], None] = lambda: None
    fails: Failure | None = None

    def close(self) -> None:
        """Nothing to give back."""

    def get(self, wanted: Item) -> Iterator[Item]:
        self.wrong()
        for data in self.files:
            yield Item(content=BytesContent(data), failure=self.fails)

    def put(self, items: Iterable[Item]) -> Iterator[Item]:
        self.wrong()
        for item in items:
            item.failure = self.fails
            self.taken.append(item)
            yield item


@dataclass
class Desk(Shelf):
    """One that finds, too, and says that it has so many."""

    count: int = 2
    number: str = "A1"

    def find(self, query: Query) -> Iterator[Item]:
        self.wrong()
        header = {
            "0020000D": {"vr": "UI", "Value": [study_uid(1)]},
            "00080050": {"vr": "SH", "Value": [self.number]},
            "00201208": {"vr": "IS", "Value": [self.count]},
        }
        yield Item({"study_uid": study_uid(1)}, header=header)


@dataclass
class Pile(Shelf):
    """One that lists what it has, instances and other things, and gives them back by id."""

    passed_over: dict[str, int] = field(default_factory=dict)

    def list(self) -> Iterator[Item]:
        yield Item({"id": "a table's row"}, data={"name": "value"})
        yield Item({"id": "a letter"}, content=BytesContent(b"%PDF-1.7"))
        for number, data in enumerate(self.files):
            yield Item({"id": number}, content=BytesContent(data))

    def get(self, wanted: Item) -> Iterator[Item]:
        yield Item(content=BytesContent(self.files[wanted.meta["id"]]))


class Only(Endpoints):
    """One endpoint, whatever it is."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        super().__init__({"theirs": {"ctype": "archive"}})

    def _make(self, name: str) -> Endpoint:
        return self._endpoint


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectMesh]:
    with collect_mesh(tmp_path_factory.mktemp("foreign")) as mesh:
        list(mesh.archive.upload(instances(9), store="trial"))
        yield mesh


def _item(accession_number: str = "", uid: str = "") -> Collected:
    return Collected(1, 1, accession_number, uid, ItemState.WAITING, Step.FIND, 0, 0)


def _retrieve(mesh: CollectMesh, endpoint: Endpoint, stopping: Callable[[], bool] = lambda: False) -> None:
    source = EndpointSource("theirs", Only(endpoint), mesh.archive, stopping)
    source.retrieve(_item(uid=study_uid(1)), task_of(StudyItem("copy", study_uid(1)), []), "copy")


def _sending(mesh: CollectMesh, endpoint: Endpoint, *, unconfirmed: bool = False) -> SendingToEndpoint:
    return SendingToEndpoint("theirs", mesh.archive, Only(endpoint), unconfirmed=unconfirmed)


def test_what_an_endpoint_gives_of_other_studies_is_left(mesh: CollectMesh) -> None:
    _retrieve(mesh, Shelf([*instances(1), *instances(2)]))
    assert mesh.count("copy") == 2
    with pytest.raises(Refused, match="nothing of the study"):
        _retrieve(mesh, Shelf(instances(2)))


def test_less_than_an_endpoint_says_it_has_is_asked_for_again(mesh: CollectMesh) -> None:
    _retrieve(mesh, Desk(instances(1)))
    with pytest.raises(Postponed, match="gave 2 of 3 instances"):
        _retrieve(mesh, Desk(instances(1), count=3))


def test_what_cannot_be_had_of_a_study_fails_it(mesh: CollectMesh) -> None:
    with pytest.raises(Refused, match="FILE_UNREADABLE"):
        _retrieve(mesh, Shelf(instances(1), fails=Failure("FILE_UNREADABLE", "", "")))


def test_retrieving_stops_between_two_instances_when_it_is_to(mesh: CollectMesh) -> None:
    with pytest.raises(Postponed, match="interrupted"):
        _retrieve(mesh, Shelf(instances(1)), stopping=lambda: True)


def _raise(error: Exception) -> Callable[[], None]:
    def wrong() -> None:
        raise error

    return wrong


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (DianaError(Reason.PEER_UNAVAILABLE, "P9 is away"), Unreachable),
        (ConnectionRefusedError("P9"), Unreachable),
        (OSError(errno.ENOSPC, "P9"), Unreachable),
        (DianaError(Reason.CALLER_NOT_PERMITTED, "P9"), Refused),
        (ZeroDivisionError("P9"), Postponed),
    ],
)
def test_what_an_endpoint_raises_is_waited_for_or_given_up_and_its_words_are_not_kept(
    mesh: CollectMesh, error: Exception, kind: type[Failed]
) -> None:
    for endpoint in (Shelf(instances(1), wrong=_raise(error)), Desk(instances(1), wrong=_raise(error))):
        with pytest.raises(kind) as failed:
            _retrieve(mesh, endpoint)
        assert "P9" not in failed.value.why
        with pytest.raises(kind):
            _sending(mesh, endpoint).carry_out(task_of(StudyItem("trial", study_uid(9)), []))


def test_an_answer_that_was_not_asked_for_is_none(mesh: CollectMesh) -> None:
    source = EndpointSource("theirs", Only(Desk(number="A11")), mesh.archive)
    assert source.find(_item("A1")) == []
    assert source.find(_item("A11")) == [study_uid(1)]


def test_one_that_neither_finds_nor_lists_is_not_asked_by_accession_number(mesh: CollectMesh) -> None:
    source = EndpointSource("theirs", Only(Shelf()), mesh.archive)
    with pytest.raises(Refused):
        source.find(_item("A1"))
    assert list(source.find(_item(uid=study_uid(1)))) == [study_uid(1)]


def test_one_that_only_lists_is_read_through_and_what_is_no_instance_is_passed_over(mesh: CollectMesh) -> None:
    endpoints = Only(Pile([*instances(1), *instances(2)]))
    endpoints.reads_through = lambda name: True  # type: ignore[method-assign]
    source = EndpointSource("theirs", endpoints, mesh.archive)
    assert source.find(_item("A2")) == [study_uid(2)]
    source.retrieve(_item(uid=study_uid(2)), task_of(StudyItem("copy", study_uid(2)), []), "copy")
    assert mesh.archive.study(study_uid(2), store="copy").instance_count == 2


def test_an_endpoint_takes_every_instance_or_the_study_is_not_sent(mesh: CollectMesh) -> None:
    task = task_of(StudyItem("trial", study_uid(9)), [])
    shelf = Shelf()
    _sending(mesh, shelf).carry_out(task)
    assert sorted(item.meta["sop_instance_uid"] for item in shelf.taken) == [
        f"{study_uid(9)}.1.1",
        f"{study_uid(9)}.1.2",
    ]
    with pytest.raises(Refused, match="INSTANCE_CONFLICT"):
        _sending(mesh, Shelf(fails=Failure("INSTANCE_CONFLICT", "", ""))).carry_out(task)
    with pytest.raises(Unreachable, match="DISK_FULL"):
        _sending(mesh, Shelf(fails=failure_of(OSError(errno.EDQUOT, "full")))).carry_out(task)
    with pytest.raises(Postponed, match="took 0 of 2"):
        SendingToEndpoint("theirs", mesh.archive, Only(Shelf()), lambda: True).carry_out(task)


def test_what_an_endpoint_has_it_is_asked_and_where_it_cannot_say_that_is_told(mesh: CollectMesh) -> None:
    study = StudyItem("trial", study_uid(9))
    task, there = task_of(study, []), held(mesh.archive, study)
    some = _sending(mesh, Shelf(instances(9, 1))).confirmed(task.job, 0, there)
    assert some == {f"{study_uid(9)}.1.1"}
    mute = Shelf(wrong=_raise(DianaError(Reason.INVALID_FIELD, "no UIDs here")))
    with pytest.raises(Refused, match="cannot tell what it has"):
        _sending(mesh, mute).confirmed(task.job, 0, there)
    assert len(_sending(mesh, mute, unconfirmed=True).confirmed(task.job, 0, there)) == 2


def test_endpoints_are_those_of_the_configuration_by_name_alone(tmp_path: Path) -> None:
    endpoints = Endpoints({"out": {"ctype": "folder", "path": str(tmp_path)}})
    for name in ("path:/etc", f"path:{tmp_path}", "", "OUT"):
        with pytest.raises(DianaError) as refused:
            endpoints.check(name, [], "do anything", "destination.endpoint")
        assert refused.value.reason is Reason.INVALID_FIELD


def test_an_endpoint_that_finds_by_reading_all_that_it_has_is_read_once(tmp_path: Path) -> None:
    entries: dict[str, Mapping[str, Any]] = {
        "files": {"ctype": "folder", "path": str(tmp_path)},
        "values": {"ctype": "redis", "binary": True},
        "older": {"ctype": "DcmDir", "path": str(tmp_path)},
        "pacs": {"ctype": "orthanc"},
    }
    endpoints = Endpoints(entries)
    assert [name for name in entries if endpoints.reads_through(name)] == ["files", "values", "older"]

"""Instances de-identified on their way, and studies by operation: what is handed on, and what is told."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import grpc
import pytest
from google.rpc import status_pb2

from diana.anon.v1 import anon_service_pb2 as pb
from diana.operation.v1 import operation_service_pb2 as operations
from diana_client import AnonymizedFile, MeshError, OperationClient
from diana_client.errors import FailedPrecondition, Unavailable
from diana_endpoints.anon import Anon, AnonSettings
from diana_endpoints.items import BytesContent, Item, chunks
from diana_endpoints.protocol.anon import StudyOrder

State = operations.Operation.State
REFUSED = FailedPrecondition(grpc.StatusCode.FAILED_PRECONDITION, "not for sure", reason="NOT_DEIDENTIFIABLE")


class Client:
    """A service that answers what it was sent, in upper case; `errors` come first, in turn."""

    def __init__(self) -> None:
        self.errors: list[MeshError | None] = []
        self.profiles_asked: list[str] = []
        self.studies: list[dict[str, Any]] = []

    def anonymize_instance(self, source: Callable[[], BinaryIO], *, profile: str) -> AnonymizedFile:
        self.profiles_asked.append(profile)
        if self.errors and (error := self.errors.pop(0)):
            raise error
        with source() as stream:
            data = stream.read().upper()
        return AnonymizedFile(_answers(data))

    def anonymize_study(self, study_uid: str, target_store: str, **more: Any) -> operations.Operation:
        self.studies.append({"study_uid": study_uid, "target_store": target_store, **more})
        return operations.Operation(name="operations/anon-1")


class Operations(OperationClient):
    """One operation that has ended, and the items that failed in it."""

    def __init__(self, ended: operations.Operation, *failed: str) -> None:
        self._ended, self._failed = ended, failed

    def wait(
        self, name: str, timeout: float | None = None, on_progress: Callable[[operations.Operation], None] | None = None
    ) -> operations.Operation:
        if on_progress:
            on_progress(operations.Operation(progress=operations.Progress(done=1, total=2)))
        return self._ended

    def failures(self, name: str) -> Iterator[operations.ItemFailure]:
        for uid in self._failed:
            yield operations.ItemFailure(item=uid, status=status_pb2.Status(code=9, message="not for sure"))


def _answers(data: bytes) -> Any:
    yield pb.AnonymizeInstanceResponse(
        instance=pb.AnonymizedInstance(study_uid="2.1", sop_instance_uid="2.3", size_bytes=len(data))
    )
    for start in range(0, len(data), 1 << 20):
        yield pb.AnonymizeInstanceResponse(data=data[start : start + (1 << 20)])


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def anon(client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[Anon]:
    endpoint = Anon(AnonSettings("127.0.0.1:1", profile="own"))
    monkeypatch.setattr(endpoint, "_client", client)
    yield endpoint
    endpoint.close()


def _item(data: bytes, number: int = 1) -> Item:
    meta = {"path": "Doe^John", "sop_instance_uid": "1.3"}
    return Item(meta, {"00100010": {"vr": "PN"}}, BytesContent(data), number=number)


def test_nothing_of_the_source_but_its_place_is_handed_on(anon: Anon) -> None:
    [made] = anon.anonymize([_item(b"abc", 7)])
    assert (made.number, made.header, made.meta["sop_instance_uid"]) == (7, None, "2.3")
    assert "Doe" not in str(made)
    assert made.content is not None
    assert b"".join(chunks(made.content)) == b"ABC"


def test_the_profile_that_is_asked_for_wins_over_the_endpoints_own(anon: Anon, client: Client) -> None:
    list(anon.anonymize([_item(b"a")]))
    list(anon.anonymize([_item(b"a")], "other"))
    assert client.profiles_asked == ["own", "other"]


def test_a_large_instance_lies_in_a_file_for_as_long_as_it_is_held(
    anon: Anon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    data = bytes(range(97, 123)) * 200_000
    [made] = anon.anonymize([_item(data)])
    [file] = tmp_path.iterdir()
    assert file.stat().st_mode & 0o077 == 0
    assert made.content is not None
    assert made.content.size == len(data)
    for _ in range(2):
        assert b"".join(chunks(made.content)) == data.upper()
    del made
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_an_instance_that_is_refused_fails_alone_and_keeps_its_source(anon: Anon, client: Client) -> None:
    client.errors = [None, REFUSED]
    first, refused, empty, last = anon.anonymize([_item(b"a"), _item(b"b"), Item(number=3), _item(b"d", 4)])
    assert (first.failure, last.failure) == (None, None)
    assert refused.failure is not None
    assert refused.failure.reason == "NOT_DEIDENTIFIABLE"
    assert refused.meta["path"] == "Doe^John"
    assert empty.failure is not None
    assert empty.failure.reason == "INVALID_FIELD"


def test_a_service_that_is_gone_ends_the_flow(anon: Anon, client: Client) -> None:
    client.errors = [Unavailable(grpc.StatusCode.UNAVAILABLE, "gone")]
    with pytest.raises(Unavailable):
        list(anon.anonymize([_item(b"a")]))


def test_an_order_is_passed_on_as_it_is(anon: Anon, client: Client) -> None:
    order = StudyOrder("1.2", "deid", "raw", attributes={"trial": "mammo"}, copied_attributes=("site",))
    assert anon.start_study(order) == "operations/anon-1"
    assert client.studies == [
        {
            "study_uid": "1.2",
            "target_store": "deid",
            "source_store": "raw",
            "profile": "own",
            "attributes": {"trial": "mammo"},
            "copied_attributes": ("site",),
        }
    ]


def test_refused_instances_come_before_the_new_study(anon: Anon, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = operations.Operation(name="operations/anon-1", state=State.STATE_SUCCEEDED)
    result = pb.AnonymizeStudyResult(
        target_store="deid", study_uid="2.1", instance_count=3, failed_count=2, position="p-9"
    )
    ended.result.Pack(result)
    monkeypatch.setattr(anon, "_operations", Operations(ended, "1.3.1", "1.3.2"))
    told: list[tuple[int, int]] = []
    *refused, study = anon.await_study("operations/anon-1", lambda done, total: told.append((done, total)))
    assert [item.name for item in refused] == ["1.3.1", "1.3.2"]
    assert {item.failure.reason for item in refused if item.failure} == {"FAILED_PRECONDITION"}
    assert study.meta == {
        "operation": "operations/anon-1",
        "study_uid": "2.1",
        "store": "deid",
        "instances": 3,
        "refused": 2,
        "complete": False,
        "position": "p-9",
        "outcome": "anonymized",
    }
    assert told == [(1, 2)]


def test_a_cohorts_counts_come_last_and_a_previews_say_what_was_found(
    anon: Anon, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = operations.Operation(name="operations/anon-1", state=State.STATE_SUCCEEDED)
    for target, outcome in (("deid", "anonymized"), ("", "previewed")):
        result = pb.AnonymizeStudiesResult(
            target_store=target,
            study_count=2,
            failed_study_count=1,
            instance_count=7,
            failed_count=3,
            quarantined_count=1,
            conflict_count=4,
            remaining_text_count=5,
        )
        ended.result.Pack(result)
        monkeypatch.setattr(anon, "_operations", Operations(ended, "1.3.1"))
        refused, made = anon.await_cohort("operations/anon-1")
        assert refused.failure
        told = [
            made.meta[key] for key in ("studies", "failed_studies", "instances", "refused", "quarantined", "outcome")
        ]
        assert told == [2, 1, 7, 3, 1, outcome]
        assert ("texts" in made.meta, "conflicts" in made.meta) == (not target, not target)


@pytest.mark.parametrize(
    ("ended", "reason"),
    [
        (operations.Operation(state=State.STATE_CANCELLED), "OPERATION_FINISHED"),
        (operations.Operation(state=State.STATE_FAILED, error=status_pb2.Status(code=5, message="none")), "NOT_FOUND"),
    ],
)
def test_an_operation_that_did_not_succeed_is_a_failure(
    anon: Anon, monkeypatch: pytest.MonkeyPatch, ended: operations.Operation, reason: str
) -> None:
    monkeypatch.setattr(anon, "_operations", Operations(ended))
    [item] = anon.await_study("operations/anon-1")
    assert item.failure is not None
    assert item.failure.reason == reason

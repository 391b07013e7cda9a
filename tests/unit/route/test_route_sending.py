"""Sending to another archive, where one of the two fails at it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

import grpc
import pytest

from diana.archive.v1.resources_pb2 import Instance, Study
from diana_client import ArchiveClient, Conflict, MeshError, SourceUnreadable, Unavailable, UploadItem, UploadResult
from diana_common.attempts import Failed, Postponed, Refused, Unreachable
from diana_route.core.rules import Send
from diana_route.peers.sending_to_archive import SendingToArchive
from tests.support.route_tasks import study_item, task_of

SPEC = Send(archive="research", store="copy")
AWAY = Unavailable(grpc.StatusCode.UNAVAILABLE, "10.0.0.1:50061 refused")


class FakeSource:
    """Has large instances, whose bytes break off for some."""

    def __init__(self, broken: Iterable[str] = ()) -> None:
        self.broken = set(broken)

    def instances(self, study_uid: str, store: str) -> Iterator[Instance]:
        return (Instance(sop_instance_uid=uid, size_bytes=3 << 20) for uid in ("1.1", "1.2", "1.3"))

    def read(self, uid: str, store: str, version: str) -> Iterator[bytes]:
        yield bytes(1 << 20)
        if uid in self.broken:
            raise AWAY
        yield bytes(2 << 20)

    def study(self, study_uid: str, store: str) -> Study:
        return Study(study_uid=study_uid)


class FakeTarget:
    """Takes what it can read, in pieces as they are asked for."""

    def __init__(self, refused: MeshError | None = None) -> None:
        self.there: dict[str, int] = {}
        self.refused = refused
        self.complete = False

    def find_missing(self, named: Iterable[tuple[str, bytes]], store: str) -> Iterator[str]:
        return iter([uid for uid, _ in named if uid not in self.there])

    def upload(self, items: Iterable[UploadItem], **options: Any) -> Iterator[UploadResult]:
        for item in items:
            try:
                pieces = list(item.pieces())
            except Exception as error:
                yield UploadResult(item.key, SourceUnreadable(error))
                continue
            if self.refused and item.key == "1.2":
                yield UploadResult(item.key, self.refused)
                continue
            assert max(map(len, pieces)) <= 1 << 20
            self.there[item.key] = sum(map(len, pieces))
            yield UploadResult(item.key)

    def record_evidence(self, study_uid: str, evidence: object, store: str, origin: object) -> None:
        self.complete = True


def send(source: FakeSource, target: FakeTarget) -> Failed | None:
    action = SendingToArchive(SPEC, cast(ArchiveClient, source), cast(ArchiveClient, target))
    try:
        action.carry_out(task_of(study_item("1"), [SPEC]))
    except Failed as failed:
        return failed
    return None


def test_large_instances_are_passed_on_in_pieces() -> None:
    target = FakeTarget()
    assert send(FakeSource(), target) is None
    assert target.there == {"1.1": 3 << 20, "1.2": 3 << 20, "1.3": 3 << 20}
    assert target.complete


def test_a_source_that_breaks_off_is_asked_again_for_what_is_missing() -> None:
    source, target = FakeSource(broken=["1.2"]), FakeTarget()
    failed = send(source, target)
    assert isinstance(failed, Postponed)
    assert failed.why == "archive research has 2 of 3 instances"
    assert not target.complete
    source.broken.clear()
    assert send(source, target) is None


@pytest.mark.parametrize(
    ("error", "kind", "why"),
    [
        (
            Conflict(grpc.StatusCode.ALREADY_EXISTS, "?", reason="INSTANCE_CONFLICT"),
            Refused,
            "refused 1 of 3 instances",
        ),
        (AWAY, Postponed, "has 2 of 3 instances"),
    ],
)
def test_what_one_instance_is_refused_for_decides(error: MeshError, kind: type[Failed], why: str) -> None:
    failed = send(FakeSource(), FakeTarget(error))
    assert type(failed) is kind
    assert why in failed.why


def test_an_archive_that_is_away_keeps_all_that_goes_there() -> None:
    class Away(FakeTarget):
        def find_missing(self, named: Iterable[tuple[str, bytes]], store: str) -> Iterator[str]:
            raise AWAY

    assert isinstance(send(FakeSource(), Away()), Unreachable)

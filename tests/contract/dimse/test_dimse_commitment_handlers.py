"""Storage commitment over an association: what is answered at once, and how and where the result comes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from diana_common.dicomjson import DataSetJson
from diana_dimse.core.commitment.model import (
    PUSH_MODEL_INSTANCE,
    Asked,
    Reference,
    Result,
    action_information,
    event_information,
    read_event_information,
)
from diana_dimse.core.commitment.user import Expected
from diana_dimse.core.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN, STORAGE_COMMITMENT, VERIFICATION
from diana_dimse.handlers.committing import CommitmentHandler, CommitmentResultHandler
from diana_dimse.handlers.echoing import EchoHandler
from diana_dimse.handlers.session import Handler
from diana_dimse.network.association import Association, Message
from diana_dimse.network.commands import Operation, request, response
from diana_dimse.network.faults import AssociationEnded
from diana_dimse.wire.datasets import decode, encode
from diana_dimse.wire.reading import DataSetReader
from tests.contract.dimse.finding_door import associated, open_door
from tests.support.commitment_fakes import CT, Site

MOST = 1 << 20


class Fixture:
    """A door that commits itself, among fakes."""

    def __init__(self, folder: Path) -> None:
        self.site = Site(folder, most=3)
        self.site.held.classes = {"1.1": CT, "1.2": CT}
        self.expected = Expected()
        self.reader = DataSetReader(most_bytes=100_000, together=50_000)
        self.port = 0


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Fixture]:
    fixture = Fixture(tmp_path)
    handlers: dict[tuple[Operation, str] | Operation, Handler] = {
        (Operation.N_ACTION, STORAGE_COMMITMENT): CommitmentHandler(fixture.site.commitments, fixture.reader),
        (Operation.N_EVENT_REPORT, STORAGE_COMMITMENT): CommitmentResultHandler(fixture.expected, fixture.reader),
        Operation.C_ECHO: EchoHandler(),
    }
    with open_door(handlers) as fixture.port:
        fixture.site.commitments.start()
        yield fixture
        fixture.site.commitments.stop()


def asked(*uids: str, transaction: str = "1.9") -> DataSetJson:
    return action_information(Asked(transaction, tuple(Reference(CT, uid) for uid in uids)))


def ask(association: Association, information: DataSetJson | bytes, **others: Any) -> tuple[int, str | None]:
    """The status of an N-ACTION, and its comment."""
    parts = {"requested_sop_instance_uid": PUSH_MODEL_INSTANCE, "action_type_id": 1, **others}
    command = request(Operation.N_ACTION, 3, has_data_set=True, requested_sop_class_uid=STORAGE_COMMITMENT, **parts)
    data = information if isinstance(information, bytes) else encode(information, EXPLICIT_VR_LITTLE_ENDIAN)
    association.send(1, command, [data])
    answer = _received(association).command
    assert (answer.is_response, answer.affected_sop_class_uid) == (True, STORAGE_COMMITMENT)
    return answer.status or 0, answer.error_comment


def hear(association: Association, status: int = 0) -> Result:
    """The result that comes over this association."""
    message = _received(association)
    assert message.command.operation == Operation.N_EVENT_REPORT
    result = read_event_information(decode(message.read(MOST), message.context.transfer_syntax))
    association.send(1, response(message.command, status))
    return result


def _received(association: Association) -> Message:
    message = association.receive(20)
    assert message is not None
    return message


def test_a_requestor_that_stays_hears_over_the_same_association(door: Fixture) -> None:
    with associated(door.port, STORAGE_COMMITMENT) as association:
        assert ask(association, asked("1.1", "1.2")) == (0, None)
        assert hear(association) == Result("1.9", (Reference(CT, "1.1"), Reference(CT, "1.2")))
    assert door.site.ledger.count() == 0
    assert door.site.told.results.empty()


def test_results_of_several_requests_wait_until_the_requestor_is_silent(door: Fixture) -> None:
    with associated(door.port, STORAGE_COMMITMENT) as association:
        for number in (1, 2, 3):
            assert ask(association, asked("1.1", transaction=f"1.9.{number}")) == (0, None)
        assert [hear(association).transaction_uid for _ in range(3)] == ["1.9.1", "1.9.2", "1.9.3"]


def test_what_is_under_way_when_commitment_is_asked_for_is_waited_for(door: Fixture) -> None:
    with associated(door.port, STORAGE_COMMITMENT) as association:
        ask(association, asked("1.1", "1.4"))
        assert not association.is_readable(0.7)
        door.site.held.classes["1.4"] = CT
        assert not hear(association).failed


@pytest.mark.parametrize("leaves", ["releases", "refuses", "aborts"])
def test_one_that_leaves_or_refuses_hears_over_another_association(door: Fixture, leaves: str) -> None:
    with suppress(AssociationEnded), associated(door.port, STORAGE_COMMITMENT) as association:
        ask(association, asked("1.1"))
        if leaves == "refuses":
            hear(association, 0x0110)
        if leaves == "aborts":
            association.abort()
    transaction, result = door.site.told.results.get(timeout=20)
    assert (transaction.calling, transaction.called, result.transaction_uid) == ("TESTER", "DIANA", "1.9")


@pytest.mark.parametrize(
    ("information", "others", "status"),
    [
        (asked("1.1"), {"action_type_id": 2}, 0x0123),
        (asked("1.1"), {"requested_sop_instance_uid": "1.2.3"}, 0x0112),
        (asked(), {}, 0x0115),
        (b"\x08\x00\x99\x11SQ\0\0\xff\xff\0\0 and then nothing", {}, 0x0115),
        (b"", {}, 0x0115),
    ],
)
def test_a_request_that_is_none_is_refused(
    door: Fixture, information: DataSetJson | bytes, others: dict[str, Any], status: int
) -> None:
    with associated(door.port, STORAGE_COMMITMENT) as association:
        assert ask(association, information, **others)[0] == status
        assert ask(association, asked("1.1"))[0] == 0
    assert door.site.ledger.count() <= 1


def test_more_than_can_be_kept_is_refused_as_a_limit_of_ours(door: Fixture) -> None:
    with associated(door.port, STORAGE_COMMITMENT) as association:
        for number in range(3):
            assert ask(association, asked("1.1", "1.4", transaction=f"1.9.{number}"))[0] == 0
        assert ask(association, asked("1.1", transaction="1.8")) == (0x0213, "OVERLOADED")
        assert ask(association, asked("1.1", transaction="1.9.0")) == (0x0110, "REQUEST_ID_REUSED")


def test_lists_of_instances_take_no_more_memory_than_they_may(door: Fixture) -> None:
    def many(count: int) -> DataSetJson:
        return asked(*(f"1.1.{number}" for number in range(count)), transaction=f"1.9.{count}")

    with associated(door.port, STORAGE_COMMITMENT) as association:
        assert ask(association, many(2_000)) == (0x0213, "OVERLOADED")
        assert ask(association, many(700)) == (0, None)
        assert ask(association, many(20_000))[0] == 0x0213
        assert ask(association, many(701)) == (0, None)


def report(association: Association, information: DataSetJson | bytes, **others: Any) -> int:
    """The status of an N-EVENT-REPORT."""
    parts = {"affected_sop_instance_uid": PUSH_MODEL_INSTANCE, "event_type_id": 1, **others}
    command = request(
        Operation.N_EVENT_REPORT, 5, has_data_set=True, affected_sop_class_uid=STORAGE_COMMITMENT, **parts
    )
    data = information if isinstance(information, bytes) else encode(information, EXPLICIT_VR_LITTLE_ENDIAN)
    association.send(1, command, [data])
    return _received(association).command.status or 0


def test_a_peers_result_reaches_who_waits_for_it(door: Fixture) -> None:
    result = Result("1.7", (Reference(CT, "1.1"),), {Reference(CT, "1.2"): 0x0112})
    information = event_information(result)
    with door.expected.awaiting("1.7") as awaited, associated(door.port, STORAGE_COMMITMENT) as association:
        assert report(association, information, event_type_id=7) == 0x0113
        assert report(association, information, affected_sop_instance_uid="1.2.3") == 0x0112
        assert report(association, b"\x08\0") == 0x0115
        assert report(association, event_information(Result("1.6")), event_type_id=1) == 0x0110
        assert not awaited.is_there
        assert report(association, information, event_type_id=2) == 0
        assert awaited.result == result


def test_the_door_serves_others_while_a_requestor_waits(door: Fixture) -> None:
    with associated(door.port, STORAGE_COMMITMENT) as waiting:
        ask(waiting, asked("1.4"))
        with associated(door.port, VERIFICATION) as other:
            other.send(1, request(Operation.C_ECHO, 1, affected_sop_class_uid=VERIFICATION))
            assert _received(other).command.status == 0

"""C-FIND over an association: answers, statuses, cancellation, character sets. The index is a fake."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from diana_common.dicomjson import DataSetJson
from diana_common.errors import DianaError, Reason
from diana_dimse.core.queries.finding import Finding, Level, Question, Vocabulary
from diana_dimse.core.sop_classes import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    MODALITY_WORKLIST_FIND,
    STUDY_ROOT_FIND,
)
from diana_dimse.handlers.finding import FindHandler
from diana_dimse.handlers.worklist import WorklistHandler
from diana_dimse.network.association import Association
from diana_dimse.network.commands import Operation
from diana_dimse.network.faults import AssociationEnded
from diana_dimse.wire.datasets import encode
from tests.contract.dimse.finding_door import associated, attribute, find, open_door, send_query

PATIENT_ID, NAME, STUDY_UID, SERIES_UID = "00100020", "00100010", "0020000D", "0020000E"
STUDY_LEVEL = {"00080052": attribute("CS", "STUDY")}


class FakeIndex:
    """Answers with so many studies of one name, or refuses."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """As it was made."""
        self.taken = 0
        self.count = 3
        self.name: dict[str, str] = {"Alphabetic": "Doe^Jane"}
        self.refusal: Reason | None = None

    def vocabulary(self, fresh: bool = False) -> Vocabulary:
        levels = {PATIENT_ID: Level.PATIENT, NAME: Level.PATIENT, STUDY_UID: Level.STUDY, SERIES_UID: Level.SERIES}
        return Vocabulary(frozenset(levels), levels)

    def find(self, question: Question) -> Iterator[DataSetJson]:
        if self.refusal:
            raise DianaError(self.refusal, "refused")
        for number in range(1, self.count + 1):
            self.taken = number
            yield {PATIENT_ID: attribute("LO", f"P{number}"), NAME: attribute("PN", self.name)}


class FakeWorklist:
    """One step."""

    def items(self, title: str) -> list[Mapping[str, Any]]:
        return [{PATIENT_ID: attribute("LO", title)}]


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[FakeIndex, int]]:
    index = FakeIndex()
    handler = FindHandler(Finding(index))
    worklist = WorklistHandler(FakeWorklist())
    with open_door({Operation.C_FIND: handler, (Operation.C_FIND, MODALITY_WORKLIST_FIND): worklist}) as port:
        yield index, port


@pytest.fixture
def index(shared: tuple[FakeIndex, int]) -> FakeIndex:
    shared[0].reset()
    return shared[0]


@pytest.fixture
def port(shared: tuple[FakeIndex, int], index: FakeIndex) -> int:
    return shared[1]


@pytest.mark.parametrize("syntax", [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN])
def test_a_query_is_answered_in_the_syntax_agreed(port: int, syntax: str) -> None:
    with associated(port, transfer_syntax=syntax) as association:
        found = find(association, {**STUDY_LEVEL, PATIENT_ID: attribute("LO"), "00080050": attribute("SH")})
    assert found.status == 0x0000
    assert found.pending == {0xFF01}  # Accession Number is not in this index
    assert [one[PATIENT_ID]["Value"] for one in found.answers] == [["P1"], ["P2"], ["P3"]]
    assert found.answers[0] == {
        PATIENT_ID: attribute("LO", "P1"),
        "00080050": attribute("SH"),
        "00080052": attribute("CS", "STUDY"),
        "00080054": attribute("AE", "DIANA"),
        "00080056": attribute("CS", "ONLINE"),
    }


def test_supported_keys_are_pending_without_a_warning(port: int) -> None:
    with associated(port) as association:
        assert find(association, {**STUDY_LEVEL, PATIENT_ID: attribute("LO", "P*")}).pending == {0xFF00}


@pytest.mark.parametrize(
    ("declared", "name", "answered"),
    [
        (None, "Doe^Jane", None),
        (None, "Διονυσιος", "ISO_IR 192"),
        ("ISO_IR 126", "Διονυσιος", "ISO_IR 126"),
        ("ISO_IR 100", "Müller^Jörg", "ISO_IR 100"),
        ("ISO_IR 100", "Люкceмбypг", "ISO_IR 192"),
        ("ISO_IR 100", "Doe^Jane", None),
        ("ISO_IR 192", "山田^太郎", "ISO_IR 192"),
        (r"\ISO 2022 IR 87", "山田^太郎", r"\ISO 2022 IR 87"),
    ],
)
def test_answers_are_in_the_requestors_character_set_where_it_has_them(
    index: FakeIndex, port: int, declared: str | None, name: str, answered: str | None
) -> None:
    index.name, index.count = {"Alphabetic": name}, 1
    with associated(port) as association:
        (found,) = find(association, {**STUDY_LEVEL, NAME: attribute("PN")}, declared=declared or "").answers
    assert found[NAME]["Value"] == [{"Alphabetic": name}]
    terms = found.get("00080005", {}).get("Value")
    assert (terms and "\\".join(one or "" for one in terms)) == answered


def test_a_cancelled_query_ends_early(index: FakeIndex, port: int) -> None:
    index.count = 1_000_000
    with associated(port) as association:
        found = find(association, {**STUDY_LEVEL, PATIENT_ID: attribute("LO")}, cancel_after=2)
        assert found.status == 0xFE00
        assert index.taken < index.count
        index.count = 1
        assert find(association, {**STUDY_LEVEL, PATIENT_ID: attribute("LO")}).status == 0x0000


@pytest.mark.parametrize(
    "asked", [{}, {"00080052": attribute("CS", "PATIENT")}, {"00080052": attribute("CS", "IMAGE")}]
)
def test_an_identifier_that_is_not_of_the_model_is_told_so(port: int, asked: dict[str, Any]) -> None:
    with associated(port) as association:
        found = find(association, asked)
    assert found.status == 0xA900
    assert found.comment


def test_relational_queries_are_served_once_negotiated(port: int) -> None:
    asked = {"00080052": attribute("CS", "SERIES"), SERIES_UID: attribute("UI")}
    for extended, status in ((None, 0xA900), (b"\0\1\1", 0xA900), (b"\1", 0), (b"\1\1\1\1\1", 0)):
        with associated(port, extended=extended) as association:
            agreed = association.agreed.extended
            assert agreed == ({} if extended is None else {STUDY_ROOT_FIND: (extended[:3] + b"\0\0")[: len(extended)]})
            assert find(association, asked).status == status


@pytest.mark.parametrize(
    ("refusal", "status"),
    [(Reason.PEER_UNAVAILABLE, 0xA700), (Reason.OVERLOADED, 0xA700), (Reason.INVALID_FIELD, 0xC000)],
)
def test_a_refusal_of_the_index_becomes_a_status(index: FakeIndex, port: int, refusal: Reason, status: int) -> None:
    index.refusal = refusal
    with associated(port) as association:
        found = find(association, {**STUDY_LEVEL, PATIENT_ID: attribute("LO", "P1")})
        assert (found.status, found.answers, found.comment) == (status, [], refusal.name)
        index.refusal = None
        assert find(association, STUDY_LEVEL).status == 0x0000


def test_more_matches_than_are_allowed_end_with_out_of_resources() -> None:
    with open_door({Operation.C_FIND: FindHandler(Finding(FakeIndex()), 2)}) as port, associated(port) as association:
        found = find(association, {**STUDY_LEVEL, PATIENT_ID: attribute("LO")})
    assert (found.status, len(found.answers)) == (0xA700, 2)


def test_bytes_that_are_no_identifier_are_refused_and_the_next_query_is_served(port: int) -> None:
    with associated(port) as association:
        send_query(association, (b"\x08\x00\x52\x00CS\xff\x00STUDY",))
        message = association.receive(10)
        assert message is not None
        assert message.command.status == 0xC000
        assert find(association, STUDY_LEVEL).status == 0x0000


def test_damaged_identifiers_are_answered_each_on_one_association(port: int) -> None:
    chance = random.Random(3)
    item = attribute("SQ", {"00401001": attribute("SH", "X"), "00400007": attribute("LO")})
    good = encode({**STUDY_LEVEL, PATIENT_ID: attribute("LO", "P1"), "00400275": item}, EXPLICIT_VR_LITTLE_ENDIAN)
    with associated(port) as association:
        for _ in range(300):
            bad = bytearray(good)
            for _ in range(chance.randint(1, 5)):
                bad[chance.randrange(len(bad))] = chance.randrange(256)
            send_query(association, (bytes(bad[: chance.randint(1, len(bad))]),))
            assert _final_status(association) in (0x0000, 0xA900, 0xC000)
        assert find(association, STUDY_LEVEL).status == 0x0000


def _final_status(association: Association) -> int | None:
    while True:
        message = association.receive(10)
        assert message is not None
        if not message.command.has_data_set:
            return message.command.status


def test_an_endless_identifier_ends_the_association_only(port: int) -> None:
    with pytest.raises(AssociationEnded), associated(port) as association:
        send_query(association, (bytes(65536) for _ in range(64)))
        association.receive(10)
    with associated(port) as association:
        assert find(association, STUDY_LEVEL).status == 0x0000


def test_a_worklist_is_answered_without_a_retrieve_level(port: int) -> None:
    with associated(port, MODALITY_WORKLIST_FIND) as association:
        found = find(association, {PATIENT_ID: attribute("LO"), "00400100": attribute("SQ")})
    assert found.pending == {0xFF00}
    assert found.answers == [{PATIENT_ID: attribute("LO", "DIANA"), "00400100": attribute("SQ")}]

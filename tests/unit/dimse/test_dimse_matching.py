"""Attribute matching (PS3.4 section C.2.2.2) of data sets that the door holds itself."""

from __future__ import annotations

from typing import Any

import pytest

from diana_common.errors import DianaError, Reason
from diana_dimse.core.queries.identifiers import matching_keys
from diana_dimse.core.queries.matching import matcher


def _matches(asked: dict[str, Any], held: dict[str, Any]) -> bool:
    return matcher(matching_keys(asked))(held)


def _one(vr: str, wanted: str | list[str], found: str | list[str]) -> bool:
    """Whether a value of some attribute matches."""

    def element(values: str | list[str]) -> dict[str, Any]:
        listed = [values] if isinstance(values, str) else values
        if vr == "PN":
            groups = ("Alphabetic", "Ideographic", "Phonetic")
            return {"vr": vr, "Value": [dict(zip(groups, one.split("="), strict=False)) for one in listed]}
        return {"vr": vr, "Value": listed} if values else {"vr": vr}

    return _matches({"00100010": element(wanted)}, {"00100010": element(found)})


@pytest.mark.parametrize(
    ("vr", "wanted", "found"),
    [
        ("LO", "P1", "P1"), ("LO", " P1 ", "P1"), ("LO", "P*", "P1"), ("LO", "P?", "P1"), ("LO", "*1", "P1"),
        ("LO", "*a*b*", "xaxbx"), ("LO", "a.b", "a.b"), ("LO", "*", ""), ("LO", "", "P1"), ("LO", "**", ""),
        ("LO", ["x", "P1"], "P1"), ("LO", "B", ["A", "B"]), ("LO", '""', ""), ("LO", ['""', "P1"], "P1"),
        ("CS", "C*", "CT"), ("UI", ["1.2", "1.3"], "1.3"), ("IS", "007", "7"), ("DS", "1.0", "1"), ("UI", "1.2", "1.2"),
        ("DA", "20260101", "20260101"), ("DA", "20260101-20260131", "20260115"), ("DA", "-20260131", "19990101"),
        ("DA", "20260101-", "20260101"), ("DA", "2026.01.01", "20260101"),
        ("TM", "10", "105959"), ("TM", "1000-1100", "110059.9"), ("TM", "10:00", "1000"), ("TM", "-12", "0001"),
        ("DT", "20260101-20260102", "20260102235959"), ("DT", "20260101120000+0100", "20260101110000+0000"),
        ("PN", "doe^jane", "DOE^JANE"), ("PN", "Doe*", "Doe^Jane"), ("PN", "Doe", "Doe^^^^"), ("PN", "Doe^*", "Doe"),
        ("PN", "山田*", "Yamada^Tarou=山田^太郎"), ("PN", "=山田^太郎", "Yamada^Tarou=山田^太郎"),
        ("PN", "Doe^?ane", "doe^jane"),
    ],
)  # fmt: skip
def test_what_matches(vr: str, wanted: str | list[str], found: str | list[str]) -> None:
    assert _one(vr, wanted, found)


@pytest.mark.parametrize(
    ("vr", "wanted", "found"),
    [
        ("LO", "P1", "p1"), ("LO", "P1", ""), ("LO", "P?", "P"), ("LO", "a.b", "axb"), ("LO", '""', "P1"),
        ("UI", "1.2*", "1.2.3"), ("UI", "1.2", "1.2.3"), ("DA", "20260101-20260131", "20260201"),
        ("DA", "20260101", "nonsense"), ("TM", "1000-1100", "1101"), ("TM", "10", "11"), ("IS", "7", "8"),
        ("PN", "Doe", "Doe^Jane"), ("PN", "=山田", "Yamada=鈴木"), ("DA", "20260101-", ""),
    ],
)  # fmt: skip
def test_what_does_not_match(vr: str, wanted: str | list[str], found: str | list[str]) -> None:
    assert not _one(vr, wanted, found)


@pytest.mark.parametrize(("vr", "wanted"), [("DA", "2026*"), ("DA", "20261345"), ("TM", "-"), ("DT", "x-y")])
def test_values_that_their_vr_cannot_have_are_refused(vr: str, wanted: str) -> None:
    with pytest.raises(DianaError) as refused:
        _one(vr, wanted, "")
    assert refused.value.reason is Reason.INVALID_FIELD
    assert wanted not in refused.value.message


def _step(**values: str) -> dict[str, Any]:
    tags = {"modality": ("00080060", "CS"), "title": ("00400001", "AE"), "date": ("00400002", "DA")}
    tags["time"] = ("00400003", "TM")
    return {tags[name][0]: {"vr": tags[name][1], "Value": [value]} for name, value in values.items()}


def _steps(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"00400100": {"vr": "SQ", "Value": list(steps)}}


def test_one_item_of_a_sequence_must_meet_all_its_keys() -> None:
    held = _steps(_step(modality="CT", title="A"), _step(modality="MR", title="B"))
    assert _matches(_steps(_step(modality="MR", title="B")), held)
    assert not _matches(_steps(_step(modality="MR", title="A")), held)
    assert _matches(_steps(_step(modality="*")), {})
    assert _matches({"00400100": {"vr": "SQ"}}, held)
    assert not _matches(_steps(_step(modality="CT")), {"00400100": {"vr": "SQ"}})


def test_a_range_of_dates_and_one_of_times_are_one_period() -> None:
    """The remark in PS3.4 Table K.6-1: from July 5, 10 am, to July 7, 6 pm."""
    asked = _steps(_step(date="20260705-20260707", time="1000-1800"))
    assert _matches(asked, _steps(_step(date="20260706", time="2300")))
    assert not _matches(asked, _steps(_step(date="20260705", time="0930")))
    assert _matches(asked, _steps(_step(date="20260707", time="180059")))
    assert not _matches(asked, _steps(_step(date="20260707", time="1801")))
    assert not _matches(asked, _steps(_step(time="1200")))
    assert not _matches(_steps(_step(date="20260706", time="1000-1800")), _steps(_step(date="20260706", time="2300")))


def test_no_pattern_takes_long() -> None:
    assert not _one("LT", "*a" * 500 + "b", "a" * 10_000)

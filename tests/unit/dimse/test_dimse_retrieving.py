"""What the identifier of a C-MOVE or C-GET selects."""

from __future__ import annotations

from typing import Any

import pytest

from diana_common.errors import DianaError, Reason
from diana_dimse.core.sending import selection as retrieving
from diana_dimse.core.sending.selection import IdentifierFault, Level, Selecting, Selection, read_selection
from tests.support.kept_instances import KeptInstances, Places, stored

KEYS = {"level": "00080052", "patient": "00100020", "study": "0020000D", "series": "0020000E", "image": "00080018"}


def keys(**values: Any) -> dict[str, Any]:
    """An identifier; several values in a list."""
    return {
        KEYS[name]: {"vr": "UI", "Value": value if isinstance(value, list) else [value]}
        for name, value in values.items()
    }


def read(*, patient_root: bool = False, relational: bool = False, **values: Any) -> Selection:
    return read_selection(keys(**values), is_patient_root=patient_root, is_relational=relational)


def test_a_study_or_a_list_of_studies() -> None:
    assert read(level="STUDY", study="1.2") == Selection(Level.STUDY, study_uids=("1.2",))
    assert read(level="STUDY ", study=["1.2", "1.3", "1.2"]).study_uids == ("1.2", "1.3")


def test_keys_of_levels_below_are_passed_over() -> None:
    assert read(level="STUDY", study="1.2", series="1.3", image="nothing") == Selection(
        Level.STUDY, study_uids=("1.2",)
    )


def test_series_and_images_need_the_keys_above_them() -> None:
    assert read(level="SERIES", study="1.2", series=["1.3", "1.4"]).series_uids == ("1.3", "1.4")
    assert read(level="IMAGE", study="1.2", series="1.3", image=["1.5"]).sop_instance_uids == ("1.5",)
    for wrong in (
        {"level": "SERIES", "series": "1.3"},
        {"level": "SERIES", "study": ["1.2", "1.6"], "series": "1.3"},
        {"level": "SERIES", "study": "1.2"},
        {"level": "IMAGE", "study": "1.2", "image": "1.5"},
        {"level": "IMAGE", "study": "1.2", "series": "1.3"},
    ):
        with pytest.raises(IdentifierFault):
            read(**wrong)


def test_relational_retrieval_needs_the_key_of_its_level_only() -> None:
    assert read(relational=True, level="IMAGE", image="1.5") == Selection(Level.IMAGE, sop_instance_uids=("1.5",))
    assert read(relational=True, level="SERIES", series="1.3").study_uids == ()
    with pytest.raises(IdentifierFault):
        read(relational=True, level="SERIES", study="1.2")


def test_a_patient_is_one_value_and_no_pattern() -> None:
    assert read(patient_root=True, level="PATIENT", patient="P1") == Selection(Level.PATIENT, "P1")
    for wrong in ("*", "P?", ["P1", "P2"], ""):
        with pytest.raises(IdentifierFault):
            read(patient_root=True, level="PATIENT", patient=wrong)
    with pytest.raises(IdentifierFault):
        read(level="PATIENT", patient="P1")


def test_the_patient_root_model_takes_a_study_with_or_without_its_patient() -> None:
    assert read(patient_root=True, level="STUDY", study="1.2").patient_id == ""
    assert read(patient_root=True, level="STUDY", study="1.2", patient="P1").patient_id == "P1"
    assert read(level="STUDY", study="1.2", patient="P1").patient_id == ""


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"level": "STUDY"},
        {"level": "ROOM", "study": "1.2"},
        {"level": ["STUDY", "SERIES"], "study": "1.2"},
        {"level": "STUDY", "study": "1.2'; --"},
        {"level": "STUDY", "study": ""},
        {"level": "STUDY", "study": [None]},
        {"study": "1.2"},
    ],
)
def test_identifiers_that_say_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(IdentifierFault):
        read(**wrong)


KEPT = KeptInstances([stored("1.1"), stored("1.2"), stored("9.1", study="9"), stored("9.2", study="9")])
PLACES = Places({"P1": ["1.2"], "P2": ["1.2", "9"]}, {"1.2.1": "1.2", "9.1": "9"})


def found(**selection: Any) -> list[str]:
    instances = Selecting(KEPT, PLACES).instances("default", Selection(**selection))
    return [one.sop_instance_uid for one in instances]


def test_each_level_is_found() -> None:
    assert found(level=Level.PATIENT, patient_id="P2") == ["1.1", "1.2", "9.1", "9.2"]
    assert found(level=Level.PATIENT, patient_id="P3") == []
    assert found(level=Level.STUDY, study_uids=("9", "7")) == ["9.1", "9.2"]
    assert found(level=Level.SERIES, study_uids=("9",), series_uids=("9.1", "9.7")) == ["9.1", "9.2"]
    assert found(level=Level.IMAGE, study_uids=("9",), series_uids=("9.1",), sop_instance_uids=("9.2", "1.1")) == [
        "9.2"
    ]


def test_relational_keys_are_found_wherever_they_are() -> None:
    assert found(level=Level.SERIES, series_uids=("1.2.1",)) == ["1.1", "1.2"]
    assert found(level=Level.IMAGE, sop_instance_uids=("9.1", "1.1", "7")) == ["1.1", "9.1"]
    assert found(level=Level.IMAGE, study_uids=("9",), sop_instance_uids=("9.1", "1.1")) == ["9.1"]
    assert found(level=Level.IMAGE, series_uids=("9.1",), sop_instance_uids=("9.1", "1.1")) == ["9.1"]


def test_a_study_of_another_patient_is_not_found() -> None:
    assert found(level=Level.STUDY, patient_id="P1", study_uids=("9",)) == []
    assert found(level=Level.STUDY, patient_id="P2", study_uids=("9",)) == ["9.1", "9.2"]


def test_too_many_instances_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieving, "_MOST_INSTANCES", 3)
    with pytest.raises(DianaError) as refused:
        found(level=Level.PATIENT, patient_id="P2")
    assert refused.value.reason is Reason.RESULT_TOO_LARGE

"""Faults are what they are said to be, as often as is asked for; whoever has a ledger knows which is where."""

from __future__ import annotations

import io
import json
from collections import Counter
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from pydicom.charset import default_encoding
from pydicom.datadict import dictionary_VR

from diana_common.errors import DianaError
from diana_common.header import check_complete, scan
from diana_mock.faults import Fault
from diana_mock.hospital import Made
from diana_mock.ledger import Ledger, entry, whole_studies
from tests.unit.mock.mock_bench import made, read, site

SMALL = {"service": {"instances": 3, "rdsr": False}}


def only(fault: str, **keys: Any) -> list[Made]:
    """Studies whose every instance has one fault."""
    return list(made(site("CR", faults={fault: 1.0}, **SMALL, **keys), studies=12))


def clean() -> list[Made]:
    """The same without."""
    return list(made(site("CR", **SMALL), studies=12))


def test_a_duplicate_comes_twice_byte_for_byte() -> None:
    copies = Counter((one.part.instance_uid, one.data) for one in only("duplicates"))
    assert len(copies) == 36 and set(copies.values()) == {2}


def test_what_is_dropped_has_no_bytes() -> None:
    assert [one.data for one in only("drops")] == [b""] * 36


def test_late_instances_come_so_many_minutes_later_and_are_whole() -> None:
    intime = {one.part.instance_uid: one for one in clean()}
    for one in only("late_instances", late_minutes=45):
        assert one.time - intime[one.part.instance_uid].time == timedelta(minutes=45)
        assert one.data == intime[one.part.instance_uid].data


def test_a_wrong_vr_can_still_be_walked_past() -> None:
    for one in only("wrong_vr"):
        found = read(one)
        assert scan(one.data).sop_instance_uid == one.part.instance_uid
        wrong = [found[tag] for tag in (0x00080020, 0x00080060, 0x00100030, 0x00100040)]
        assert sum(dictionary_VR(element.tag) != element.VR for element in wrong) == 1


@pytest.mark.filterwarnings("ignore:Unknown encoding")
def test_an_odd_character_set_is_not_that_of_the_name() -> None:
    sets = set()
    for one in only("odd_charsets"):
        sets.add(str(read(one).get("SpecificCharacterSet") or default_encoding))
        assert one.study.patient.name.encode("latin-1") not in one.data
    assert len(sets) > 2


def test_a_wrong_patient_id_is_another_patients() -> None:
    for one in only("wrong_patient_id"):
        assert read(one).PatientID != one.study.patient.patient_id
        assert read(one).PatientName == one.study.patient.name
        line = entry(one)
        assert (line["patient_id"], line["patient_id_sent"]) == (one.study.patient.patient_id, read(one).PatientID)


def test_a_missing_uid_is_one_of_three() -> None:
    missing: Counter[str] = Counter()
    for one in only("missing_uid"):
        found = read(one)
        [name] = [key for key in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID") if key not in found]
        missing[name] += 1
        assert found.file_meta.MediaStorageSOPInstanceUID == one.part.instance_uid
    assert len(missing) == 3


def test_what_is_truncated_ends_within_its_pixels() -> None:
    whole = {one.part.instance_uid: one.data for one in clean()}
    for one in only("truncated"):
        assert whole[one.part.instance_uid].startswith(one.data) and len(one.data) < len(whole[one.part.instance_uid])
        with pytest.raises(DianaError):
            check_complete(one.data, scan(one.data))


def test_a_slow_study_takes_its_time() -> None:
    times = [one.time for one in only("slow", slow_seconds=100) if one.study.number == 0]
    assert [(later - earlier).total_seconds() for earlier, later in pairwise(times)] == [100.0, 100.0]


def test_faults_are_as_frequent_as_is_asked_for_and_one_an_instance() -> None:
    rates = {"drops": 0.2, "truncated": 0.1, "duplicates": 0.1}
    found = Counter(
        one.fault for one in made(site("CR", faults=rates, service={"instances": 40}), studies=25) if one.copy < 2
    )
    assert found[Fault.DROPS] == pytest.approx(205, abs=60) and found[Fault.TRUNCATED] == pytest.approx(102, abs=45)
    assert set(found) == {Fault.NONE, Fault.DROPS, Fault.TRUNCATED, Fault.DUPLICATES}


def test_the_ledger_tells_which_studies_were_sent_whole() -> None:
    file = io.StringIO()
    ledger = Ledger(file)
    tree = site("CR", faults={"drops": 0.1, "duplicates": 0.1, "truncated": 0.1}, **SMALL)
    spoiled = set()
    for number, one in enumerate(made(tree, studies=20)):
        line = ledger.begin(one)
        refused = number % 31 == 30
        ledger.close(line, "" if refused else "stored", "PEER_REFUSED" if refused else "")
        if one.fault in (Fault.DROPS, Fault.TRUNCATED) or (refused and one.fault is Fault.NONE):
            spoiled.add(one.study.uid)
    lines = file.getvalue().splitlines()
    whole = whole_studies(lines)
    everything = {json.loads(line)["study_uid"] for line in lines}
    assert 0 < len(whole) < 20 and whole.keys() <= everything - spoiled
    assert all(len(instances) == 3 for instances in whole.values())
    assert ledger.faults["drops"] and sum(ledger.outcomes.values()) == len(lines)

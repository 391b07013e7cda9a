"""The same seed and description make the same bytes; another seed, others."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from diana_mock.people import patient
from tests.unit.mock.mock_bench import made, read, site

FAULTY = {"duplicates": 0.1, "wrong_vr": 0.1, "late_instances": 0.1, "slow": 0.3}
_SCRIPT = """
import sys, json
from tests.unit.mock.test_mock_repeating import digest
print(digest(json.loads(sys.argv[1])))
"""


def digest(tree: Any) -> str:
    """Of all that a hospital makes of some studies."""
    whole = hashlib.sha256()
    for one in made(tree, studies=6):
        whole.update(f"{one.time} {one.fault} {one.copy}".encode() + one.data)
    return whole.hexdigest()


def test_another_process_makes_the_same_bytes() -> None:
    tree = site("CT", "US", "XA", reports="both", priors=0.4, faults=FAULTY)
    command = [sys.executable, "-c", _SCRIPT, json.dumps(tree)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == digest(tree)


def test_another_seed_makes_others() -> None:
    assert digest(site("US", seed=1)) != digest(site("US", seed=2))
    first, second = ({one.study.uid for one in made(site("US", seed=seed), studies=5)} for seed in (1, 2))
    assert not first & second


def test_a_service_more_changes_nothing_of_the_others() -> None:
    alone = {one.data for one in made(site("US"), studies=2)}
    beside = {one.data for one in made(site("US", "MG"), studies=20)}
    assert alone <= beside


def test_uids_are_valid_and_unique() -> None:
    found = [one.part.instance_uid for one in made(site("CT", "CR", priors=0.5, reports="sr"), studies=20)]
    assert len(found) == len(set(found))
    assert all(uid.startswith("2.25.") and len(uid) <= 64 and uid[5] != "0" for uid in found)


def test_things_come_in_order_of_time() -> None:
    tree = site("CT", "US", reports="sr", priors=0.5, faults=FAULTY)
    times = [one.time for one in made(tree, studies=10)]
    assert all(before <= after for before, after in pairwise(times))


def test_studies_arrive_as_often_as_is_said() -> None:
    tree = site("US", service={"devices": 4, "studies_per_hour": 10, "instances": 1, "image_size": 16})
    begun = {one.study.uid for one in made(tree, duration=timedelta(hours=20))}
    assert len(begun) == pytest.approx(800, abs=120)


def test_patients_return_and_are_the_same_then() -> None:
    seen: dict[str, tuple[Any, ...]] = {}
    returned = 0
    for one in made(site("US", patients=5, service={"instances": 1}), studies=30):
        found = read(one)
        who = (found.PatientName, found.PatientBirthDate, found.PatientSex)
        returned += found.PatientID in seen
        assert seen.setdefault(found.PatientID, who) == who
    assert returned and len(seen) <= 5


def test_mammography_is_of_women() -> None:
    assert {read(one).PatientSex for one in made(site("MG", service={"instances": 1}), studies=20)} == {"F"}


@pytest.mark.parametrize("charset", ["ISO_IR 6", "ISO_IR 100", "ISO_IR 101", "ISO_IR 144", "ISO_IR 192", "GB18030"])
def test_names_can_be_read_in_the_character_set_that_is_declared(charset: str) -> None:
    names = {patient((1, "Example Hospital"), charset, number).name for number in range(1000)}
    tree = site("CR", charset=charset, patients=1000, service={"instances": 1, "rdsr": False})
    found = [read(one) for one in made(tree, studies=25)]
    assert {str(one.PatientName) for one in found} <= names
    assert {one.get("SpecificCharacterSet") or "ISO_IR 6" for one in found} == {charset}
    assert all(name.isascii() for name in names) == (charset == "ISO_IR 6")

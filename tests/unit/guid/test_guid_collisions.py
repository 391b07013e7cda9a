"""The table that tells people with one id apart: exact, bounded, and the same however large it grows."""

from __future__ import annotations

from datetime import date

import pytest

from diana_common.errors import DianaError, Reason
from diana_guid.core import CollisionWatch, Identity, Subject
from diana_guid.core.diana2 import Diana2Scheme

BORN = date(1971, 6, 15)
SOME = Diana2Scheme().mint(Subject(name="DOE^JANE", birth_date=BORN))


def identity(number: int) -> Identity:
    return Identity(f"ID{number}", SOME.name, SOME.birth_date, SOME.time_offset)


def refusal(watch: CollisionWatch, subject: Subject, minted: Identity) -> DianaError:
    with pytest.raises(DianaError) as refused:
        watch.check(subject, minted)
    return refused.value


def test_every_id_is_remembered_while_the_table_grows() -> None:
    watch = CollisionWatch()
    for number in range(20_000):
        watch.check(Subject(patient_id=str(number)), identity(number))
    for number in range(0, 20_000, 97):
        watch.check(Subject(patient_id=str(number)), identity(number))
        assert refusal(watch, Subject(patient_id="other"), identity(number)).reason is Reason.IDENTITY_COLLISION


def test_a_full_watch_refuses_new_ids_and_still_knows_the_old_ones() -> None:
    watch = CollisionWatch(most_ids=3)
    for number in range(3):
        watch.check(Subject(patient_id=str(number)), identity(number))
    assert refusal(watch, Subject(patient_id="3"), identity(3)).reason is Reason.RESULT_TOO_LARGE
    watch.check(Subject(patient_id="1"), identity(1))
    assert refusal(watch, Subject(patient_id="4"), identity(1)).reason is Reason.IDENTITY_COLLISION


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Subject(name="山田", birth_date=BORN), Subject(name="田中", birth_date=BORN)),
        (Subject(name="A", birth_date=BORN), Subject(name="A", age_years=40, reference_date=BORN)),
        (Subject(patient_id="1", name="A"), Subject(patient_id="2", name="A")),  # nobody knows
        (Subject(patient_id="12", issuer="3"), Subject(patient_id="1", issuer="23")),
        (Subject(patient_id="1"), Subject(name="1")),
    ],
)
def test_people_differ_by_any_part_of_what_they_are_known_by(one: Subject, other: Subject) -> None:
    watch = CollisionWatch()
    watch.check(one, SOME)
    watch.check(one, SOME)
    error = refusal(watch, other, SOME)
    assert error.reason is Reason.IDENTITY_COLLISION
    assert error.fields[0].field == "subject"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Subject(name="Doe^Jane", birth_date=BORN), Subject(name="jane DOE", birth_date=BORN, sex="O")),
        (Subject("1", "A", "Doe^Jane", BORN), Subject("2", "B", "Doe^Jane", BORN)),
        (Subject("1", "A", "Doe^Jane", BORN), Subject(name="Doe^Jane", birth_date=BORN)),
        (Subject("1", "A", "Müller^Jörg", BORN), Subject(" 1 ", "A", "M?ller^J?rg", BORN)),
        (
            Subject(name="Doe", age_years=40, reference_date=BORN),
            Subject(name="Doe", age_years=40, reference_date=BORN),
        ),
    ],
)
def test_one_person_may_have_two_patient_ids_or_one_that_is_spelled_in_two_ways(one: Subject, other: Subject) -> None:
    watch = CollisionWatch()
    watch.check(one, SOME)
    watch.check(other, SOME)

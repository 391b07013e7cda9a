"""Whom a pseudonym was given to: who is refused, what stays, and what the files show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from diana_anon.core.proof.crosswalk import Passage
from diana_anon.core.proof.persons import Persons
from diana_anon.core.subject import Subject
from diana_anon.stores.persons import SqlitePersons
from diana_anon.stores.schema import STEPS
from diana_common.errors import DianaError, Reason
from diana_common.sqlite_file import Database

ADA = Subject("A-1", "HOSPITAL", "Lovelace^Ada", date(1815, 12, 10), None, None, "F")
CHARLES = replace(ADA, name="Babbage^Charles", birth_date=date(1791, 12, 26))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(tmp_path / "state" / "proof.sqlite", STEPS)) as database:
        yield database


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "persons.key"


@pytest.fixture
def store(database: Database, key_file: Path) -> SqlitePersons:
    return SqlitePersons(database, key_file)


def passage(subject: Subject = ADA, pseudonym: str = "PSEUDO", domain: str = "default") -> Passage:
    return Passage(domain, subject, pseudonym, "clinical", "1.2", "2.25.7")


def refusal(call: Callable[[], object]) -> DianaError:
    with pytest.raises(DianaError) as caught:
        call()
    return caught.value


def refused(persons: Persons, subject: Subject) -> bool:
    try:
        persons.record(passage(subject))
    except DianaError as error:
        assert error.reason is Reason.IDENTITY_COLLISION
        return True
    return False


@pytest.mark.parametrize(
    ("changed", "together"),
    [
        ({"name": "Byron^Ada"}, True),  # married
        ({"birth_date": date(1815, 10, 12)}, True),  # a slip of the pen
        ({"name": "LOVELACE^ADA^KING", "birth_date": date(1815, 10, 12)}, True),  # the same name, in full
        ({"name": "ADA LOVELACE", "birth_date": None}, True),
        ({"name": "Babbage^Charles", "birth_date": None}, True),  # nothing to tell them apart by
        ({"name": "^^", "birth_date": date(1791, 12, 26)}, True),
        ({"patient_id": " A-1 ", "sex": ""}, True),
        ({"patient_id": "B-2"}, True),  # a domain that goes by name and birth date
        ({"patient_id": ""}, True),
        ({"patient_id": "B-2", "birth_date": None}, False),
        ({"patient_id": "B-2", "name": "Lovelace^Ada^King"}, False),
        ({"issuer": "CLINIC", "name": "Babbage^Charles"}, False),
        ({"name": "Babbage^Charles", "birth_date": date(1791, 12, 26)}, False),  # two people with one id
        ({"name": "Ловелас^Ада", "birth_date": date(1791, 12, 26)}, False),
    ],
)
def test_whether_two_subjects_of_one_pseudonym_are_one_person(
    store: SqlitePersons, changed: dict[str, object], together: bool
) -> None:
    persons, other = Persons(store), replace(ADA, **changed)  # type: ignore[arg-type]
    persons.record(passage())
    assert refused(persons, other) is not together
    assert not refused(persons, ADA)


@pytest.mark.parametrize(
    ("name", "other", "together"),
    [("Doe^Jane", "jane doe", True), ("山田", "田中", False), ("किम", "काम", False), ("^^", "^", True)],
)
def test_without_patient_ids_name_and_birth_date_tell_people_apart(
    store: SqlitePersons, name: str, other: str, together: bool
) -> None:
    persons, nobody = Persons(store), replace(ADA, patient_id="", birth_date=None)
    persons.record(passage(replace(nobody, name=name)))
    assert refused(persons, replace(nobody, name=other)) is not together
    assert refused(persons, replace(nobody, name=name, birth_date=ADA.birth_date))


def test_two_people_with_one_patient_id_pass_where_that_is_let_pass_and_other_subjects_do_not(
    store: SqlitePersons,
) -> None:
    persons = Persons(store, shared_ids=True)
    for one in (ADA, CHARLES, ADA):
        persons.record(passage(one))
    assert refused(persons, replace(CHARLES, patient_id="B-2"))


def test_the_first_one_stays_completed_by_who_comes_later(store: SqlitePersons) -> None:
    persons = Persons(store)
    unknown = replace(ADA, name="", birth_date=None)
    for one in (unknown, replace(CHARLES, birth_date=None), ADA, unknown):
        persons.record(passage(one))
    assert refused(persons, replace(ADA, birth_date=date(1970, 1, 1)))
    assert not refused(persons, CHARLES)


def test_whom_a_pseudonym_was_given_to_is_known_after_a_restart_in_its_domain_only(tmp_path: Path) -> None:
    for one, refuses in ((ADA, False), (CHARLES, True)):
        with closing(Database(tmp_path / "proof.sqlite", STEPS)) as database:
            persons = Persons(SqlitePersons(database, tmp_path / "persons.key"))
            assert refused(persons, one) is refuses
            persons.record(passage(CHARLES, domain="trial"))


def test_the_instances_of_a_study_cost_one_lookup(store: SqlitePersons, monkeypatch: pytest.MonkeyPatch) -> None:
    persons = Persons(store)
    persons.record(passage())
    monkeypatch.setattr(store, "find", None)
    for _ in range(3):
        persons.record(passage())


def test_a_check_keeps_nothing(store: SqlitePersons) -> None:
    persons = Persons(store)
    persons.check(passage())
    persons.record(passage(CHARLES))
    assert refusal(lambda: persons.check(passage())).reason is Reason.IDENTITY_COLLISION


def test_the_files_show_nobody_and_equal_names_are_not_seen_to_be_equal(
    store: SqlitePersons, database: Database, key_file: Path
) -> None:
    persons = Persons(store)
    persons.record(passage())
    persons.record(passage(pseudonym="OTHER77"))
    shown = b"".join(one.read_bytes() for one in key_file.parent.iterdir())
    for word in (b"A-1", b"HOSPITAL", b"ovelace", b"1815", b"PSEUDO", b"OTHER77"):
        assert word not in shown
    with database.reading() as db:
        rows = db.execute("SELECT subject_key, name, birth_date FROM persons").fetchall()
    assert len({digest for row in rows for digest in row}) == 6
    assert {one.stat().st_mode & 0o077 for one in key_file.parent.iterdir()} == {0}


def test_without_its_key_or_with_another_the_persons_are_not_opened(
    store: SqlitePersons, database: Database, key_file: Path
) -> None:
    SqlitePersons(database, key_file)
    key_file.write_text("00" * 32)
    assert refusal(lambda: SqlitePersons(database, key_file)).reason is Reason.CONFIG_INVALID
    key_file.unlink()
    assert "persons.key" in refusal(lambda: SqlitePersons(database, key_file)).message

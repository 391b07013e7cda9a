"""The crosswalk: who is recorded, who is refused, what its file shows, and what a tampered file does."""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import pytest

from diana_anon.core.proof.crosswalk import Crosswalk, Passage
from diana_anon.core.proof.trail import Trail
from diana_anon.core.subject import Subject
from diana_anon.stores.crosswalk_sqlite import SqliteCrosswalk
from diana_anon.stores.keyed import read_key
from diana_common.errors import DianaError, Reason

KEY = bytes(range(32))
AT = datetime(2026, 11, 23, 1, 2, 3, 4, UTC)
ADA = Subject("A-1", "HOSPITAL", "Lovelace^Ada", date(1815, 12, 10), None, None, "F")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "crosswalk.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteCrosswalk]:
    with closing(SqliteCrosswalk(path, KEY)) as store:
        yield store


def crosswalk(store: SqliteCrosswalk) -> Crosswalk:
    return Crosswalk(store, Trail(store), now=lambda: AT)


def passage(subject: Subject = ADA, pseudonym: str = "PSEUDO", study: str = "1.2", new: str = "2.25.7") -> Passage:
    return Passage("default", subject, pseudonym, "clinical", study, new)


def altered(path: Path, sql: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(sql, values)


def refusal(call: Callable[[], object]) -> DianaError:
    with pytest.raises(DianaError) as caught:
        call()
    return caught.value


def test_a_pseudonym_and_a_study_lead_back_to_the_subject(store: SqliteCrosswalk) -> None:
    book = crosswalk(store)
    book.record(passage())
    found = book.reidentify("ada", "default", ["2.25.7", "PSEUDO"], "a finding")
    assert [one.subject for one in found] == [ADA, ADA]
    assert [one.study_uid for one in found] == ["1.2", "1.2"]


def test_what_was_recorded_is_there_after_a_restart(path: Path) -> None:
    with closing(SqliteCrosswalk(path, KEY)) as store:
        crosswalk(store).record(passage())
    with closing(SqliteCrosswalk(path, KEY)) as store:
        assert crosswalk(store).reidentify("ada", "default", ["PSEUDO"], "why")[0].subject == ADA


def test_the_file_shows_no_subject_no_pseudonym_and_no_reason(store: SqliteCrosswalk, path: Path) -> None:
    book = crosswalk(store)
    book.record(passage(pseudonym="PSEUDONYM77", new="2.25.424242"))
    book.reidentify("auditor-ada", "default", ["PSEUDONYM77"], "because-of-this")
    shown = b"".join(one.read_bytes() for one in path.parent.iterdir())
    for word in (b"A-1", b"Lovelace", b"1815", b"PSEUDONYM77", b"424242", b"because", b"auditor-ada"):
        assert word not in shown
    assert {one.stat().st_mode & 0o077 for one in path.parent.iterdir()} == {0}


def test_rows_do_not_tell_long_names_from_short_ones(store: SqliteCrosswalk, path: Path) -> None:
    book = crosswalk(store)
    book.record(passage())
    book.record(passage(replace(ADA, patient_id="B", name="O^A"), "OTHER", "1.3", "2.25.8"))
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(DISTINCT length(sealed)) FROM passage").fetchone() == (1,)


def test_where_two_people_share_a_pseudonym_each_study_keeps_its_own(store: SqliteCrosswalk) -> None:
    book = crosswalk(store)
    book.record(passage())
    charles = replace(ADA, name="Babbage^Charles", birth_date=date(1791, 12, 26))
    book.record(passage(charles, study="1.3", new="2.25.8"))
    found = book.reidentify("ada", "default", ["PSEUDO", "2.25.7", "2.25.8"], "why")
    assert [one.subject for one in found] == [charles, ADA, charles]


def test_two_studies_that_would_become_one_are_refused(store: SqliteCrosswalk) -> None:
    book = crosswalk(store)
    book.record(passage())
    assert refusal(lambda: book.record(passage(study="1.3"))).reason is Reason.UID_COLLISION


def test_the_same_pseudonym_in_another_domain_is_another_matter(store: SqliteCrosswalk) -> None:
    book = crosswalk(store)
    book.record(passage())
    other = replace(ADA, patient_id="B-2", name="Babbage^Charles")
    book.record(replace(passage(other), domain="trial"))
    assert book.reidentify("ada", "default", ["PSEUDO"], "why")[0].subject == ADA
    assert book.reidentify("ada", "trial", ["PSEUDO"], "why")[0].subject == other


def test_a_check_keeps_nothing(store: SqliteCrosswalk) -> None:
    book = crosswalk(store)
    book.check(passage())
    assert refusal(lambda: book.reidentify("ada", "default", ["PSEUDO"], "why")).reason is Reason.PSEUDONYM_UNKNOWN


def test_none_of_a_hundred_is_told_if_one_is_not_known_and_the_attempt_is_in_the_log(store: SqliteCrosswalk) -> None:
    book = crosswalk(store)
    for number in range(100):
        book.record(passage(replace(ADA, patient_id=f"P{number}"), f"PSEUDO{number}", f"1.{number}", f"2.25.{number}"))
    asked = [f"PSEUDO{number}" for number in range(100)]
    assert [one.subject.patient_id for one in book.reidentify("ada", "default", asked, "all")][99] == "P99"
    assert refusal(lambda: book.reidentify("ada", "default", [*asked[:-1], "NOBODY"], "one too many")).reason is (
        Reason.PSEUDONYM_UNKNOWN
    )
    newest, oldest = book.entries(None, 10)
    assert (newest.granted, newest.pseudonyms[-1], newest.reason) == (False, "NOBODY", "one too many")
    assert (oldest.number, oldest.granted, oldest.caller, len(oldest.pseudonyms)) == (1, True, "ada", 100)
    assert oldest.create_time == "2026-11-23T01:02:03.000004Z"


def test_an_altered_row_is_not_answered(store: SqliteCrosswalk, path: Path) -> None:
    crosswalk(store).record(passage())
    with closing(sqlite3.connect(path)) as db, db:
        for place, sealed in db.execute("SELECT place, sealed FROM passage").fetchall():
            flipped = sealed[:40] + bytes([sealed[40] ^ 1]) + sealed[41:]
            db.execute("UPDATE passage SET sealed = ? WHERE place = ?", (flipped, place))
    assert refusal(lambda: crosswalk(store).reidentify("a", "default", ["PSEUDO"], "w")).reason is Reason.STORE_DAMAGED


def test_a_question_that_meets_an_altered_row_is_in_the_log(store: SqliteCrosswalk, path: Path) -> None:
    book = crosswalk(store)
    book.record(passage())
    altered(path, "UPDATE passage SET sealed = zeroblob(200)")
    refusal(lambda: book.reidentify("ada", "default", ["PSEUDO"], "a finding"))
    (entry,) = book.entries(None, 10)
    assert (entry.caller, entry.pseudonyms, entry.reason, entry.granted) == ("ada", ("PSEUDO",), "a finding", False)


def test_rows_that_change_places_are_not_answered(store: SqliteCrosswalk, path: Path) -> None:
    book = crosswalk(store)
    book.record(passage())
    book.record(passage(replace(ADA, patient_id="B"), "OTHER", "1.3", "2.25.8"))
    with closing(sqlite3.connect(path)) as db, db:
        rows = db.execute("SELECT place, sealed FROM passage").fetchall()
        for (place, _), (_, sealed) in zip(rows, rows[1:] + rows[:1], strict=True):
            db.execute("UPDATE passage SET sealed = ? WHERE place = ?", (sealed, place))
    for pseudonym in ("PSEUDO", "OTHER", "2.25.7", "2.25.8"):
        assert refusal(partial(book.reidentify, "a", "default", [pseudonym], "w")).reason is Reason.STORE_DAMAGED


def test_another_key_does_not_open_the_file(store: SqliteCrosswalk, path: Path) -> None:
    store.close()
    error = refusal(lambda: SqliteCrosswalk(path, bytes(32)))
    assert error.reason is Reason.CONFIG_INVALID
    assert "crosswalk.key_file" in error.message


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"x" * 5000)
    assert refusal(lambda: SqliteCrosswalk(path, KEY)).reason is Reason.STORE_DAMAGED


def test_a_file_that_was_cut_short_is_not_taken_for_a_shorter_one(path: Path) -> None:
    with closing(SqliteCrosswalk(path, KEY)) as store:
        book = logged(store, 40)
        for number in range(40):
            book.record(
                passage(replace(ADA, patient_id=f"P{number}"), f"PSEUDO{number}", f"1.{number}", f"2.25.{number}")
            )
    os.truncate(path, path.stat().st_size // 2)

    def read_all() -> None:
        with closing(SqliteCrosswalk(path, KEY)) as cut:
            Trail(cut).verify()
            crosswalk(cut).reidentify("a", "default", [f"PSEUDO{number}" for number in range(40)], "w")

    assert refusal(read_all).reason is Reason.STORE_DAMAGED


def logged(store: SqliteCrosswalk, count: int) -> Crosswalk:
    book = crosswalk(store)
    for number in range(count):
        book.note("ada", "default", [f"P{number}"], f"reason {number}", granted=True)
    return book


def test_the_log_verifies_and_pages_newest_first(store: SqliteCrosswalk) -> None:
    book = logged(store, 7)
    assert Trail(store).verify() == 7
    assert [one.number for one in book.entries(None, 3)] == [7, 6, 5]
    assert [one.number for one in book.entries(5, 3)] == [4, 3, 2]
    assert [one.number for one in book.entries(2, 3)] == [1]
    assert book.entries(1, 3) == []


def test_an_empty_log_verifies(store: SqliteCrosswalk) -> None:
    assert Trail(store).verify() == 0
    assert crosswalk(store).entries(None, 10) == []


@pytest.mark.parametrize(
    ("tampering", "first"),
    [
        ("DELETE FROM entry WHERE number = 3", 3),
        ("DELETE FROM entry WHERE number >= 6", 7),
        ("DELETE FROM entry", 7),
        ("DELETE FROM newest", None),
        ("UPDATE entry SET sealed = (SELECT sealed FROM entry WHERE number = 2) WHERE number = 4", 4),
        ("DELETE FROM entry WHERE number = 3; UPDATE entry SET number = number - 1 WHERE number > 3", 7),
        ("UPDATE entry SET sealed = zeroblob(200) WHERE number = 7", 7),
        ("UPDATE entry SET sealed = 'text' WHERE number = 1", 1),
    ],
)
def test_an_entry_that_was_taken_or_altered_is_found(
    store: SqliteCrosswalk, path: Path, tampering: str, first: int | None
) -> None:
    book = logged(store, 7)
    for statement in tampering.split(";"):
        altered(path, statement)
    error = refusal(Trail(store).verify)
    assert error.reason is Reason.STORE_DAMAGED
    assert first is None or f"Entry {first} " in error.message
    assert refusal(lambda: book.entries(None, 100)).reason is Reason.STORE_DAMAGED


@pytest.mark.parametrize("put_back", [0, 1, 6])
def test_entries_that_an_older_newest_does_not_know_are_found(
    store: SqliteCrosswalk, path: Path, put_back: int
) -> None:
    logged(store, put_back)
    with closing(sqlite3.connect(path)) as db:
        old = db.execute("SELECT sealed FROM newest").fetchone()[0]
    book = logged(store, 7 - put_back)
    altered(path, "UPDATE newest SET sealed = ?", old)
    for call in (Trail(store).verify, partial(book.entries, None, 100), partial(logged, store, 1)):
        error = refusal(call)
        assert (error.reason, f"Entry {put_back + 1} " in error.message) == (Reason.STORE_DAMAGED, True)


def test_the_files_hold_no_older_newest_that_could_be_put_back(store: SqliteCrosswalk, path: Path) -> None:
    seals = []
    for _ in range(3):
        logged(store, 1)
        with closing(sqlite3.connect(path)) as db:
            seals.append(db.execute("SELECT sealed FROM newest").fetchone()[0])
    shown = b"".join(one.read_bytes() for one in path.parent.iterdir())
    assert [sealed in shown for sealed in seals] == [False, False, True]


def test_an_entry_written_anew_by_one_who_has_the_key_breaks_the_chain(store: SqliteCrosswalk, path: Path) -> None:
    logged(store, 4)
    with closing(SqliteCrosswalk(path.with_name("other.sqlite"), KEY)) as other:
        for number in range(4):
            crosswalk(other).note("eve", "default", [f"P{number}"], "nothing to see", granted=False)
        with closing(sqlite3.connect(path.with_name("other.sqlite"))) as db:
            forged = db.execute("SELECT sealed FROM entry WHERE number = 2").fetchone()[0]
    altered(path, "UPDATE entry SET sealed = ? WHERE number = 2", forged)
    assert "Entry 2 " in refusal(Trail(store).verify).message


def test_nothing_is_answered_when_the_log_cannot_be_written(store: SqliteCrosswalk, path: Path) -> None:
    book = crosswalk(store)
    book.record(passage())
    book.note("ada", "default", ["P"], "why", granted=True)
    altered(path, "DELETE FROM entry")
    assert refusal(lambda: book.reidentify("a", "default", ["PSEUDO"], "w")).reason is Reason.STORE_DAMAGED


def test_a_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "crosswalk.key"
    key = read_key(file, create=True, setting="key")
    assert (len(key), file.stat().st_mode & 0o777) == (32, 0o600)
    assert read_key(file, create=True, setting="key") == key == read_key(file, create=False, setting="key")


@pytest.mark.parametrize("content", [b"", b"00" * 31, b"QUJD", b"00" * 4000, b"\xff" * 44, b"not base64 at all!!"])
def test_a_file_without_a_whole_key_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    file.chmod(0o600)
    assert refusal(lambda: read_key(file, create=True, setting="key")).reason is Reason.CONFIG_INVALID


def test_a_key_that_others_may_read_or_that_is_no_file_is_refused(tmp_path: Path) -> None:
    file, fifo = tmp_path / "key", tmp_path / "fifo"
    file.write_text("00" * 32)
    file.chmod(0o644)
    os.mkfifo(fifo, 0o600)
    for one in (file, fifo, tmp_path, tmp_path / "absent"):
        assert refusal(partial(read_key, one, create=False, setting="key")).reason is Reason.CONFIG_INVALID


def test_hexadecimal_keys_serve_too(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY.hex() + "\n")
    file.chmod(0o600)
    assert read_key(file, create=False, setting="key") == KEY


_KILLED = """
import os, signal, sys
from pathlib import Path
from diana_anon.core.proof.crosswalk import Crosswalk
from diana_anon.core.proof.trail import Trail
from diana_anon.stores.crosswalk_sqlite import SqliteCrosswalk
from tests.unit.anon.test_anon_crosswalk import KEY, passage

class Killing(Trail):
    def append(self, *entry):
        super().append(*entry)
        os.kill(os.getpid(), signal.SIGKILL)

store = SqliteCrosswalk(Path(sys.argv[1]), KEY)
book = Crosswalk(store, Killing(store))
book.record(passage())
print(book.reidentify("ada", "default", ["PSEUDO"], "why")[0].subject.name)
"""


def test_killed_between_log_and_answer_the_question_is_in_the_log_and_nobody_was_told(path: Path) -> None:
    command, root = [sys.executable, "-c", _KILLED, str(path)], Path(__file__).parents[3]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, ""), done.stderr
    with closing(SqliteCrosswalk(path, KEY)) as store:
        assert Trail(store).verify() == 1
        (entry,) = crosswalk(store).entries(None, 10)
        assert (entry.granted, entry.pseudonyms, entry.reason) == (True, ("PSEUDO",), "why")


def test_an_entrys_digest_is_of_the_bytes_that_the_documentation_names(store: SqliteCrosswalk) -> None:
    crosswalk(store).note("ada", "default", ["P", "2.25.7"], 'sagt "Grüße"', granted=True)
    (entry,) = Trail(store).page(None, 1)
    said = (
        '{"number":1,"create_time":"2026-11-23T01:02:03.000004Z","caller":"ada","domain":"default",'
        '"pseudonyms":["P","2.25.7"],"reason":"sagt \\"Grüße\\"","granted":true}'
    )
    assert entry.digest == hashlib.sha256(bytes(32) + said.encode()).hexdigest()

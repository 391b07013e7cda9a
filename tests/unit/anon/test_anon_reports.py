"""Reports: what is said, however much there is of it and however hostile it is."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tracemalloc
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any, cast

import pytest

from diana_anon.core.ports import StudyEntry
from diana_anon.core.proof.quarantine import Entry, HeldBack, Why
from diana_anon.core.proof.receipts import PublicKey, Receipt, canonical
from diana_anon.core.reports import page
from diana_anon.core.reports.counts import Accounts
from diana_anon.core.reports.done import done
from diana_anon.core.reports.library import FORMS
from diana_anon.core.reports.model import Facts, Refused, Report, attribute, meaning

EVIL = "<img src=x onerror=alert(1)>\"'&"
OPERATION = "operations/anon-1"


def receipt(number: int, actions: list[tuple[str, str]] | None = None, **said: Any) -> Receipt:
    done = canonical(actions or [("(0010,0010)", "identity"), (f"(0040,A730)[{number % 7}].(0040,A123)", "clean")])
    statement = {
        "source_sha256": "aa" * 32,
        "result_sha256": "bb" * 32,
        "sop_instance_uid": f"2.25.{number}",
        "study_uid": f"2.25.9.{number // 10}",
        "profile": "trial",
        "profile_sha256": "cc" * 32,
        "standard": "PS3.15 2026c",
        "methods": ["113100", "113107"],
        "software": "diana-mesh",
        "actions_sha256": hashlib.sha256(done).hexdigest(),
        "scan": "clean",
    }
    return Receipt(canonical(statement | said), bytes(64), "0123456789abcdef", done)


class Books:
    """A ledger, a quarantine, operations and a signer of given receipts, entries and failures."""

    def __init__(
        self, *receipts: Receipt, held: list[Entry] | None = None, failures: list[Refused] | None = None
    ) -> None:
        self._receipts, self._held, self._failures = receipts, held or [], failures or []
        self.known = True
        self.studies: list[StudyEntry] = []

    def counts(self, operation: str) -> Mapping[str, int]:
        return Counter(one.said["study_uid"] for one in self.instances(operation))

    def instances(self, operation: str) -> Iterator[Receipt]:
        yield from self._receipts

    def entries(self, operation: str, released: bool, after: int, size: int) -> list[Entry]:
        return [one for one in self._held if one.number > after][:size]

    def count(self, operation: str, study_uid: str = "") -> int:
        return len([one for one in self._held if not one.released_by])

    def facts(self, operation: str) -> Facts | None:
        return Facts(operation, "anon.studies", "succeeded") if self.known else None

    def failures(self, operation: str) -> Iterator[Refused]:
        yield from self._failures

    def public_keys(self) -> list[PublicKey]:
        return [PublicKey("0123456789abcdef", bytes(32))]


@dataclass
class Studies:
    """A study book of given entries."""

    given: list[StudyEntry]

    def entries(self, operation: str) -> list[StudyEntry]:
        return self.given


def found(books: Any) -> Report | None:
    return done(OPERATION, Accounts(books, books, cast(Any, Studies(books.studies)), books), books)


def report(books: Any) -> Report:
    made = found(books)
    assert made is not None
    return made


def written(books: Books, form: str) -> str:
    return b"".join(FORMS[form](report(books))).decode()


def entry(number: int, released_by: str = "") -> Entry:
    held = HeldBack(
        OPERATION, "default", "1.2", f"1.2.{number}", "aa" * 32, "trial", "cc" * 32, Why.DOUBTFUL_PIXELS, EVIL, 1.0
    )
    return Entry(number, f"q{number}", held, released_by)


def test_paths_are_counted_whatever_their_item_numbers() -> None:
    said = json.loads(written(Books(*map(receipt, range(100))), "json"))
    counted = {(one["path"], one["action"]): one["times"] for one in said["actions"]}
    assert counted == {("(0010,0010)", "identity"): 100, ("(0040,A730).(0040,A123)", "clean"): 100}
    assert [one["instances"] for one in said["studies"]] == [10] * 10
    assert [one["meaning"] for one in said["methods"]] == [meaning("113100"), meaning("113107")]
    assert len(said["receipts"]) == 100


def test_quarantine_failures_and_releases_are_told() -> None:
    failures = [Refused(f"1.2.{reason}", "", reason, "why", "") for reason in ("INSTANCE_QUARANTINED", "UID_INVALID")]
    books = Books(receipt(1, scan={"released": EVIL}), held=[entry(1), entry(2, EVIL)], failures=failures)
    said = json.loads(written(books, "json"))
    counts = {"studies": 1, "failed_studies": 0, "instances": 1, "refused": 2, "quarantined": 1, "released": 1}
    assert said["counts"] == counts
    assert [(one["id"], one["reason"], one["released_by"]) for one in said["quarantine"]] == [
        ("q1", "doubtful_pixels", ""),
        ("q2", "doubtful_pixels", EVIL),
    ]
    assert [one["reason"] for one in said["refused"]] == ["UID_INVALID"]
    assert said["receipts"][0]["scan"] == f"released by {EVIL}"


def test_a_study_is_told_by_its_uids_here_and_there_and_one_that_failed_is_no_refused_instance() -> None:
    failures = [Refused(uid, "", "STUDY_NOT_FOUND", "why", "") for uid in ("1.9", "1.2.3")]
    books = Books(receipt(1), failures=failures)
    books.studies = [StudyEntry("1.2", "2.25.9.0", 1, False), StudyEntry("1.9", "", 0, False)]
    said = json.loads(written(books, "json"))
    assert said["studies"] == [
        {"study_uid": "2.25.9.0", "source_study_uid": "", "instances": 1, "refused": 1},
        {"study_uid": "", "source_study_uid": "1.9", "instances": 0, "refused": 0},
    ]
    counts = said["counts"]
    assert [counts[one] for one in ("studies", "failed_studies", "instances", "refused")] == [0, 2, 1, 1]
    assert ([one["item"] for one in said["refused"]], [one["item"] for one in said["failed_studies"]]) == (
        ["1.2.3"],
        ["1.9"],
    )
    actions = [one["action"] for one in csv.DictReader(io.StringIO(written(books, "csv")))]
    assert actions[-2:] == ["refused: STUDY_NOT_FOUND", "study failed: STUDY_NOT_FOUND"]


class Page(HTMLParser):
    """Which elements and attributes a page has, and whether all that is opened is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_page_is_whole_loads_nothing_and_escapes_all() -> None:
    books = Books(
        receipt(1, [(f"(0010,0010){EVIL}(0010,0010)", EVIL)], profile=EVIL, scan={"released": EVIL}),
        held=[entry(1)],
        failures=[Refused(EVIL, EVIL, EVIL, EVIL, EVIL)],
    )
    parsed = Page()
    parsed.feed(written(books, "html"))
    assert not parsed.open
    assert not {"img", "script", "link", "iframe", "object", "a"} & parsed.elements
    assert not {"src", "href", "onerror", "style"} & parsed.attributes


def test_a_long_table_of_a_page_ends_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "MOST_ROWS", 3)
    text = written(Books(*map(receipt, range(20))), "html")
    assert "The first 3 of 20; the report as JSON has all." in text
    assert "2.25.10<" not in text


def test_a_table_has_a_line_for_each_instance_and_action() -> None:
    rows = list(csv.DictReader(io.StringIO(written(Books(receipt(1), receipt(2), held=[entry(1)]), "csv"))))
    assert [(one["sop_instance_uid"], one["action"]) for one in rows] == [
        ("2.25.1", "identity"),
        ("2.25.1", "clean"),
        ("2.25.2", "identity"),
        ("2.25.2", "clean"),
        ("1.2.1", "quarantined: doubtful_pixels"),
    ]
    assert rows[0]["attribute"] == "PatientName"


def test_an_operation_of_which_only_receipts_are_left_has_a_report_and_an_unknown_one_none() -> None:
    books: Any = Books(receipt(1))
    books.known = False
    assert report(books).facts == Facts(OPERATION)
    unknown: Any = Books()
    unknown.known = False
    assert found(unknown) is None


def test_an_operation_that_made_nothing_yet_has_an_empty_report() -> None:
    for form in FORMS:
        assert written(Books(), form)


@pytest.mark.parametrize("form", FORMS)
def test_memory_stays_flat_however_many_instances_there_are(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "MOST_ROWS", 50)

    class Many(Books):
        def instances(self, operation: str) -> Iterator[Receipt]:
            return map(receipt, range(2_000))

        def counts(self, operation: str) -> Mapping[str, int]:
            return {f"2.25.9.{study}": 10 for study in range(200)}

    books: Any = Many()
    written(Books(receipt(1)), form)  # what is loaded once is not counted
    tracemalloc.start()
    try:
        pieces = [len(piece) for piece in FORMS[form](report(books))]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert max(pieces) <= 1024 * 1024
    assert peak < 3 * 1024 * 1024


def test_many_different_actions_are_bounded_and_what_is_left_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diana_anon.core.reports.done._MOST_PATHS", 2)
    paths = [(f"(0009,10{number:02})", "remove") for number in range(5)]
    said = json.loads(written(Books(receipt(1, paths), receipt(2, paths)), "json"))
    assert (len(said["actions"]), said["left_out"]) == (2, 6)


@pytest.mark.parametrize(
    ("path", "name"),
    [("(0010,0010)", "PatientName"), ("(0040,A730).(0040,A123)", "PersonName"), ("(0029,1010)", "private")],
)
def test_a_path_is_named_by_its_last_attribute(path: str, name: str) -> None:
    assert attribute(path) == name

"""Dry runs: nothing is stored, what is found survives a crash and is bounded, remaining text is found everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from diana_anon.core.planning.tables import Option
from diana_anon.core.profile import Profile
from diana_anon.core.proof import findings as findings_module
from diana_anon.core.proof.crosswalk import Passage, Recorder
from diana_anon.core.proof.findings import Head, Refusal, StudyFindings, without_items
from diana_anon.core.proof.persons import Persons
from diana_anon.core.proof.remaining import free_text
from diana_anon.core.studies.cohort import CohortRunner
from diana_anon.core.studies.preview import StudyPreviewer
from diana_anon.core.subject import Subject
from diana_anon.stores import findings as findings_store
from diana_anon.stores.findings import SqliteFindings
from diana_anon.stores.persons import SqlitePersons
from diana_anon.stores.schema import STEPS
from diana_common.errors import DianaError, Reason
from diana_common.sqlite_file import Database
from tests.support.dicom_files import make_small
from tests.unit.anon.study_bench import STUDY, Cancelled, MemoryWork, StudyBench, cohort, instance, job, sop_uid

HEAD = Head("trial", "ab" * 32, "default", ("113100",))
ADA = Subject("A-1", "", "Lovelace^Ada", date(1815, 12, 10), None, None, "F")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[StudyBench]:
    with closing(StudyBench(tmp_path)) as bench:
        yield bench


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteFindings]:
    with closing(SqliteFindings(tmp_path / "previews.sqlite")) as store:
        yield store


def previewer(bench: StudyBench, store: SqliteFindings, *recorders: Recorder) -> StudyPreviewer:
    return StudyPreviewer(bench.deidentifier, bench.archive, store, recorders, bench.sleeps.append)


def test_what_would_become_of_a_study_is_found_and_nothing_is_stored(bench: StudyBench, store: SqliteFindings) -> None:
    bench.archive.put(instance(1), instance(2, ConvolutionKernel="SHARP"), instance(3, patient_id=""))
    work = MemoryWork()
    outcome = previewer(bench, store).run(job(), work)
    assert (outcome.stored, outcome.failed, outcome.completed, outcome.position) == (2, 1, False, "")
    assert not bench.archive.stores["deid"]
    assert not list(bench.ledger.instances(work.operation))
    actions = {(path, action): count for path, action, count in store.actions(work.operation)}
    assert actions["(0010,0020)", "identity"] == 2
    texts = {(path, text): count for path, text, count in store.texts(work.operation)}
    assert texts["(0018,1210)", "SHARP"] == 1
    assert not [path for path, _ in texts if path in ("(0010,0020)", "(0020,000D)", "(0012,0063)")]
    ((study, refusal),) = store.refusals(work.operation, conflicts=False)
    assert (study, refusal.sop_instance_uid, refusal.reason) == (STUDY, sop_uid(3), "SUBJECT_INVALID")


def test_what_would_go_to_quarantine_is_told_with_its_place_and_is_not_there_yet(
    tmp_path: Path, store: SqliteFindings
) -> None:
    profile = Profile("default", frozenset({Option.CLEAN_PIXEL_DATA}))
    doubtful = DianaError(Reason.INSTANCE_QUARANTINED, "frame 1: 10,20,30,40 (0.31)")
    with closing(StudyBench(tmp_path, profile)) as bench:
        bench.archive.put(instance(1), instance(2))
        bench.pixels.refusals[sop_uid(1)] = lambda policy: doubtful
        outcome = previewer(bench, store).run(job(), MemoryWork())
        assert (outcome.stored, outcome.failed, outcome.quarantined) == (1, 1, 1)
        assert not bench.quarantine.count("operations/anon-1")
    ((_, refusal),) = store.refusals("operations/anon-1", conflicts=False)
    assert (refusal.held, refusal.detail) == (True, "frame 1: 10,20,30,40 (0.31)")


def test_two_people_under_one_patient_id_are_in_conflict_across_studies_and_attempts(
    bench: StudyBench, store: SqliteFindings
) -> None:
    other = f"{STUDY}.99"
    bench.archive.put(instance(1, patient_id="7", PatientName="Lovelace^Ada", PatientBirthDate="18151210"))
    bench.archive.put(
        make_small(
            patient_id="7",
            PatientName="Babbage^Charles",
            PatientBirthDate="17911226",
            study_uid=other,
            series_uid=f"{other}.1",
            sop_uid=f"{other}.1.1",
        )
    )
    runner = CohortRunner(previewer(bench, store))
    runner.run(cohort(STUDY), MemoryWork())
    runner.run(cohort(other), MemoryWork())  # as after a crash: the first study is not looked at again
    ((study, conflict),) = store.refusals("operations/anon-1", conflicts=True)
    assert (study, conflict.sop_instance_uid, conflict.reason) == (other, f"{other}.1.1", "IDENTITY_COLLISION")
    assert store.totals("operations/anon-1")[0] == 1


def test_whom_an_operation_gave_a_pseudonym_counts_as_well_and_nothing_is_added(
    bench: StudyBench, store: SqliteFindings, tmp_path: Path
) -> None:
    bench.archive.put(instance(1, patient_id="7"), instance(2, patient_id="8"))
    pseudonym = bench.mint.identity("default", Subject("7", "", "", None, None, None, "")).patient_id
    with closing(Database(tmp_path / "persons.sqlite", STEPS)) as database:
        persons = Persons(SqlitePersons(database, tmp_path / "persons.key"))
        persons.record(Passage("default", ADA, pseudonym, "default", "1.2", "2.25.1"))
        previewer(bench, store, persons).run(job(), MemoryWork())
        ((_, conflict),) = store.refusals("operations/anon-1", conflicts=True)
        assert (conflict.sop_instance_uid, conflict.reason) == (sop_uid(1), "IDENTITY_COLLISION")
        with database.reading() as db:
            assert db.execute("SELECT count(*) FROM persons").fetchone() == (1,)


def test_a_peer_that_is_away_for_a_while_is_waited_for(bench: StudyBench, store: SqliteFindings) -> None:
    bench.archive.put(instance(1))
    bench.archive.away = 2
    assert previewer(bench, store).run(job(), MemoryWork()).stored == 1
    assert len(bench.sleeps) == 2


def test_a_peer_that_stays_away_and_a_study_that_is_not_there_end_it(bench: StudyBench, store: SqliteFindings) -> None:
    bench.archive.put(instance(1))
    bench.archive.away = 1000
    with pytest.raises(DianaError) as caught:
        previewer(bench, store).run(job(), MemoryWork())
    assert caught.value.reason is Reason.PEER_UNAVAILABLE
    bench.archive.away = 0
    with pytest.raises(DianaError) as caught:
        previewer(bench, store).run(job(study_uid="1.2.3"), MemoryWork())
    assert caught.value.reason is Reason.STUDY_NOT_FOUND


def test_one_that_is_cancelled_keeps_nothing_of_the_study_it_was_in(bench: StudyBench, store: SqliteFindings) -> None:
    bench.archive.put(instance(1))
    with pytest.raises(Cancelled):
        previewer(bench, store).run(job(), MemoryWork(stop=True))
    assert not list(store.studies("operations/anon-1"))


def found(study: str = "1.2", text: str = "words") -> StudyFindings:
    findings = StudyFindings(study, new_study_uid="2.25.1", instances=2)
    findings.add_action("(0040,0275)[0].(0040,0009)", "remove")
    findings.add_action("(0040,0275)[1].(0040,0009)", "remove")
    findings.add_text("(0008,103E)", text)
    findings.refuse(Refusal("1.2.3", "NOT_DEIDENTIFIABLE", "It cannot be."))
    findings.subjects["PSEUDO"] = ADA
    return findings


def test_the_same_study_again_adds_nothing_and_another_adds_up(store: SqliteFindings) -> None:
    store.begin("one", HEAD)
    for study in ("1.2", "1.2", "1.3"):
        store.add("one", found(study))
    assert list(store.actions("one")) == [("(0040,0275).(0040,0009)", "remove", 4)]
    assert list(store.texts("one")) == [("(0008,103E)", "words", 2)]
    assert len(list(store.refusals("one", conflicts=False))) == 2
    assert [one.study_uid for one in store.studies("one")] == ["1.2", "1.3"]
    assert store.subject("one", "PSEUDO") == ADA
    assert (store.head("one"), store.head("other")) == (HEAD, None)
    assert not list(store.texts("other"))


def test_a_dry_run_is_forgotten_with_its_texts_when_it_is_old(tmp_path: Path) -> None:
    now = 1e9
    store = SqliteFindings(tmp_path / "previews.sqlite", lambda: now)
    store.begin("old", HEAD)
    store.add("old", found())
    now += 31 * 86400
    store.close()
    store = SqliteFindings(tmp_path / "previews.sqlite", lambda: now)
    assert store.head("old") is None
    assert not [*store.texts("old"), *store.actions("old"), *store.studies("old"), *store.refusals("old", False)]
    assert store.subject("old", "PSEUDO") is None
    store.close()


def test_what_is_too_much_is_counted_and_not_kept(store: SqliteFindings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings_module, "MOST", 3)
    monkeypatch.setattr(findings_store, "_MOST", 4)
    store.begin("one", HEAD)
    for number in range(3):
        findings = StudyFindings(f"1.{number}")
        for text in range(5):
            findings.add_text("(0008,103E)", f"text {text + number}")
            findings.refuse(Refusal(f"1.{number}.{text}", "X", "y"))
        store.add("one", findings)
    assert [study.left_out for study in store.studies("one")] == [4, 7, 9]
    assert [(text, count) for _, text, count in store.texts("one")] == [("text 0", 1), ("text 1", 2), ("text 2", 3)]
    assert len(list(store.refusals("one", False))) == 4


def test_text_is_bounded_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings_module, "MOST_TEXT", 10)
    findings = StudyFindings("1.2")
    for text in ("1234", "1234", "56789", "x" * 9, "1234"):
        findings.add_text("(0008,103E)", text)
    assert dict(findings.texts) == {("(0008,103E)", "1234"): 3, ("(0008,103E)", "56789"): 1}
    assert findings.left_out == 1


def test_a_long_text_is_cut_and_many_are_read_in_parts(store: SqliteFindings) -> None:
    store.begin("one", HEAD)
    findings = found(text="x" * 5000)
    for number in range(2500):
        findings.add_text("(0010,4000)", f"{number:04}")
    store.add("one", findings)
    texts = [text for _, text, _ in store.texts("one")]
    assert len(texts) == 2501
    assert len(texts[0]) == 4097


def test_the_file_of_dry_runs_is_its_owners_only(store: SqliteFindings, tmp_path: Path) -> None:
    store.begin("one", HEAD)
    assert {path.stat().st_mode & 0o077 for path in tmp_path.glob("previews.sqlite*")} == {0}


def test_paths_lose_their_item_numbers_only() -> None:
    assert without_items("(0040,A730)[12].(0040,A123)") == "(0040,A730).(0040,A123)"


@pytest.mark.parametrize("size", [1, 7, 4096, 1 << 20])
def test_remaining_text_is_read_from_pieces_of_any_size(size: int) -> None:
    item = Dataset()
    item.CodeMeaning, item.TextValue = "Chest", "seen by nobody"
    item.ContentSequence = Sequence([Dataset(), Dataset()])
    item.ContentSequence[1].PersonName = "Doe^Jane=ド^ジ"
    data_set = pydicom.dcmread(BytesIO(make_small(SeriesDescription="One\\\\Two", ConvolutionKernel=None)))
    data_set.SpecificCharacterSet = "ISO_IR 192"
    data_set.ContentSequence = Sequence([item])
    data_set.DeidentificationMethod = "ours"
    data_set.ImageComments = "  "
    written = BytesIO()
    data_set.save_as(written)
    data = written.getvalue()
    texts = set(free_text([data[at : at + size] for at in range(0, len(data), size)]))
    assert ("(0040,A730)[0].(0040,A160)", "seen by nobody") in texts
    assert ("(0040,A730)[0].(0040,A730)[1].(0040,A123)", "Doe^Jane=ド^ジ") in texts
    assert ("(0040,A730)[0].(0008,0104)", "Chest") in texts
    paths = {path for path, _ in texts}
    assert not {"(0012,0063)", "(0020,4000)", "(7FE0,0010)"} & paths

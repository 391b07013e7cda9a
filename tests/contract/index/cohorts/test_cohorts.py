"""Cohorts: what is saved, frozen and listed, in SQLite and in PostgreSQL."""

from __future__ import annotations

import hashlib
from itertools import islice

import pytest

from diana_common.errors import Reason
from diana_index.core.attributes import Level
from diana_index.core.members import name_of
from diana_index.core.question import Asked, Key
from tests.contract.index.cohort_bench import CohortBench, fill, refused
from tests.unit.index.index_bench import NO_WAIT

HOSTILE = ["A\tB", "A\nB", "A\\tB", "A\\", "\\n", "ÅÄ", "\U0001f9a0", "A/B", "A'; DROP TABLE cohort; --"]


def digest(*lines: str) -> bytes:
    """As the contract says it, from lines in the order of their bytes."""
    return hashlib.sha256(b"".join(line + b"\n" for line in sorted(one.encode() for one in lines))).digest()


def test_a_cohort_is_a_question_by_name_and_follows_what_arrives(bench: CohortBench) -> None:
    fill(bench, 3)
    cohort = bench.create("ct", Level.SERIES, {"Modality": "CT"})
    assert bench.cohorts.count(cohort, NO_WAIT) == 3
    bench.archive.store("1.9.0.0", study="1.9", series="1.9.0", Modality="CT")
    bench.catch_up()
    bench.open()
    again = bench.cohorts.get("ct")
    assert again == cohort and bench.cohorts.count(again, NO_WAIT) == 4
    assert bench.members("ct") == [("1.0", "1.0.0"), ("1.1", "1.1.0"), ("1.2", "1.2.0"), ("1.9", "1.9.0")]


@pytest.mark.parametrize("level", list(Level))
def test_the_digest_is_that_of_the_contract_at_every_level(bench: CohortBench, level: Level) -> None:
    fill(bench)
    bench.archive.store("2.1.1", study="2", series="2.1", Modality="CT", IssuerOfPatientID="H")  # without Patient ID
    bench.catch_up()
    bench.create("all", level)
    frozen = bench.freeze("all", "all-1").frozen
    series = [(f"1.{n}", f"1.{n}.{m}") for n in range(12) for m in range(2)] + [("2", "2.1")]
    names = {
        Level.PATIENT: [f"P{n}\tH" for n in range(5)] + ["\tH\t2"],
        Level.STUDY: [f"1.{n}" for n in range(12)] + ["2"],
        Level.SERIES: ["\t".join(one) for one in series],
        Level.INSTANCE: [f"{s}\t{e}\t{e}.{n}" for s, e in series[:-1] for n in range(2)] + ["2\t2.1\t2.1.1"],
    }[level]
    assert frozen and (frozen.record_count, frozen.digest) == (len(names), digest(*names))
    assert frozen.position == bench.archive.head()
    assert bench.members("all-1") == [tuple(name.split("\t")) for name in sorted(names)]
    assert sorted(bench.members("all")) == sorted(bench.members("all-1"))


def test_a_frozen_cohort_outlives_arrivals_deletes_and_its_question(bench: CohortBench) -> None:
    fill(bench)
    bench.create("all", Level.INSTANCE)
    before = bench.freeze("all", "all-1")
    members = bench.members("all-1")
    bench.archive.delete("1.0.0.0", "1.0.0.1", "1.0.1.0", "1.0.1.1")
    bench.archive.store("1.99.0.0", study="1.99", series="1.99.0")
    bench.catch_up()
    bench.cohorts.delete("all")
    bench.open()
    assert bench.cohorts.get("all-1") == before
    assert bench.members("all-1") == members
    assert before.frozen and bench.cohorts.count(before, NO_WAIT) == before.frozen.record_count == 48


def test_two_cohorts_of_equal_digests_have_the_same_records(bench: CohortBench) -> None:
    fill(bench)
    bench.create("ct", Level.STUDY, {"Modality": "CT"})
    bench.create("mr", Level.STUDY, {"ModalitiesInStudy": "MR"})
    bench.create("few", Level.STUDY, {"PatientID": ["P1", "P2"]})
    frozen = {name: bench.freeze(name, f"{name}-1").frozen for name in ("ct", "mr", "few")}
    digests = {name: one.digest if one else b"" for name, one in frozen.items()}
    assert digests["ct"] == digests["mr"] != digests["few"]
    assert bench.members("ct-1") == bench.members("mr-1")
    copy = bench.freeze("ct-1", "ct-2").frozen
    assert copy and frozen["ct"] and (copy.digest, copy.position) == (digests["ct"], frozen["ct"].position)


def test_hostile_patient_ids_keep_their_names_apart(bench: CohortBench) -> None:
    for number, patient in enumerate(HOSTILE):
        bench.archive.store(f"1.{number}.1.1", study=f"1.{number}", series=f"1.{number}.1", PatientID=patient)
    bench.archive.store("2.1.1", study="2", series="2.1", PatientID="A", IssuerOfPatientID="B\t")
    bench.catch_up()
    bench.create("all", Level.PATIENT)
    frozen = bench.freeze("all", "all-1").frozen
    found = bench.members("all-1")
    assert sorted(found) == sorted([*((one, "") for one in HOSTILE), ("A", "B\t")])
    assert frozen and frozen.record_count == len(found)
    assert found == sorted(found, key=name_of)
    assert sorted(bench.members("all", 1)) == sorted(found)


def test_patients_whose_ids_are_too_long_to_be_any_are_kept_apart_too(bench: CohortBench) -> None:
    for number, end in enumerate("\nab"):
        values = {"PatientID": "\n0" * 2500 + end, "IssuerOfPatientID": "x\n" * 2500 + "y"}
        bench.archive.store(f"1.{number}.1.1", study=f"1.{number}", series=f"1.{number}.1", **values)
    bench.catch_up()
    bench.create("all", Level.PATIENT)
    frozen = bench.freeze("all", "all-1").frozen
    assert frozen and frozen.record_count == len(set(bench.members("all-1"))) == 3


def test_no_records_are_a_cohort_as_well(bench: CohortBench) -> None:
    bench.create("none", Level.STUDY, {"PatientID": "nobody"})
    frozen = bench.freeze("none", "none-1").frozen
    assert frozen and (frozen.record_count, frozen.digest) == (0, hashlib.sha256().digest())
    assert bench.members("none-1") == bench.members("none") == []


def test_the_same_cohort_again_changes_nothing_and_another_is_refused(bench: CohortBench) -> None:
    keys = [
        Key("PatientID", ("P1", "P2")),
        Key("ProcedureCodeSequence", item=(Key("CodeValue", ("1",)),)),
    ]
    asked = Asked("other", Level.STUDY, keys, "", True, True, "cohort.question.")
    first = bench.cohorts.create("mine", "for trial \0 \U0001f9a0", asked)
    bench.open()
    assert bench.cohorts.create("mine", "for trial \0 \U0001f9a0", asked) == first
    for other in (Asked("other", Level.STUDY), Asked("other", Level.SERIES, keys, "", True, True)):
        with refused(Reason.COHORT_EXISTS):
            bench.cohorts.create("mine", "for trial \0 \U0001f9a0", other)
    with refused(Reason.COHORT_EXISTS):
        bench.cohorts.create("mine", "for another", asked)
    bench.freeze("mine", "frozen")
    with refused(Reason.COHORT_EXISTS):
        bench.cohorts.create("frozen", "for trial \0 \U0001f9a0", asked)
    with refused(Reason.COHORT_EXISTS):
        bench.freeze("mine", "frozen")


def test_what_cannot_be_answered_is_refused_by_its_key(bench: CohortBench) -> None:
    with refused(Reason.KEY_UNSUPPORTED) as unknown:
        asked = Asked(
            "default", Level.STUDY, [Key("PatientID", ("1",)), Key("PixelData", ("1",))], path="cohort.question."
        )
        bench.cohorts.create("bad", "", asked)
    assert "cohort.question.matches[1].attribute" in str(unknown.value)
    with refused(Reason.INVALID_FIELD) as bad_range:
        asked = Asked("default", Level.STUDY, [Key("StudyDate", ("2020-",))], path="cohort.question.")
        bench.cohorts.create("bad", "", asked)
    assert "cohort.question.matches[0].values[0]" in str(bad_range.value)
    assert list(bench.cohorts.listed("")) == []


def test_cohorts_are_listed_by_name_and_deleted(bench: CohortBench) -> None:
    names = [f"c{number:02}" for number in range(40)]
    for name in reversed(names):
        bench.create(name)
    assert [one.cohort_id for one in bench.cohorts.listed("")] == names
    assert [one.cohort_id for one in bench.cohorts.listed("c35")] == names[36:]
    bench.cohorts.delete("c07")
    for gone in (lambda: bench.cohorts.delete("c07"), lambda: bench.cohorts.get("c07"), lambda: bench.members("c07")):
        with refused(Reason.COHORT_NOT_FOUND):
            gone()
    assert len(list(bench.cohorts.listed(""))) == 39


def test_a_freezing_that_ends_in_the_middle_leaves_nothing_and_begins_again(
    bench: CohortBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("diana_index.core.cohorts._PIECE", 5)
    fill(bench)
    bench.create("all", Level.INSTANCE)

    def stop(done: int, _: int) -> None:
        if done >= 15:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.freeze("all", "all-1", "one", stop)
    assert bench.store.unfinished() == []
    # As a process leaves it that is killed.
    freezing = bench.store.begin("one")
    freezing.add(0, [b"1.0\t1.0.0\t1.0.0.0"])
    freezing.add(1, [b"1.0\t1.0.0\t1.0.0.9"])
    bench.open()
    assert bench.store.unfinished() == ["one"]
    with refused(Reason.COHORT_NOT_FOUND):
        bench.cohorts.get("all-1")
    made = bench.freeze("all", "all-1", "one")
    assert len(bench.members("all-1")) == 48 and bench.store.unfinished() == []
    # Killed behind the last step, it is not done twice.
    assert bench.freeze("all", "all-1", "one") == made


def test_leftovers_of_what_does_not_go_on_are_cleared_away(bench: CohortBench) -> None:
    fill(bench, 2)
    bench.create("all")
    bench.freeze("all", "kept", "whole")
    for operation in ("ended", "running"):
        bench.store.begin(operation).add(0, [b"1.0"])
    bench.cohorts.clean(lambda operation: operation != "running")
    assert bench.store.unfinished() == ["running"]
    assert bench.members("kept") == [("1.0",), ("1.1",)]


def test_a_frozen_cohort_that_is_deleted_while_it_is_read_is_not_taken_for_a_smaller_one(
    bench: CohortBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("diana_index.core.cohorts._PIECE", 4)
    fill(bench)
    bench.create("all")
    frozen = bench.freeze("all", "all-1").frozen
    assert frozen
    names = bench.cohorts._frozen_names(frozen)
    assert len(list(islice(names, 4))) == 4
    bench.cohorts.delete("all-1")
    with refused(Reason.COHORT_NOT_FOUND):
        list(names)
    assert bench.store.unfinished() == []


def test_a_token_is_good_for_its_cohort_only(bench: CohortBench) -> None:
    fill(bench)
    for name in ("one", "two"):
        bench.create(name)
    bench.freeze("one", "one-1")
    for name in ("one", "one-1"):
        token = bench.cohorts.members(name, 2, "", lambda: True).next_token
        with refused(Reason.PAGE_TOKEN_INVALID):
            bench.cohorts.members("two", 2, token, lambda: True)
        bench.cohorts.delete(name)
        bench.create(name)
        with refused(Reason.PAGE_TOKEN_INVALID):
            bench.cohorts.members(name, 2, token, lambda: True)


def test_pages_end_early_where_names_are_long(bench: CohortBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diana_index.core.cohorts._PAGE_BYTES", 12)
    fill(bench)
    bench.create("all")
    page = bench.cohorts.members("all", 100, "", lambda: True)
    assert [len(page.members), bool(page.next_token)] == [3, True]
    assert len(bench.members("all", 100)) == 12

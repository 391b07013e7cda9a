"""Whether rules fire, and what they say of why: every reason there is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest

from diana_common.conditions import Header
from diana_route.core.deciding import Decider
from diana_route.core.matching import Seen, Verdict, judge
from diana_route.core.model import FileItem, InstanceItem, Item, NewJob, StudyItem
from tests.unit.route.rule_files import header, rule

STUDY = StudyItem("inbox", "1.2")
INSTANCE = InstanceItem("inbox", "1.2", "1.2.3")
FILE = FileItem("one", "a.dcm", "1-1")
CT, MR = header(Modality="CT", Rows=512), header(Modality="MR", Rows=64)


def seen(item: Item, *headers: Header, trail: Sequence[str] = (), complete: bool = True, found: bool = True) -> Seen:
    return Seen(item, lambda: headers, trail, complete, lambda query: found)


def unread() -> Iterable[Header]:
    raise AssertionError("asked for headers that nobody needs")


@pytest.mark.parametrize(
    ("source", "one", "reason"),
    [
        ("{store: inbox}", FILE, "it looks at store inbox, at no files"),
        ("{store: inbox}", INSTANCE, "it looks at whole studies, not at single instances"),
        ("{store: inbox, event: instance_stored}", STUDY, "it looks at instances one by one, not at studies"),
        ("{store: trial}", STUDY, "it looks at store trial, not at inbox"),
        ("{query: Rows = 1, store: trial, every: 1h}", STUDY, "it looks at store trial, not at inbox"),
        ("{query: Rows = 1, store: inbox, every: 1h}", INSTANCE, "it looks at whole studies, not at single instances"),
    ],
)
def test_what_does_not_come_from_its_source_is_none_of_a_rules_business(source: str, one: Item, reason: str) -> None:
    assert judge(rule(source, when="Rows = 1"), Seen(one, unread)) == Verdict(False, reason)


def test_a_folders_rule_looks_at_the_files_of_its_own_folder() -> None:
    watching = rule("{folder: /incoming}", "[put: inbox]")
    assert judge(watching, Seen(FILE, unread)).fires
    assert judge(watching, Seen(STUDY, unread)).reason == "it looks at the files of a folder"
    other = FileItem("two", "a.dcm", "1-1")
    assert judge(watching, Seen(other, unread)).reason == "it looks at the files of its own folder"


def test_a_rule_without_a_condition_needs_no_headers() -> None:
    assert judge(rule("{store: inbox}"), Seen(STUDY, unread)) == Verdict(
        True, "it comes from the rule's source, and there is no condition"
    )


def test_a_rule_leaves_what_it_made_itself() -> None:
    looking = rule("{store: inbox}", when="Rows = 1")
    own = judge(looking, Seen(STUDY, unread, trail=("zero", "one")))
    assert own == Verdict(False, "it was made by this rule itself")
    around = judge(looking, Seen(STUDY, unread, trail=("one", "two")))
    assert around.reason == "it was made by rule two of what this rule had made: one > two"
    assert judge(looking, seen(STUDY, header(Rows=1), trail=("two",))).fires


def test_a_study_must_be_complete_and_a_querys_must_be_found() -> None:
    feed, query = rule("{store: inbox}"), rule("{query: Rows = 1, store: inbox, every: 1h}")
    assert judge(feed, Seen(STUDY, unread, complete=False)) == Verdict(False, "the study is not complete")
    assert judge(query, Seen(STUDY, unread, complete=False)).fires
    assert judge(query, seen(STUDY, found=False)) == Verdict(False, "the rule's query does not find it")


def test_a_study_meets_a_condition_where_any_series_does() -> None:
    looking = rule("{store: inbox}", when="Modality = CT AND Rows > 100")
    assert judge(looking, seen(STUDY, MR, CT)) == Verdict(True, "the condition holds: Modality = CT AND Rows > 100")


def test_the_part_that_is_false_is_named() -> None:
    looking = rule("{store: inbox}", when="Modality = CT AND (Rows > 600 OR Columns = 1)")
    whole = "Modality = CT AND (Rows > 600 OR Columns = 1)"
    assert judge(looking, seen(STUDY, MR, CT)).reason == (
        f"the condition is false: Rows > 600 OR Columns = 1, a part of {whole}"
    )
    assert judge(looking, seen(STUDY, MR)).reason == f"the condition is false: Modality = CT, a part of {whole}"
    between = judge(looking, seen(STUDY, header(Modality="CT", Rows=1), header(Modality="MR", Rows=999)))
    assert between.reason == f"no series meets all of the condition: {whole}"
    single = rule("{store: inbox}", when='PatientID = "A 1"')
    assert judge(single, seen(STUDY, CT)).reason == 'the condition is false: PatientID = "A 1"'
    assert judge(single, seen(STUDY)).reason == "it has no instances that the condition could be asked of"


def test_private_attributes_can_be_asked_for() -> None:
    looking = rule("{store: inbox, event: instance_stored}", when='"(0019,xx10){ACME}" = B')
    stored = {"00190010": {"vr": "LO", "Value": ["ACME"]}, "00191010": {"vr": "LO", "Value": ["A"]}}
    assert judge(looking, seen(INSTANCE, stored)).reason == 'the condition is false: "(0019,xx10){ACME}" = B'


def test_the_rules_that_fire_make_jobs_and_headers_are_read_once() -> None:
    reads = []

    def headers() -> Iterable[Header]:
        reads.append(1)
        return iter([CT])

    first, second = rule("{store: inbox}", when="Rows > 1"), rule("{store: inbox}", when="Rows > 2", name="two")
    third = rule("{store: inbox}", when="Rows > 900", name="three")
    decider = Decider([first, second, third], lambda rule, item: ["peer PACS"])
    jobs = decider.jobs(Seen(STUDY, headers, trail=("two",)), "7")
    assert jobs == [
        NewJob("one", first.digest, STUDY, ["send to PACS"], ["peer PACS"], "7", ("two",)),
        NewJob("two", second.digest, STUDY, ["send to PACS"], ["peer PACS"], "7", ("two",)),
    ]
    assert reads == [1]
    assert [job.rule for job in decider.jobs(seen(STUDY, CT), "7", "two")] == ["two"]


def test_where_headers_cannot_be_had_rules_that_ask_none_work_and_the_others_say_so() -> None:
    rules = [rule("{store: inbox}", name="all"), rule("{store: inbox}", when="Modality = CT", name="ct")]
    rules.append(rule("{store: trial}", when="Modality = CT", name="elsewhere"))
    decider = Decider(rules, lambda rule, item: ["target"])
    plain, dead = decider.jobs_unread(Seen(STUDY, unread, ("put",)), "p1", "it cannot be read")
    assert (plain.rule, plain.digest, plain.dead) == ("all", rules[0].digest, "")
    assert (dead.rule, dead.digest, dead.dead, dead.trail) == ("ct", "", "it cannot be read", ("put",))


def test_a_condition_that_is_longer_in_full_than_it_may_be_when_written_is_asked_all_the_same() -> None:
    when = "(" + " OR ".join(f"00321060={'x' * 49}{number:03}" for number in range(240)) + ") AND Modality=CT"
    assert len(when) < 16_384 < len(rule("{store: inbox}", when=when).when_text)
    assert judge(
        rule("{store: inbox}", when=when),
        seen(STUDY, header(RequestedProcedureDescription="x" * 49 + "239", Modality="CT")),
    ).fires

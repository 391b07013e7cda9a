"""When evidence completes a study, rule by rule, and all combinations of a few pieces of it."""

from __future__ import annotations

import itertools

import pytest

from diana_archive.core.evidence import MOST_EVIDENCE, MOST_LISTED, Standing, is_met, listed, spend, verdict, with_new
from diana_archive.core.model import (
    CompletionReason,
    Evidence,
    Fact,
    Origin,
    ProcedureStep,
    SessionEnded,
    SourceCount,
    StepStatus,
)
from diana_common.errors import DianaError, Reason

SETTLE = 5
ARRIVED = 100
ENDED = 110
LATER = ENDED + SETTLE
TEN = Standing(10, ARRIVED, frozenset(f"1.{number}" for number in range(10)))

RELEASED = SessionEnded("a", True, 10)
ABORTED = SessionEnded("b", False, 4)
COUNT_MET = SourceCount(10)
COUNT_ABOVE = SourceCount(11)
OVER = ProcedureStep("9.1", StepStatus.COMPLETED, ("1.0", "1.9"))
BROKEN_OFF = ProcedureStep("9.2", StepStatus.DISCONTINUED, ("1.1",))
MISSING = ProcedureStep("9.3", StepStatus.COMPLETED, ("1.0", "1.77"))
RUNNING = ProcedureStep("9.4", StepStatus.IN_PROGRESS)
EMPTY = ProcedureStep("9.5", StepStatus.DISCONTINUED)


def known(*facts: Fact, record_us: int = ENDED, spent: bool = False) -> list[Evidence]:
    return [Evidence(fact, Origin(door="test"), record_us, spent) for fact in facts]


def judge(*facts: Fact, standing: Standing = TEN, now_us: int = LATER) -> CompletionReason | None:
    return verdict(known(*facts), standing, now_us, SETTLE)


def test_nothing_known_completes_nothing() -> None:
    assert judge() is None


@pytest.mark.parametrize(
    ("count", "reason"),
    [(9, CompletionReason.COUNTED_AGAINST_SOURCE), (10, CompletionReason.COUNTED_AGAINST_SOURCE), (11, None)],
)
def test_a_source_count_completes_at_once_when_as_many_or_more_are_there(
    count: int, reason: CompletionReason | None
) -> None:
    assert judge(SourceCount(count), now_us=ARRIVED) == reason


def test_steps_complete_at_once_when_all_are_over_and_all_they_list_is_there() -> None:
    assert judge(OVER, BROKEN_OFF, now_us=ARRIVED) == CompletionReason.PROCEDURE_STEP_COMPLETED
    assert judge(OVER, EMPTY, now_us=ARRIVED) == CompletionReason.PROCEDURE_STEP_COMPLETED
    assert judge(OVER, MISSING) is None
    assert judge(OVER, RUNNING) is None
    assert judge(EMPTY) is None, "a step that lists nothing names no instance that is there"


def test_a_session_completes_once_the_settle_period_is_over() -> None:
    assert judge(RELEASED, now_us=LATER - 1) is None
    assert judge(RELEASED, now_us=LATER) == CompletionReason.ASSOCIATION_RELEASED


def test_the_settle_period_begins_with_the_last_session() -> None:
    evidence = [
        *known(SessionEnded("a", True, 4), record_us=ENDED),
        *known(SessionEnded("b", True, 6), record_us=ENDED + 3),
    ]
    assert verdict(evidence, TEN, LATER, SETTLE) is None
    assert verdict(evidence, TEN, LATER + 3, SETTLE) == CompletionReason.ASSOCIATION_RELEASED


def test_an_instance_after_the_last_session_is_of_one_that_is_still_open() -> None:
    moving = Standing(11, ENDED + 1, TEN.present)
    assert judge(RELEASED, standing=moving, now_us=LATER + 100) is None


@pytest.mark.parametrize(
    "facts",
    [
        (RELEASED, ABORTED),
        (SessionEnded("a", True, 11),),
        (SessionEnded("a", True, 6), SessionEnded("b", True, 5)),
        (SessionEnded("a", True, 0),),
    ],
    ids=["one was aborted", "one offered more", "together they offered more", "it offered nothing"],
)
def test_sessions_that_do_not_account_for_what_is_there_complete_nothing(facts: tuple[Fact, ...]) -> None:
    assert judge(*facts, now_us=LATER + 1000) is None


@pytest.mark.parametrize("gap", [COUNT_ABOVE, MISSING, RUNNING], ids=["count", "listed", "in progress"])
@pytest.mark.parametrize("fact", [RELEASED, COUNT_MET, OVER], ids=["session", "count", "step"])
def test_what_names_something_missing_holds_back_all_other_evidence(gap: Fact, fact: Fact) -> None:
    assert judge(fact, now_us=LATER) is not None
    assert judge(fact, gap, now_us=LATER + 1000) is None


def test_a_study_without_an_instance_is_not_complete() -> None:
    assert judge(RELEASED, EMPTY, standing=Standing(0, 0, frozenset())) is None


def test_spent_evidence_is_not_weighed() -> None:
    for fact in (RELEASED, COUNT_MET, OVER, COUNT_ABOVE, MISSING):
        assert verdict(known(fact, spent=True), TEN, LATER, SETTLE) is None
    evidence = [*known(COUNT_ABOVE, ABORTED, MISSING, spent=True), *known(RELEASED)]
    assert verdict(evidence, TEN, LATER, SETTLE) == CompletionReason.ASSOCIATION_RELEASED


def test_a_declaration_spends_what_was_met_and_keeps_what_names_something_missing() -> None:
    facts: list[Fact] = [RELEASED, ABORTED, COUNT_MET, OVER, EMPTY, MISSING, RUNNING]
    after = spend(known(*facts), TEN)
    assert [one.fact for one in after if not one.spent] == [MISSING, RUNNING]
    assert [one.fact for one in spend(known(COUNT_ABOVE), TEN) if not one.spent] == [COUNT_ABOVE]
    assert all(one.spent for one in spend(known(COUNT_ABOVE, spent=True), TEN))


def test_a_study_that_was_declared_complete_is_not_complete_again_by_the_same_evidence() -> None:
    """Over all sets of evidence: after a declaration and a late instance there must be something new."""
    facts: list[Fact] = [RELEASED, ABORTED, COUNT_MET, OVER, BROKEN_OFF, EMPTY]
    late = Standing(11, LATER + 50, TEN.present | {"1.10"})
    for size in range(len(facts) + 1):
        for chosen in itertools.combinations(facts, size):
            after = spend(known(*chosen), TEN)
            assert verdict(after, late, LATER + 1000, SETTLE) is None
            session = Evidence(SessionEnded("late", True, 1), Origin(), LATER + 60)
            assert verdict(with_new(after, session), late, LATER + 1000, SETTLE) == (
                CompletionReason.ASSOCIATION_RELEASED
            )


def test_every_set_of_evidence_is_judged_by_the_same_precedence() -> None:
    facts: list[Fact] = [RELEASED, ABORTED, COUNT_MET, OVER, BROKEN_OFF, EMPTY, MISSING, RUNNING]
    for size in range(len(facts) + 1):
        for chosen in itertools.permutations(facts, size) if size < 4 else itertools.combinations(facts, size):
            if MISSING in chosen or RUNNING in chosen:
                expected = None
            elif COUNT_MET in chosen:
                expected = CompletionReason.COUNTED_AGAINST_SOURCE
            elif OVER in chosen or BROKEN_OFF in chosen:
                expected = CompletionReason.PROCEDURE_STEP_COMPLETED
            elif RELEASED in chosen and ABORTED not in chosen:
                expected = CompletionReason.ASSOCIATION_RELEASED
            else:
                expected = None
            assert judge(*chosen) == expected, chosen


def test_only_instances_that_matter_are_looked_up() -> None:
    evidence = [*known(OVER, RELEASED), *known(MISSING, spent=True)]
    assert listed(evidence) == ["1.0", "1.9"]
    assert is_met(OVER, TEN)
    assert not is_met(MISSING, TEN)


def test_a_later_report_takes_the_place_of_the_one_about_the_same() -> None:
    step = ProcedureStep("9.4", StepStatus.COMPLETED, ("1.0",))
    evidence = known(RUNNING, RELEASED, SourceCount(4), ABORTED)
    for new in (step, SourceCount(5), SessionEnded("a", True, 7)):
        (added,) = known(new, record_us=LATER)
        evidence = with_new(evidence, added)
    assert [one.fact for one in evidence] == [ABORTED, step, SourceCount(5), SessionEnded("a", True, 7)]


def test_beyond_the_most_the_oldest_session_goes() -> None:
    evidence: list[Evidence] = known(COUNT_ABOVE)
    for number in range(MOST_EVIDENCE + 5):
        (new,) = known(SessionEnded(f"s{number}", True, 1))
        evidence = with_new(evidence, new)
    assert len(evidence) == MOST_EVIDENCE
    assert evidence[0].fact == COUNT_ABOVE
    assert evidence[1].fact == SessionEnded("s6", True, 1)


def test_more_steps_than_are_kept_are_refused() -> None:
    evidence = known(*(ProcedureStep(f"9.{number}", StepStatus.COMPLETED) for number in range(MOST_EVIDENCE)))
    for fact in (ProcedureStep("9.x", StepStatus.COMPLETED), RELEASED):
        with pytest.raises(DianaError) as caught:
            with_new(evidence, *known(fact))
        assert caught.value.reason == Reason.INVALID_FIELD


def test_steps_that_list_too_much_together_are_refused() -> None:
    half = tuple(f"1.{number}" for number in range(MOST_LISTED // 2))
    evidence = known(ProcedureStep("9.1", StepStatus.COMPLETED, half), ProcedureStep("9.2", StepStatus.COMPLETED, half))
    again = with_new(evidence, *known(ProcedureStep("9.2", StepStatus.DISCONTINUED, half)))
    assert len(again) == 2
    with pytest.raises(DianaError) as caught:
        with_new(evidence, *known(ProcedureStep("9.3", StepStatus.COMPLETED, ("1.0",))))
    assert caught.value.reason == Reason.INVALID_FIELD

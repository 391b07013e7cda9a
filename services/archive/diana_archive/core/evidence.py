"""When evidence completes a study, and how much of it is kept: all the rules, and nothing else.

- What names something that is missing holds the study open: a procedure step in progress or with instances that are
  not there, a source count above what is there. Only the quiet period, or somebody who declares it, completes it then.
- A source count that is met completes it at once; so do procedure steps that are all over and list instances.
- Sessions that all ended in order, with no more offered than is there, complete it once nothing has arrived for the
  store's settle period. An instance that arrived after the last session's end belongs to a session that is still open.
- While a study is complete, for whatever reason, evidence that is met is spent: after a late instance it takes
  something new to complete the study again.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

from diana_archive.core.model import (
    CompletionReason,
    Evidence,
    Fact,
    ProcedureStep,
    SessionEnded,
    SourceCount,
    StepStatus,
)
from diana_common.errors import invalid_field

MOST_EVIDENCE = 100
"""Pieces of evidence kept for a study."""

MOST_LISTED = 20_000
"""Instances that all procedure steps of a study may list together."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a study stands: its current instances, when the last one was stored, and which of those listed are there."""

    instance_count: int
    last_store_us: int
    present: Set[str]


def is_met(fact: Fact, standing: Standing) -> bool:
    """Whether all that a fact speaks of is there. A session names nothing: it always is."""
    if isinstance(fact, SourceCount):
        return fact.instance_count <= standing.instance_count
    if isinstance(fact, ProcedureStep):
        return fact.status != StepStatus.IN_PROGRESS and standing.present >= set(fact.sop_instance_uids)
    return True


def verdict(evidence: Sequence[Evidence], standing: Standing, now_us: int, settle_us: int) -> CompletionReason | None:
    """Why a study that is not complete is believed complete now; None when it is not."""
    fresh = [one for one in evidence if not one.spent]
    if not standing.instance_count or not all(is_met(one.fact, standing) for one in fresh):
        return None
    if any(isinstance(one.fact, SourceCount) for one in fresh):
        return CompletionReason.COUNTED_AGAINST_SOURCE
    if any(isinstance(one.fact, ProcedureStep) and one.fact.sop_instance_uids for one in fresh):
        return CompletionReason.PROCEDURE_STEP_COMPLETED
    if _have_settled(fresh, standing, now_us - settle_us):
        return CompletionReason.ASSOCIATION_RELEASED
    return None


def spend(evidence: Sequence[Evidence], standing: Standing) -> list[Evidence]:
    """The evidence once the study was declared complete."""
    return [replace(one, spent=one.spent or is_met(one.fact, standing)) for one in evidence]


def listed(evidence: Sequence[Evidence]) -> list[str]:
    """The instances that procedure steps list, as far as it matters whether they are there."""
    steps = [one.fact for one in evidence if not one.spent and isinstance(one.fact, ProcedureStep)]
    return sorted({uid for step in steps for uid in step.sop_instance_uids})


def with_new(evidence: Sequence[Evidence], new: Evidence) -> list[Evidence]:
    """A study's evidence, oldest first, with a piece more; beyond the most that is kept the oldest sessions go.

    Raises DianaError INVALID_FIELD for too many procedure steps, and when they list too many instances.
    """
    kept = [one for one in evidence if _subject(one.fact) != _subject(new.fact)] + [new]
    if sum(len(one.fact.sop_instance_uids) for one in kept if isinstance(one.fact, ProcedureStep)) > MOST_LISTED:
        raise invalid_field(
            "evidence.procedure_step.sop_instance_uids",
            f"the study's procedure steps would list more than {MOST_LISTED} instances together",
        )
    if len(kept) > MOST_EVIDENCE:
        oldest = next((one for one in kept[:-1] if isinstance(one.fact, SessionEnded)), None)
        if oldest is None:
            raise invalid_field("evidence", f"the study has {MOST_EVIDENCE} other pieces of evidence already")
        kept.remove(oldest)
    return kept


def _subject(fact: Fact) -> tuple[type[Fact], str]:
    """What a fact is about: a later one about the same takes its place."""
    if isinstance(fact, SessionEnded):
        return SessionEnded, fact.session
    if isinstance(fact, ProcedureStep):
        return ProcedureStep, fact.procedure_step_uid
    return SourceCount, ""


def _have_settled(fresh: Sequence[Evidence], standing: Standing, before_us: int) -> bool:
    ends = [(one.fact, one.record_us) for one in fresh if isinstance(one.fact, SessionEnded)]
    offered = sum(session.instance_count for session, _ in ends)
    if not all(session.released for session, _ in ends) or not 0 < offered <= standing.instance_count:
        return False
    return standing.last_store_us <= max(record_us for _, record_us in ends) <= before_us

"""When a study is complete: declared by a caller, believed on evidence, or because nothing arrived any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from diana_archive.core.committer import Committer
from diana_archive.core.evidence import Standing, listed, spend, verdict, with_new
from diana_archive.core.model import CompletionReason, Evidence, Fact, Origin, StorePolicy, Study
from diana_archive.core.policies import Policies
from diana_archive.core.ports import Catalogue, Changes, Snapshot

_A_ROUND = 500
_DROPPED_A_ROUND = 1000
# What another process committed a little later than its clock says is looked at all the same.
_MARGIN_US = 10 * 1_000_000
UNCLAIMED_KEPT_US = 30 * 86_400 * 1_000_000
"""For how long evidence about a study without any instance is kept."""


class Completing:
    """Completeness of one archive's studies."""

    def __init__(self, committer: Committer, catalogue: Catalogue, policies: Policies) -> None:
        self._committer = committer
        self._catalogue = catalogue
        self._policies = policies
        self._weighed_us: dict[str, int] = {}

    def record(self, store: str, study_uid: str, fact: Fact, origin: Origin) -> tuple[bool, int]:
        """Keep a fact about a study, there or yet to come; whether it is complete now, and the feed's head.

        Raises INVALID_FIELD when the study has too much evidence (core.evidence).
        """
        policy = self._policies.find(store)

        def work(changes: Changes) -> tuple[bool, int]:
            study = changes.study(policy.name, study_uid)
            evidence = changes.evidence(policy.name, study_uid)
            new = Evidence(fact, origin, changes.now_us)
            if all(one.fact != fact for one in evidence):
                if study and study.complete:
                    (new,) = spend([new], _standing(changes, study, [new]))
                changes.set_evidence(policy.name, study_uid, with_new(evidence, new))
            complete = study is not None and study.complete
            return complete or _weigh(changes, policy, study_uid), changes.head()

        return self._committer.run(work)

    def complete_quiet(self, policy: StorePolicy, now_us: int) -> None:
        """Declare studies complete that nothing was stored to for the quiet period. That survives restarts."""
        if not policy.quiet_us:
            return
        with self._catalogue.snapshot() as snapshot:
            quiet = snapshot.quiet(policy.name, now_us - policy.quiet_us, _A_ROUND)
        if not quiet:
            return

        def work(changes: Changes) -> None:
            # Asked again: something may have arrived before this transaction.
            for study_uid in changes.quiet(policy.name, changes.now_us - policy.quiet_us, _A_ROUND):
                complete_study(changes, policy.name, study_uid, CompletionReason.QUIET_PERIOD, Origin())

        self._committer.run(work)

    def complete_on_evidence(self, policy: StorePolicy, now_us: int) -> None:
        """Weigh the evidence of studies where something happened since that was last done; of all, the first time.

        A verdict changes by an arrival, by evidence, and by the end of the settle period after either.
        """
        since_us = self._weighed_us.get(policy.name, 0)
        after = ""
        while page := self._complete_convincing(policy, since_us, after, now_us):
            after = page[-1]
        self._weighed_us[policy.name] = now_us - policy.settle_us - _MARGIN_US

    def drop_unclaimed(self, policy: StorePolicy, now_us: int) -> None:
        """Forget some of what was told long ago about studies that never came."""
        with self._catalogue.snapshot() as snapshot:
            unclaimed = snapshot.unclaimed(policy.name, now_us - UNCLAIMED_KEPT_US, _DROPPED_A_ROUND)

        def work(changes: Changes) -> None:
            for study_uid in unclaimed:
                if changes.study(policy.name, study_uid) is None:
                    changes.set_evidence(policy.name, study_uid, ())

        if unclaimed:
            self._committer.run(work)

    def _complete_convincing(self, policy: StorePolicy, since_us: int, after: str, now_us: int) -> list[str]:
        """Do a page of studies, by UID after that one; which they were."""
        with self._catalogue.snapshot() as snapshot:
            page = snapshot.witnessed(policy.name, since_us, after, _A_ROUND)
            convincing = [
                study_uid
                for study_uid in page
                if (case := _open_case(snapshot, policy.name, study_uid)) and case.reason(now_us, policy.settle_us)
            ]
        if convincing:
            self._committer.run(lambda changes: [_weigh(changes, policy, study_uid) for study_uid in convincing])
        return page


def complete_study(changes: Changes, store: str, study_uid: str, reason: CompletionReason, origin: Origin) -> None:
    """Declare a study complete that is not."""
    if case := _open_case(changes, store, study_uid):
        case.close(changes, reason, origin)


@dataclass(frozen=True, slots=True)
class _Case:
    """A study that is not complete, and what is known about it."""

    study: Study
    evidence: Sequence[Evidence]
    standing: Standing

    def reason(self, now_us: int, settle_us: int) -> CompletionReason | None:
        """Why it is complete, by the evidence."""
        return verdict(self.evidence, self.standing, now_us, settle_us)

    def close(self, changes: Changes, reason: CompletionReason, origin: Origin) -> None:
        """Declare it complete; what is met of the evidence is spent."""
        store, study_uid = self.study.store, self.study.study_uid
        changes.complete(store, study_uid, reason, origin, self.evidence)
        if self.evidence:
            changes.set_evidence(store, study_uid, spend(self.evidence, self.standing))


def _open_case(snapshot: Snapshot, store: str, study_uid: str) -> _Case | None:
    study = snapshot.study(store, study_uid)
    if study is None or study.complete:
        return None
    evidence = snapshot.evidence(store, study_uid)
    return _Case(study, evidence, _standing(snapshot, study, evidence))


def _standing(snapshot: Snapshot, study: Study, evidence: Sequence[Evidence]) -> Standing:
    named = listed(evidence)
    present = snapshot.current_uids(study.store, named) if named else frozenset[str]()
    return Standing(study.instance_count, study.last_store_us, present)


def _weigh(changes: Changes, policy: StorePolicy, study_uid: str) -> bool:
    """Declare a study complete if its evidence says so; whether it did. The newest witness is the entry's origin."""
    case = _open_case(changes, policy.name, study_uid)
    reason = case.reason(changes.now_us, policy.settle_us) if case else None
    if case is None or reason is None:
        return False
    newest = next(one for one in reversed(case.evidence) if not one.spent)
    case.close(changes, reason, newest.origin)
    return True

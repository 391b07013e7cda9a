"""Why rules made jobs of something, or did not: what rules are asked when it arrives is asked once more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from diana_common.errors import DianaError, Reason
from diana_route.core.examining import Examiner
from diana_route.core.journal import Journal
from diana_route.core.matching import Verdict
from diana_route.core.model import Item, Job
from diana_route.core.rules import Rule

_MOST_JOBS = 100
_GONE = (Reason.STUDY_NOT_FOUND, Reason.INSTANCE_NOT_FOUND, Reason.SOURCE_NOT_FOUND)


@dataclass(frozen=True, slots=True)
class Explained:
    """What becomes of an item."""

    verdicts: Sequence[tuple[str, Verdict]]
    """Each rule's name, and what it makes of it."""

    jobs: Sequence[Job]
    """That were made of it, newest first."""


class Explainer:
    """Explains. Safe to share between threads."""

    def __init__(
        self, rules: Sequence[Rule], examiner: Examiner, journal: Journal, stopped: Callable[[], Mapping[str, str]]
    ) -> None:
        """`stopped` says which rules were stopped, and why."""
        self._rules = rules
        self._examiner = examiner
        self._journal = journal
        self._stopped = stopped

    def explain(self, item: Item) -> Explained:
        """Of what is gone, the jobs that were made of it.

        Raises DianaError: STUDY_NOT_FOUND, INSTANCE_NOT_FOUND, SOURCE_NOT_FOUND (where there were no jobs either),
        STORE_UNKNOWN, PEER_UNAVAILABLE.
        """
        jobs = self._journal.of_item(item.key, _MOST_JOBS)
        try:
            verdicts = self._examiner.examine(self._rules, item).verdicts
        except DianaError as error:
            if error.reason not in _GONE or not jobs:
                raise
            verdicts = [Verdict(False, "it is not there any more")] * len(self._rules)
        stopped = self._stopped()
        told = [
            (rule.name, Verdict(False, f"the rule was stopped: {stopped[rule.name]}") if rule.name in stopped else one)
            for rule, one in zip(self._rules, verdicts, strict=True)
        ]
        return Explained(told, jobs)

"""The rules in force, and how they fare."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from diana_route.core.journal import Journal
from diana_route.core.model import State
from diana_route.core.rules import Rule

Why = Callable[[], Mapping[str, str]]
"""Of which rules something is to be said, and what."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a rule fares."""

    rule: Rule
    waiting_count: int
    """Jobs that have not ended."""

    done_count: int
    dead_count: int
    trouble: str
    """Why it makes no jobs now; empty when it works."""

    stopped: bool
    """Whether it was stopped for feeding itself."""


class Rulebook:
    """Safe to share between threads."""

    def __init__(self, rules: Sequence[Rule], journal: Journal, stopped: Why, troubles: Why) -> None:
        """`stopped` says which rules were stopped, `troubles` which make no jobs now for another reason; and why."""
        self.rules = rules
        self._journal = journal
        self._stopped = stopped
        self._troubles = troubles

    @property
    def digests(self) -> Mapping[str, str]:
        """Of the rules' actions, by rule."""
        return {rule.name: rule.digest for rule in self.rules}

    def standings(self) -> list[Standing]:
        """How each rule fares, in the order of the configuration."""
        counts, stopped, troubles = self._journal.counts(), self._stopped(), self._troubles()
        return [
            Standing(
                rule=rule,
                waiting_count=counts.get((rule.name, State.WAITING), 0),
                done_count=counts.get((rule.name, State.DONE), 0),
                dead_count=counts.get((rule.name, State.DEAD), 0),
                trouble="; ".join(one[rule.name] for one in (stopped, troubles) if one.get(rule.name)),
                stopped=rule.name in stopped,
            )
            for rule in self.rules
        ]


def configuration_digest(rules: Sequence[Rule]) -> str:
    """The same for the same rules: what a rule was stopped for is looked at anew once any is another."""
    said = [(rule.name, repr(rule.source), rule.when_text, rule.digest) for rule in rules]
    return hashlib.sha256(repr(said).encode()).hexdigest()

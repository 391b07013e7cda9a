"""Which jobs rules make of an item."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from diana_route.core.matching import Seen, asks, judge_all
from diana_route.core.model import Item, NewJob
from diana_route.core.rules import Rule
from diana_route.core.words import action_text

Targets = Callable[[Rule, Item], Sequence[str]]
"""What each of a rule's actions depends on where it is done with an item; see `Action.target`."""


class Decider:
    """The rules in force. Safe to share between threads."""

    def __init__(self, rules: Sequence[Rule], targets: Targets) -> None:
        self.rules = rules
        self._targets = targets

    def firing(self, seen: Seen, rule: str = "") -> Iterator[Rule]:
        """The rules that fire, those in the item's trail too; of the named one only, or of all.

        Raises what the functions in `seen` raise.
        """
        asked = [one for one in self.rules if rule in ("", one.name)]
        verdicts = judge_all(asked, replace(seen, trail=()))
        return (one for one, verdict in zip(asked, verdicts, strict=True) if verdict.fires)

    def jobs(self, seen: Seen, occasion: str, rule: str = "") -> list[NewJob]:
        """See core.intake.Deciding."""
        return [self.job(one, seen.item, occasion, seen.trail) for one in self.firing(seen, rule)]

    def jobs_unread(self, seen: Seen, occasion: str, why: str) -> list[NewJob]:
        """See core.intake.Deciding."""
        unread = replace(seen, headers=tuple)
        asking = [self.unread(one, seen, occasion, why) for one in self.rules if asks(one, replace(seen, trail=()))]
        return self.jobs(unread, occasion) + asking

    def unread(self, rule: Rule, seen: Seen, occasion: str, why: str) -> NewJob:
        """A dead job of an item whose headers cannot be had: whether the rule fires is not known."""
        return replace(self.job(rule, seen.item, occasion, seen.trail), digest="", dead=why)

    def job(self, rule: Rule, item: Item, occasion: str, trail: Sequence[str] = ()) -> NewJob:
        """The job that a rule makes of an item, whatever its condition says."""
        actions = [action_text(spec) for spec in rule.actions]
        return NewJob(rule.name, rule.digest, item, actions, self._targets(rule, item), occasion, trail)

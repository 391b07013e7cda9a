"""Whether a rule fires for an item, and why: decided and said in one place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from diana_common.conditions import Condition, Header
from diana_route.core.model import FileItem, InstanceItem, Item, StudyItem
from diana_route.core.rules import Event, FeedSource, FolderSource, QuerySource, Rule


@dataclass(frozen=True, slots=True)
class Seen:
    """An item as its source shows it, and what rules ask about it."""

    item: Item

    headers: Callable[[], Iterable[Header]]
    """A study's: one of each series; an instance's or a file's: its own; a zip's: one of each series in it. Asked for
    only where a rule has a condition; whatever it raises is the caller's."""

    trail: Sequence[str] = ()
    """The rules whose work led to it, the earliest first."""

    complete: bool = True
    """Of a study: whether the archive believes that it is complete."""

    is_found: Callable[[QuerySource], bool] = lambda query: True
    """Of a study: whether a rule's query finds it; it does where that is how it came to be seen."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a rule fires, and why, in a sentence."""

    fires: bool
    reason: str


def judge(rule: Rule, seen: Seen) -> Verdict:
    """What a rule makes of an item. Raises what the functions in `seen` raise."""
    return judge_all([rule], seen)[0]


def judge_all(rules: Sequence[Rule], seen: Seen) -> list[Verdict]:
    """What each rule makes of an item. The headers are read once for all, one after the other, and not to their end
    where that changes nothing. Raises what the functions in `seen` raise."""
    verdicts = [_without_headers(rule, seen) for rule in rules]
    asking = {number: _Asking(rules[number]) for number, one in enumerate(verdicts) if one is None}
    pending = list(asking.values())
    for header in seen.headers() if pending else ():
        pending = [one for one in pending if not one.holds_for(header)]
        if not pending:
            break
    return [one or asking[number].verdict() for number, one in enumerate(verdicts)]


def asks(rule: Rule, seen: Seen) -> bool:
    """Whether a rule's verdict depends on the headers."""
    return _without_headers(rule, seen) is None


def _without_headers(rule: Rule, seen: Seen) -> Verdict | None:
    """The verdict where there is one without asking the condition."""
    against = _elsewhere(rule, seen.item) or _own_work(rule, seen.trail) or _not_yet(rule, seen)
    if against:
        return Verdict(False, against)
    return None if rule.when else Verdict(True, "it comes from the rule's source, and there is no condition")


class _Asking:
    """A condition being asked of one header after the other, part by part, so that it is known which was false."""

    def __init__(self, rule: Rule) -> None:
        self._when = rule.when_text
        self._parts = _parts(rule)
        self._met = [False] * len(self._parts)
        self._count = 0
        self._holds = False

    def holds_for(self, header: Header) -> bool:
        self._count += 1
        answers = [part(header) for _, part in self._parts]
        self._met = [met or answer for met, answer in zip(self._met, answers, strict=True)]
        self._holds = all(answers)
        return self._holds

    def verdict(self) -> Verdict:
        if self._holds:
            return Verdict(True, f"the condition holds: {self._when}")
        if not self._count:
            return Verdict(False, "it has no instances that the condition could be asked of")
        for (text, _), met in zip(self._parts, self._met, strict=True):
            if not met:
                of = f", a part of {self._when}" if len(self._parts) > 1 else ""
                return Verdict(False, f"the condition is false: {text}{of}")
        return Verdict(False, f"no series meets all of the condition: {self._when}")


def _elsewhere(rule: Rule, item: Item) -> str:
    """Why an item does not come from the rule's source; empty if it does."""
    source = rule.source
    if isinstance(source, FolderSource):
        if isinstance(item, FileItem) and item.rule == rule.name:
            return ""
        return f"it looks at the files of {'its own' if isinstance(item, FileItem) else 'a'} folder"
    if isinstance(item, FileItem):
        return f"it looks at store {source.store}, at no files"
    if item.store != source.store:
        return f"it looks at store {source.store}, not at {item.store}"
    if isinstance(source, FeedSource) and source.event is Event.INSTANCE_STORED:
        return "" if isinstance(item, InstanceItem) else "it looks at instances one by one, not at studies"
    return "" if isinstance(item, StudyItem) else "it looks at whole studies, not at single instances"


def _own_work(rule: Rule, trail: Sequence[str]) -> str:
    if rule.name not in trail:
        return ""
    if trail[-1] == rule.name:
        return "it was made by this rule itself"
    return f"it was made by rule {trail[-1]} of what this rule had made: {' > '.join(trail)}"


def _not_yet(rule: Rule, seen: Seen) -> str:
    if isinstance(rule.source, FeedSource) and rule.source.event is Event.STUDY_COMPLETED and not seen.complete:
        return "the study is not complete"
    if isinstance(rule.source, QuerySource) and not seen.is_found(rule.source):
        return "the rule's query does not find it"
    return ""


def _parts(rule: Rule) -> Sequence[tuple[str, Condition]]:
    if rule.when_parts or rule.when is None:
        return rule.when_parts
    return ((rule.when_text, rule.when),)

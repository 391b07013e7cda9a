"""Rules: what the archive tells, and which messages come of it."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from diana_common.errors import DianaError, Reason
from diana_common.settings import config_invalid, nearest
from diana_common.value_names import nameable
from diana_notify.core.composing import Composer
from diana_notify.core.directory import Directory
from diana_notify.core.model import Content, Message, StudyRef

_TRY_AGAIN = (Reason.PEER_UNAVAILABLE, Reason.CONFIG_INVALID)
"""What keeps a study from being read now, and not for good."""


@dataclass(frozen=True, slots=True)
class StudyCompleted:
    """A study is believed complete; again, if something came in late."""

    store: str
    study_uid: str
    reason: str
    """Why the archive believes so, in lower case: "quiet_period", "declared" and so on."""

    instance_count: int
    attributes: Mapping[str, str]
    """The study's plain attributes at that moment."""


@dataclass(frozen=True, slots=True)
class Rule:
    """When a study completes in one of the stores, a channel's subscribers get a template's message.

    The channel's tag may name plain attributes of the study, as string.Template has it: "$trial-$site".
    """

    name: str
    stores: frozenset[str]
    channel: str
    template: str


class RuleObserver(Protocol):
    """Is told what becomes of rules. Its methods are quick and never raise."""

    def matched(self, rule: str, messages: int) -> None:
        """A rule made messages; none if nobody has subscribed."""
        ...

    def unmatched(self, rule: str, study_uid: str, reason: Reason) -> None:
        """A rule could tell nobody of a study."""
        ...


class Rules:
    """All rules, held against what is known of channels and templates."""

    def __init__(self, rules: Sequence[Rule], directory: Directory, composer: Composer, observer: RuleObserver) -> None:
        """Raises CONFIG_INVALID naming the place of what does not fit."""
        for number, rule in enumerate(rules):
            _check_rule(rule, directory, f"rules[{number}]")
        names = [rule.name for rule in rules]
        for number, name in enumerate(names):
            if name in names[:number]:
                raise config_invalid(f"rules[{number}].name", "is the name of another rule")
        self._rules = rules
        self._composer = composer
        self._observer = observer

    def __bool__(self) -> bool:
        return bool(self._rules)

    @property
    def stores(self) -> list[str]:
        """Every store that a rule looks at."""
        return sorted({store for rule in self._rules for store in rule.stores})

    def messages(self, event: StudyCompleted) -> list[Message]:
        """What the rules have to say. A rule that cannot tell anybody says so to the observer, not to the caller.

        Raises DianaError PEER_UNAVAILABLE, CONFIG_INVALID when a template names the study and the archive does not
        answer: the event is to be brought again.
        """
        found: list[Message] = []
        for rule in self._rules:
            if event.store in rule.stores:
                found += self._of_rule(rule, event)
        return found

    def _of_rule(self, rule: Rule, event: StudyCompleted) -> list[Message]:
        try:
            study = StudyRef(event.store, event.study_uid)
            content = Content(template=rule.template, values=_values(event), study=study, item=_item(event))
            messages = self._composer.to_channel(_tag(rule, event), content, rule.name)
        except DianaError as error:
            if error.reason in _TRY_AGAIN:
                raise
            self._observer.unmatched(rule.name, event.study_uid, error.reason)
            return []
        self._observer.matched(rule.name, len(messages))
        return messages


def _check_rule(rule: Rule, directory: Directory, where: str) -> None:
    tag = string.Template(rule.channel)
    if not rule.channel or not tag.is_valid():
        raise config_invalid(f"{where}.channel", "is no channel's tag, nor a pattern such as $trial-$site")
    if not rule.stores:
        raise config_invalid(f"{where}.stores", "names no store")
    try:
        directory.template(rule.template)
        if not tag.get_identifiers():
            directory.channel(tag.substitute())
    except DianaError as error:
        setting = "template" if error.reason is Reason.TEMPLATE_UNKNOWN else "channel"
        known = directory.template_names() if setting == "template" else [one.tag for one in directory.channels()]
        raise config_invalid(
            f"{where}.{setting}", f"is not configured; {nearest(getattr(rule, setting), known)}"
        ) from None


def _tag(rule: Rule, event: StudyCompleted) -> str:
    """The channel that a study's attributes lead to. Raises CHANNEL_UNKNOWN where one is missing."""
    try:
        return string.Template(rule.channel).substitute(event.attributes)
    except KeyError:
        raise DianaError(Reason.CHANNEL_UNKNOWN, "The study lacks an attribute that the channel names.") from None


def _item(event: StudyCompleted) -> dict[str, object]:
    """The event's facts as they are."""
    own = {"store": event.store, "study_uid": event.study_uid, "reason": event.reason}
    return {**own, "instance_count": event.instance_count, "attributes": event.attributes}


def _values(event: StudyCompleted) -> dict[str, str]:
    """What templates may name: attributes with plain names, and what the event itself says, which wins."""
    own = {"store": event.store, "study_uid": event.study_uid, "reason": event.reason}
    return {**nameable(event.attributes), **own, "instance_count": str(event.instance_count)}

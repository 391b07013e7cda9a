"""Which rules' work led to what the archive's feed tells of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from diana_route.core.feed import Told
from diana_route.core.journal import Trail
from diana_route.core.rules import Event

DOOR = "route"
"""The door of what rules do in archives, in an origin."""

_ARROW = " > "
_LONGEST_WAY = 255
"""Characters that an origin's source has room for."""


def way_text(trail: Sequence[str]) -> str:
    """A trail as the origin's source of what is sent to another archive, whose rules know nothing of our jobs; the
    latest rules of one that is too long."""
    while len(text := _ARROW.join(trail)) > _LONGEST_WAY:
        trail = trail[1:]
    return text


def way_of(text: str) -> Trail:
    """And back."""
    return tuple(text.split(_ARROW)) if text else ()


class Known(Protocol):
    """What the journal knows."""

    def trail_of(self, operation: str) -> Trail | None:
        """See Journal."""
        ...

    def study_trail(self, store: str, study_uid: str) -> Trail | None:
        """See Journal."""
        ...


class Trails:
    """What is learnt from a piece of the feed, on top of what is known. Not safe for threads.

    A study's completion often tells nothing of where the study came from: it has the trail of the instances that were
    stored since it was complete before, as far as it is common to all of them. So a study that rules made is ignored by
    those rules, and no longer once anything comes in from elsewhere.
    """

    def __init__(self, known: Known) -> None:
        self._known = known
        self._changes: dict[tuple[str, str], Trail | None] = {}
        self._origins: dict[tuple[str, ...], Trail] = {}

    @property
    def changes(self) -> Mapping[tuple[str, str], Trail | None]:
        """What is to be known of studies from now on; see Learnt."""
        return self._changes

    def learn(self, told: Told) -> Trail:
        """What led to an entry's item."""
        study = (told.item.store, told.item.study_uid)
        origin = self.of_origin(told)
        known = self.of_study(*study)
        if told.event is Event.STUDY_COMPLETED:
            if known == ():
                self._changes[study] = None
            return origin if known is None else known
        common = origin if known is None else tuple(rule for rule in known if rule in origin)
        if common != known:
            self._changes[study] = common
        return origin

    def of_study(self, store: str, study_uid: str) -> Trail | None:
        """What led to a study, as far as is known."""
        if (store, study_uid) in self._changes:
            return self._changes[store, study_uid]
        return self._known.study_trail(store, study_uid)

    def of_origin(self, told: Told) -> Trail:
        """What led to what was stored, as its entry says."""
        origin = (told.rule, told.operation, *told.way)
        if origin not in self._origins:
            trail = self._known.trail_of(told.operation) if told.operation else None
            self._origins[origin] = trail or ((*told.way, told.rule) if told.rule else ())
        return self._origins[origin]

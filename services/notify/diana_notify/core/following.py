"""Following the archive's feed, so that rules hear of every entry exactly once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from diana_common.errors import DianaError, Reason
from diana_common.following import Feed, Following, Lost
from diana_notify.core.ledger import Ledger
from diana_notify.core.rules import Rules, StudyCompleted


@dataclass(frozen=True, slots=True)
class FeedBatch:
    """The next events that rules know, and the position up to which there are no others."""

    events: Sequence[StudyCompleted]
    position: str


class Follower:
    """Turns what the feed tells into messages, in a thread of its own (diana_common.following)."""

    def __init__(
        self, archive: Feed[FeedBatch], rules: Rules, ledger: Ledger, queued: Callable[[], None], lost: Lost
    ) -> None:
        """`queued` is called whenever there may be something new to deliver."""
        self._rules = rules
        self._ledger = ledger
        self._queued = queued
        self._following = Following(archive, rules.stores, self, lost)

    def start(self) -> None:
        """Begin to follow, if there are rules; without any, the next rule begins at the head again."""
        if self._rules:
            self._following.start()
        else:
            self.forget()

    def check_ready(self) -> None:
        """Raise PEER_UNAVAILABLE until it is known where to begin: studies that complete before make no messages."""
        if self._rules and self.position() is None:
            raise DianaError(Reason.PEER_UNAVAILABLE, "The archive was never reached; the rules do not work yet.")

    def stop(self) -> None:
        """End the following; what is being recorded is finished."""
        self._following.stop()

    def position(self) -> str | None:
        """See diana_common.following.Place."""
        return self._ledger.position()

    def begin(self, position: str) -> None:
        """See diana_common.following.Place."""
        self._ledger.add_followed([], time.time(), position)

    def apply(self, batch: FeedBatch) -> None:
        """See diana_common.following.Place."""
        messages = [message for event in batch.events for message in self._rules.messages(event)]
        self._ledger.add_followed(messages, time.time(), batch.position)
        if messages:
            self._queued()

    def forget(self) -> None:
        """See diana_common.following.Place."""
        self._ledger.forget_position()

"""What tells people and systems."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from diana_endpoints.items import Item
from diana_endpoints.protocol.endpoint import Endpoint


@dataclass(frozen=True, slots=True)
class Message:
    """What to tell: a template of the service's by name, or a subject and a text, which are templates as well."""

    template: str = ""
    subject: str = ""
    body: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    """What templates may name."""
    study: str = ""
    """The study that it is about, written STORE/UID, or UID alone in the store "default"; none when empty."""


@runtime_checkable
class Messenger(Endpoint, Protocol):
    """It tells people and systems; what it took, it delivers or reports as dead."""

    def send(self, recipient: str, message: Message) -> Item:
        """Queue a message for one recipient, written TRANSPORT:ADDRESS; its delivery."""

    def dispatch(self, channel: str, message: Message) -> Iterator[Item]:
        """Queue a message for a channel's subscribers; their deliveries."""

    def deliveries(self, state: str = "", channel: str = "") -> Iterator[Item]:
        """Deliveries, newest first: those in one state and on one channel, or all.

        States are "queued", "sent", "dead" and "cancelled".
        """

    def watch_deliveries(self, channel: str = "") -> Iterator[Item]:
        """The deliveries that have not ended, then each whenever it changes; of one channel, or all."""

    def replay(self, delivery: str) -> Item:
        """Queue a dead or cancelled delivery once more."""

    def cancel_delivery(self, delivery: str) -> Item:
        """End a queued delivery."""

    def preview(self, recipient: str, message: Message) -> Iterator[Item]:
        """What `send` to a recipient would send, or `dispatch` to a channel written channel:TAG."""

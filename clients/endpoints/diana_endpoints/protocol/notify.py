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


@runtime_checkable
class Messenger(Endpoint, Protocol):
    """It tells people and systems; what it took, it delivers or reports as dead."""

    def send(self, recipient: str, message: Message) -> Item:
        """Queue a message for one recipient, written TRANSPORT:ADDRESS; its delivery."""

    def dispatch(self, channel: str, message: Message) -> Iterator[Item]:
        """Queue a message for a channel's subscribers; their deliveries."""

    def deliveries(self, state: str = "", channel: str = "") -> Iterator[Item]:
        """Deliveries, newest first: those in one state ("queued", "sent", "dead") and on one channel, or all."""

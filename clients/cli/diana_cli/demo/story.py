"""What a demonstration is made of: steps, and what they hand to one another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from diana_cli.demo.mailbox import Mailbox
from diana_cli.mesh.supervisor import Mesh
from diana_endpoints.items import Item
from diana_endpoints.services import Services

PATIENT = "98890234"
"""A patient of pydicom's DICOMDIR tests, who is nobody."""
STORE = "deid"
"""The archive's store for de-identified studies."""
TRIAL, SITE = "demo", "here"
"""Attributes of the de-identified study; together they name the channel that is told of it."""

_Kind = TypeVar("_Kind")


class StepFailed(Exception):
    """A step found something other than it should."""


@dataclass
class Demo:
    """What the steps hand to one another."""

    room: Path
    """A temporary folder."""

    mesh: Mesh
    mailbox: Mailbox = field(default_factory=Mailbox)
    services: Services = field(default_factory=lambda: Services({}))
    digests: dict[str, str] = field(default_factory=dict)
    """SHA-256 of each source file that was newly stored, by SOP Instance UID."""

    study: Item = field(default_factory=Item)
    new_study: Item = field(default_factory=Item)
    """The study after de-identification."""

    def endpoint(self, text: str, kind: type[_Kind]) -> _Kind:
        """An endpoint of the demo's mesh."""
        endpoint = self.services.endpoint(text)
        if not isinstance(endpoint, kind):
            raise StepFailed(f"{text} is no {kind.__name__}")
        return endpoint

    def close(self) -> None:
        """End whatever runs."""
        self.services.close()
        self.mesh.stop()
        self.mailbox.close()


@dataclass(frozen=True)
class Step:
    """One step: what it does, how, and what a person may try next."""

    title: str
    run: Callable[[Demo], Iterator[str]]
    """Does it, and yields lines to show."""

    try_next: str = ""

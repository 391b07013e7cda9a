"""What every endpoint is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from diana_endpoints.items import Item


@dataclass(frozen=True, slots=True)
class Health:
    """Whether an endpoint can be used now, and what there is to say of it."""

    ok: bool
    detail: str


OnProgress = Callable[[int, int], None]
"""Told of how many are done, and how many there are; 0 while that is not known."""


@runtime_checkable
class Endpoint(Protocol):
    """What every endpoint is: something to be closed when done with."""

    def close(self) -> None:
        """Give back files and connections. Contents of its items may not be opened after."""


@runtime_checkable
class Checkable(Endpoint, Protocol):
    """It can say how it is."""

    def check(self) -> Health:
        """How it is, within seconds. Never raises: what is wrong is in the detail."""


@runtime_checkable
class Working(Endpoint, Protocol):
    """It does long work, an operation by name, which can be waited for."""

    def await_work(self, operation: str, on_progress: OnProgress | None = None) -> Iterator[Item]:
        """Wait for its end: what failed of it, each with its failure; at last its counts, or why it ended."""

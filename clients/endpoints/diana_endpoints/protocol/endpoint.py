"""What every endpoint is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


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

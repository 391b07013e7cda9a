"""Seconds since the epoch, and the contracts' timestamps."""

from __future__ import annotations

from typing import overload

from google.protobuf.timestamp_pb2 import Timestamp


@overload
def timestamp(seconds: float) -> Timestamp: ...


@overload
def timestamp(seconds: None) -> None: ...


@overload
def timestamp(seconds: float | None) -> Timestamp | None: ...


def timestamp(seconds: float | None) -> Timestamp | None:
    """A moment, UTC, to the microsecond; None for none."""
    if seconds is None:
        return None
    message = Timestamp()
    message.FromMicroseconds(round(seconds * 1e6))
    return message


def seconds(message: Timestamp) -> float:
    """And back."""
    return message.ToMicroseconds() / 1e6

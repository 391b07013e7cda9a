"""Seconds since the epoch, and the contract's timestamps."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp


def timestamp(seconds: float | None) -> Timestamp | None:
    """A moment; None for none."""
    if seconds is None:
        return None
    message = Timestamp()
    message.FromMicroseconds(round(seconds * 1e6))
    return message


def seconds(message: Timestamp) -> float:
    """And back."""
    return message.ToMicroseconds() / 1e6

"""Doing what is queued: by several threads, fairly by target, again and again until it is done or given up."""

from diana_common.attempts.attempting import Attempting, Observer, Piece, Queue
from diana_common.attempts.failures import Failed, Parted, Postponed, Refused, Unreachable
from diana_common.attempts.limits import Limits
from diana_common.attempts.retrying import RetryPolicy
from diana_common.attempts.targets import WORKERS, Targets

__all__ = [
    "WORKERS",
    "Attempting",
    "Failed",
    "Limits",
    "Observer",
    "Parted",
    "Piece",
    "Postponed",
    "Queue",
    "Refused",
    "RetryPolicy",
    "Targets",
    "Unreachable",
]

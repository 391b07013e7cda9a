"""Quarantine: instances that are held back until somebody has looked at them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from diana_common.errors import DianaError, Reason


class Why(Enum):
    """Why an instance is held back; the values are those of diana.anon.v1.QuarantineReason."""

    DOUBTFUL_PIXELS = 1
    IDENTIFIER_LEFT = 2
    PIXELS_UNREADABLE = 3


@dataclass(frozen=True, slots=True)
class HeldBack:
    """An instance held back. It stays where it was, in the source store.

    The UIDs are the source's; digests are SHA-256, in hexadecimal. `detail` says where: tag paths, or frames with
    regions; never values. `created` is in seconds since the epoch.
    """

    operation: str
    source_store: str
    study_uid: str
    sop_instance_uid: str
    source_sha256: str
    profile: str
    profile_sha256: str
    why: Why
    detail: str
    created: float


@dataclass(frozen=True, slots=True)
class Entry:
    """What the quarantine keeps of it; `number` counts up, `released_by` is empty while it is held back."""

    number: int
    id: str
    held: HeldBack
    released_by: str = ""


class Withheld(DianaError):
    """The refusal of an instance that goes to quarantine: `why`, with which source's digest, where."""

    def __init__(self, why: Why, source_sha256: str, message: str, detail: str) -> None:
        reason = Reason.PIXELS_UNREADABLE if why is Why.PIXELS_UNREADABLE else Reason.INSTANCE_QUARANTINED
        super().__init__(reason, message, metadata={"quarantine_reason": why.name, "detail": detail})
        self.why = why
        self.source_sha256 = source_sha256
        self.detail = detail

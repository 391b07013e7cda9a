"""A report, or any free text, by itself: what AnonymizeText does."""

from __future__ import annotations

from datetime import timedelta

from diana_anon.core.planning.tables import Option
from diana_anon.core.profile import Profile
from diana_anon.core.text.cleaner import TextCleaner
from diana_anon.core.text.identifiers import Identifiers


def text_offset(profile: Profile, offset: timedelta) -> timedelta | None:
    """How far the dates in a text move by a profile; None: they are struck.

    Modified dates move with the identity's offset, dates retained in full by none.
    """
    if profile.shifts_dates:
        return offset
    full = Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_FULL_DATES in profile.options
    return timedelta() if full else None


def cleaned_report(profile: Profile, text: str, identifiers: Identifiers, offset: timedelta) -> tuple[str, int]:
    """The text without identifiers, and how many places were struck out or moved.

    `identifiers`: `named` of those that the caller lists, joined with `gathered` of the study's headers. `offset` is
    the identity's.
    """
    return TextCleaner(identifiers, text_offset(profile, offset)).cleaned(text)

"""A profile's digest: what receipts know it by."""

from __future__ import annotations

import hashlib
import json

from diana_anon.core.profile import Override, Profile
from diana_anon.core.profiles.paths import tags_text

_FORM = "diana-profile-1"


def profile_digest(profile: Profile) -> str:
    """SHA-256, in hexadecimal, over what a profile does: its name, its description and its text's form do not count.

    The order of overrides does, since the last that fits wins; the pixels' policy only where pixels are cleaned.
    """
    pixels = profile.pixels
    meaning = {
        "form": _FORM,
        "options": sorted(option.value for option in profile.options),
        "birth_date": profile.birth_date.value,
        "overrides": [_meaning(override) for override in profile.overrides],
        "pixels": [pixels.read_text, pixels.quarantine_below, pixels.regions] if profile.cleans_pixels else None,
    }
    text = json.dumps(meaning, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _meaning(override: Override) -> list[object]:
    """What an override does; its condition by its canonical text."""
    where = sorted(override.sop_classes)
    return [tags_text(override.path), override.action.value, override.value, where, override.text]

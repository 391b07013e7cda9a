"""Which attributes tell whom a study is about, and how: read off Table E.1-1's actions, option columns and VRs.

- A person name (PN) tells of a person, with or without a row.
- A date that an option retains or moves is a DATE; one that none does (Patient's Birth Date) is a BIRTH.
- Text of an attribute that Clean Descriptors may clean describes; it is where identifiers are struck, not their source.
- Text that Retain Institution Identity keeps names a PLACE, that Retain Device Identity keeps a DEVICE; what Retain
  Patient Characteristics keeps identifies nobody.
- Text that no option keeps or cleans is an ID: numbers of patients, orders and admissions, addresses, telephones.
- An attribute without a row counts as the sequence with a row that it is in (Institution Code Sequence); at the top
  it counts if the supplement to the table removes it.
"""

from __future__ import annotations

from enum import Enum
from functools import cache, lru_cache

from diana_anon.core.planning import tables
from diana_anon.core.planning.supplement import may_tell
from diana_anon.core.planning.tables import Option
from diana_anon.core.profile import Action, Profile
from diana_common.dicom.vr import implicit_vr
from diana_common.tags import keyword_of


class Kind(Enum):
    """How an attribute tells."""

    PERSON = 1
    ID = 2
    PLACE = 3
    DEVICE = 4
    STATION = 5
    """A device's name: a station name or AE title, whose words count though they have no digit."""
    DATE = 6
    BIRTH = 7
    UID = 8


DATED = frozenset({Kind.DATE, Kind.BIRTH})

_REMEMBERED = 8192
_TEXT = frozenset(("AE", "LO", "LT", "SH", "ST", "UC", "UT"))
_NAMES = frozenset(("AE", "SH"))
_CODING = frozenset((0x00080102, 0x00080103, 0x00080115))
"""Coding Scheme Designator, Version and Responsible Organization: who made the code."""
_DATES = frozenset(
    {
        Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_FULL_DATES,
        Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED_DATES,
    }
)
_CLEANED = frozenset({Option.CLEAN_DESCRIPTORS, Option.CLEAN_STRUCTURED_CONTENT, Option.CLEAN_GRAPHICS})


class Kinds(dict[tuple[str, str], Kind | None]):
    """How attributes tell, by tag (eight hexadecimal digits) and their element's VR; for a sequence, how what it holds
    does.

    None: not at all, or not under a profile an option of which retains it unchanged or an override of which keeps it.
    """

    def __init__(self, inherited: Kind | None, profile: Profile | None) -> None:
        super().__init__()
        self._inherited = inherited
        self._profile = profile

    @staticmethod
    @lru_cache(maxsize=64)
    def of(inherited: Kind | None, profile: Profile | None) -> Kinds:
        """Those within a sequence that tells so, or at the top (None)."""
        return Kinds(inherited, profile)

    def __missing__(self, key: tuple[str, str]) -> Kind | None:
        tag, vr = int(key[0], 16), key[1]
        if vr != "SQ" and not tag & 0x10000:
            vr = implicit_vr(tag)  # a writer may have been wrong
        retained = self._profile is not None and tag in retained_tags(self._profile)
        kind = None if retained else _own(tag, vr, self._inherited)
        return self.setdefault(key, kind) if len(self) < _REMEMBERED else kind


def has_row(tag: int) -> bool:
    """Whether Table E.1-1 has a row for an attribute, or the supplement removes it."""
    return tag in _rows() or may_tell(tag, "")


def _own(tag: int, vr: str, inherited: Kind | None) -> Kind | None:
    row = _rows().get(tag)
    if vr == "PN":
        return Kind.PERSON
    if row is None:
        return _without_row(tag, vr, inherited)
    options = row.options.keys()
    if vr in ("DA", "DT"):
        return Kind.DATE if options & _DATES else Kind.BIRTH
    if vr == "UI":
        return Kind.UID
    if vr not in _TEXT and vr != "SQ":
        return None
    return _text(vr, frozenset(options))


def _text(vr: str, options: frozenset[Option]) -> Kind | None:
    if options & _CLEANED:
        return None
    if Option.RETAIN_INSTITUTION_IDENTITY in options:
        return Kind.PLACE
    if Option.RETAIN_DEVICE_IDENTITY in options:
        return Kind.STATION if vr in _NAMES else Kind.DEVICE
    return None if options else Kind.ID


def _without_row(tag: int, vr: str, inherited: Kind | None) -> Kind | None:
    if tag & 0x10000:
        return None
    if inherited is not None:
        return inherited if vr == "SQ" or (vr in _TEXT and tag not in _CODING) else None
    return Kind.ID if vr in _TEXT and may_tell(tag, vr) and "Comment" not in keyword_of(tag) else None


@lru_cache(maxsize=64)
def retained_tags(profile: Profile) -> frozenset[int]:
    """The attributes that an option of a profile retains unchanged, or an override keeps."""
    kept = {one.path.steps[-1].tag for one in profile.overrides if one.action is Action.KEEP}
    rows = _rows().items()
    return frozenset(kept | {tag for tag, row in rows if "K" in map(row.options.get, profile.options)})


@cache
def _rows() -> dict[int, tables.Rule]:
    return {int(row.pattern, 16): row for row in tables.rules() if "x" not in row.pattern and row.pattern != "private"}

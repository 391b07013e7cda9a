"""What becomes of one element's value: mapped, moved, cleaned, made up, or the new patient's."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import cast

from diana_anon.core.planning.level import Level
from diana_anon.core.planning.rules import Kind, Rule
from diana_anon.core.profile import BirthDate, Profile
from diana_anon.core.rewriting import ages, encode, retext
from diana_anon.core.rewriting.dates import shifted, time_of
from diana_anon.core.rewriting.dummies import dummy
from diana_anon.core.rewriting.elements import Element, Reader, find
from diana_anon.core.rewriting.limits import EngineLimits
from diana_anon.core.rewriting.retext import TextCleaner
from diana_anon.core.rewriting.uids import Pseudonyms
from diana_common.dicom.limits import over_limit
from diana_common.errors import DianaError

_CHARACTER_SET = 0x00080005
_BIRTH_DATE, _AGE = 0x00100030, 0x00101010
_DATES = (0x00080020, 0x00080021, 0x00080022, 0x00080023)
"""Study, Series, Acquisition and Content Date: the first that can be read says when the patient was how old."""
_TELLING = (*_DATES, _BIRTH_DATE, _AGE)


@dataclass(frozen=True, slots=True, repr=False)
class Identity:
    """Who the patient is from now on: text in ASCII, and how far dates move if the profile has them moved."""

    patient_id: str
    patient_name: str
    birth_date: date | None
    offset: timedelta = field(default=timedelta())


class Treatment:
    """Treats the values of one object. `enter` and `leave` follow the walk into items and out."""

    def __init__(
        self,
        reader: Reader,
        profile: Profile,
        identity: Identity,
        pseudonyms: Pseudonyms,
        cleaner: TextCleaner | None,
        limits: EngineLimits,
    ) -> None:
        self._reader = reader
        self._limits = limits
        self._values = self._text_bytes = 0
        self.counts = True
        """Whether what is treated counts. What may be remembered does not: it is short, and whether an object is
        refused must not depend on those before it."""
        self._profile = profile
        self._pseudonyms = pseudonyms
        self._cleaner = cleaner
        self._identity = identity
        self._born = identity.birth_date if profile.birth_date is BirthDate.NEAR else None
        self._offset = timedelta(days=identity.offset.days, seconds=identity.offset.seconds)
        self._around: list[Sequence[Element]] = []
        self.identity: dict[Kind, bytes] = {
            Kind.PATIENT_ID: identity.patient_id.encode("ascii"),
            Kind.PATIENT_NAME: identity.patient_name.encode("ascii"),
            Kind.BIRTH_DATE: b"",
            Kind.TRUE_BIRTH_DATE: b"",
        }

    def start(self, elements: Sequence[Element], level: Level) -> None:
        """Enter the data set at the top, and find the birth date that agrees with its ages and dates."""
        self._around = [elements]
        if self._born is None and level[_BIRTH_DATE].kind is not Kind.TRUE_BIRTH_DATE:
            return
        *dates, true, age = (self._text(one) if (one := find(elements, tag)) else "" for tag in _TELLING)
        kinds = tuple(level[tag].kind for tag in _DATES)
        births = ages.births(tuple(zip(dates, kinds, strict=True)), true, age, self._born, self._offset)
        self.identity[Kind.BIRTH_DATE], self.identity[Kind.TRUE_BIRTH_DATE] = births

    def scope(self) -> tuple[Hashable, ...]:
        """All that decides what a rule makes of a value, but for the time that a date is paired with."""
        return self._identity, cast(Hashable, self._cleaner), self._character_set(), *self.identity.values()

    @property
    def pairs_times(self) -> bool:
        """Whether dates move together with their times, wherever these stand."""
        return self._offset.seconds != 0

    def is_paired(self, rule: Rule) -> bool:
        """Whether another value has a say in what a rule makes of one."""
        return rule.kind is Kind.SHIFT and rule.vr == "DA" and self.pairs_times

    def given(self, kind: Kind) -> tuple[bytes, Kind] | None:
        """What the new patient has in an attribute of identity, and what that is: an empty value is `Kind.EMPTY`."""
        if (new := self.identity.get(kind)) is None:
            return None
        return new, kind if new else Kind.EMPTY

    def enter(self, item: Sequence[Element]) -> None:
        """Into an item."""
        self._around.append(item)

    def leave(self) -> None:
        """Out of the item entered last."""
        self._around.pop()

    def treated(
        self, tag: int, rule: Rule, raw: bytes | None, siblings: Sequence[Element]
    ) -> tuple[encode.Value | None, Kind]:
        """The new value of an element by a rule, and what was done in the end; `raw` is None for fragments.

        No value: the element goes, or stays as it is if `Kind.KEEP` was done.
        """
        kind = rule.kind
        if (given := self.given(kind)) is not None:
            return given
        if kind in _BY_VALUE:
            new = None if raw is None else self._by_value(tag, rule, raw, siblings)
            if new is not None:
                return (None, Kind.KEEP) if new is raw else (new, kind)
            kind = rule.otherwise
        if kind is Kind.MAP:
            return (None if raw is None else self._mapped(raw)), kind
        if kind is Kind.DUMMY:
            return dummy(tag, rule.vr), kind
        if kind is Kind.REPLACE:
            return rule.value, kind
        return (b"" if kind is Kind.EMPTY else None), Kind.EMPTY if kind is Kind.EMPTY else Kind.REMOVE

    def _by_value(self, tag: int, rule: Rule, raw: bytes, siblings: Sequence[Element]) -> bytes | None:
        """What the value itself is made into; the same bytes if nothing in them has to change, None if it can't be."""
        if rule.kind is Kind.SHIFT:
            return self._shifted(tag, rule.vr, raw, siblings)
        if rule.kind is Kind.AGE:
            return ages.ages(raw)
        if rule.kind is Kind.ACCESSION:
            return self._accession_numbers(raw)
        if self._cleaner is None:
            return None
        self._counted_text(raw)
        return retext.cleaned(raw, rule.vr, self._character_set(), self._cleaner)

    def _mapped(self, raw: bytes) -> bytes:
        self._counted(raw)
        return self._pseudonyms.uids(raw)

    def _accession_numbers(self, raw: bytes) -> bytes | None:
        self._counted(raw)
        texts = [text.strip("\0 ") for text in raw.decode("latin_1").split("\\")]
        try:
            return "\\".join(self._pseudonyms.accession_number(text) if text else "" for text in texts).encode()
        except DianaError:
            return None  # too long, or no text at all

    def _shifted(self, tag: int, vr: str, raw: bytes, siblings: Sequence[Element]) -> bytes | None:
        paired = b""
        if vr == "DA" and self._offset.seconds:
            clock = find(siblings, time_of(tag) or 0)
            paired = self._value(clock) if clock else b""
        self._counted(raw)
        return shifted(vr, raw, self._offset, paired)

    def _counted(self, raw: bytes) -> None:
        """Count the values of an element; too many are DATA_SET_LIMIT."""
        if not self.counts:
            return
        self._values += 1 + raw.count(b"\\")
        if self._values > self._limits.max_values:
            raise over_limit("UIDs, accession numbers and dates")

    def _counted_text(self, raw: bytes) -> None:
        """Count text; too much is DATA_SET_LIMIT. Each value of an element is work of its own."""
        self._counted(raw)
        self._text_bytes += len(raw) if self.counts else 0
        if self._text_bytes > self._limits.max_text_bytes:
            raise over_limit("bytes of text to clean")

    def _character_set(self) -> bytes:
        """Specific Character Set here: of the item, or the data set around it."""
        for elements in reversed(self._around):
            if declared := find(elements, _CHARACTER_SET):
                return self._value(declared)
        return b""

    def _value(self, element: Element) -> bytes:
        return self._reader.buffer[element.start : element.end]

    def _text(self, element: Element) -> str:
        return self._value(element).decode("latin_1").strip("\0 ")


_BY_VALUE = frozenset({Kind.SHIFT, Kind.CLEAN, Kind.AGE, Kind.ACCESSION})

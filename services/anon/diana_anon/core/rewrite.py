"""The walk: one data set's elements by a plan's rules, items within items, everything else left where it lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from diana_anon.core import encode
from diana_anon.core.dates import shifted, time_of
from diana_anon.core.dummies import dummy
from diana_anon.core.elements import PIXEL_DATA, Element, Items, Reader
from diana_anon.core.pieces import Part, size
from diana_anon.core.plan import IDENTITY, Kind, Plan, Rule
from diana_anon.core.profile import BirthDate
from diana_anon.core.uids import UidMapper, mapped_values
from diana_anon.core.values import CHECKED, fits
from diana_common.dicom.context import Context
from diana_common.dicom.limits import Odd

_TEXT = frozenset(
    ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT")
)
_ENCODED_TEXT = frozenset(vr.encode() for vr in _TEXT)
_ANY = frozenset({b"", b"UN"})
"""What is written where the encoding does not tell the VR, or the writer did not know it."""

Path = tuple[int, ...]
Entry = tuple[int, list[Part]]
"""A tag and what its element becomes."""


@dataclass(frozen=True, slots=True, repr=False)
class Identity:
    """Who the patient is from now on: text in ASCII, and how far dates move if the profile has them moved."""

    patient_id: str
    patient_name: str
    birth_date: date | None
    offset: timedelta = field(default=timedelta())


class Rewriter:
    """Rewrites the data sets of one object."""

    def __init__(self, reader: Reader, plan: Plan, sop_class_uid: str, identity: Identity, map_uid: UidMapper) -> None:
        self.reader = reader
        self.plan = plan
        self._sop_class_uid = sop_class_uid
        self._map_uid = map_uid
        self._offset = timedelta(days=identity.offset.days, seconds=identity.offset.seconds)
        born = identity.birth_date if plan.profile.birth_date is BirthDate.NEAR else None
        self._identity: dict[Kind, bytes] = {
            Kind.PATIENT_ID: identity.patient_id.encode("ascii"),
            Kind.PATIENT_NAME: identity.patient_name.encode("ascii"),
            Kind.BIRTH_DATE: born.isoformat().replace("-", "").encode() if born else b"",
        }

    def identity_entries(self, ctx: Context) -> list[Entry]:
        """The new patient's elements, which an object gets whether it had them or not."""
        return [(tag, [encode.element(tag, self._identity[kind], ctx)]) for tag, kind in IDENTITY.items()]

    def entries(self, elements: Sequence[Element], path: Path, ctx: Context, depth: int = 0) -> list[Entry]:
        """What is left of the elements of one data set, ascending by tag; of duplicates the last."""
        level = self.plan.level(self._sop_class_uid, path)
        found: list[Entry] = []
        for element in ascending(elements):
            rule = level[element.tag]
            kind = rule.kind
            if kind is Kind.REMOVE:
                continue
            if kind is Kind.KEEP and element.items is None and element.vr != b"SQ":
                if self._sound(element, rule, depth):
                    found.append((element.tag, [(element.pos, element.after)]))
            elif kind is Kind.KEEP or kind is Kind.WALK:
                found.extend(self._sequence(element, rule, path, ctx, depth))
            elif (new := self._replaced(element, rule, elements)) is not None:
                found.append((element.tag, [encode.element(element.tag, new, ctx)]))
        return found

    def _sequence(self, element: Element, rule: Rule, path: Path, ctx: Context, depth: int) -> list[Entry]:
        """A sequence with each item rewritten; none if it is one by its tag only, and its bytes do not say so."""
        if element.vr not in (b"", b"SQ", b"UN"):
            return []
        try:
            items, inner = self.reader.items(element, depth)
        except Odd:
            if element.vr == b"UN":
                return []
            raise
        parts = self.items(items, path_into(path, element.tag), inner, depth)
        if not parts and rule.otherwise is Kind.DUMMY:
            parts = [encode.item(tree, inner) for tree in dummy(element.tag, "SQ") if isinstance(tree, dict)]
        return [(element.tag, [encode.head(element.tag, element.vr, size(parts), ctx), *parts])]

    def items(self, items: Items, path: Path, ctx: Context, depth: int) -> list[Part]:
        """The items of a sequence, their lengths defined."""
        parts: list[Part] = []
        for item in items:
            content = [part for _, kept in self.entries(item, path, ctx, depth + 1) for part in kept]
            parts += [encode.item_head(size(content), ctx), *content]
        return parts

    def _sound(self, element: Element, rule: Rule, depth: int) -> bool:
        """Whether an element may be kept unread.

        Fragments are for pixels at the top only. Text does not pass for numbers, nor numbers for text. Text with
        NUL inside is no text: a wrong length may have made it swallow elements that follow.
        """
        if element.end != element.after:
            return element.tag == PIXEL_DATA and not depth
        if depth and element.tag >> 16 == PIXEL_DATA >> 16:
            return False
        text = rule.vr in _TEXT
        if element.vr not in _ANY and (element.vr in _ENCODED_TEXT) is not text:
            return False
        if rule.vr in CHECKED and not fits(element.tag, rule.vr, self.value(element)):
            return False
        return not text or b"\0" not in self.value(element).rstrip(b"\0 ")

    def _replaced(self, element: Element, rule: Rule, siblings: Sequence[Element]) -> encode.Value | None:
        """The new value of an element; None if it goes after all."""
        kind = rule.kind
        if kind in self._identity:
            return self._identity[kind]
        if kind is Kind.SHIFT:
            moved = None if element.end != element.after else self._shifted(element, rule.vr, siblings)
            if moved is not None:
                return moved
            kind = rule.otherwise
        if kind is Kind.MAP:
            return self._mapped(element) if element.end == element.after else None
        if kind is Kind.DUMMY:
            return dummy(element.tag, rule.vr)
        return b"" if kind is Kind.EMPTY else None

    def _mapped(self, element: Element) -> bytes:
        raw = self.value(element)
        self.reader.counted(raw.count(b"\\"))
        return mapped_values(raw, self._map_uid)

    def _shifted(self, element: Element, vr: str, siblings: Sequence[Element]) -> bytes | None:
        paired = b""
        if vr == "DA" and self._offset.seconds:
            clock = time_of(element.tag)
            paired = next((self.value(other) for other in reversed(siblings) if other.tag == clock), b"")
        raw = self.value(element)
        self.reader.counted(raw.count(b"\\"))
        return shifted(vr, raw, self._offset, paired)

    def value(self, element: Element) -> bytes:
        """The bytes of an element's value."""
        return self.reader.buffer[element.start : element.end]


def ascending(elements: Sequence[Element]) -> Sequence[Element]:
    """The elements ascending by tag, each tag once, the last of its kind."""
    tags = [element.tag for element in elements]
    if all(map(int.__lt__, tags, tags[1:])):
        return elements
    last = {element.tag: element for element in elements}
    return [last[tag] for tag in sorted(last)]


def path_into(path: Path, tag: int) -> Path:
    """The path inside a sequence; one within itself, as in a content tree, counts once."""
    return path[: path.index(tag) + 1] if tag in path else (*path, tag)

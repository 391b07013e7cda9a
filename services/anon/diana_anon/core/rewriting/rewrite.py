"""The walk: one data set's elements by a plan's rules, items within items, everything else left where it lies."""

from __future__ import annotations

from collections.abc import Sequence

from diana_anon.core.planning import private
from diana_anon.core.planning.level import Level
from diana_anon.core.planning.plan import Kind, Plan, Rule
from diana_anon.core.planning.rules import ACTIONS, REMOVED, TEXT_VRS
from diana_anon.core.rewriting import content, encode
from diana_anon.core.rewriting.actions import ActionLog
from diana_anon.core.rewriting.dummies import dummy
from diana_anon.core.rewriting.elements import PIXEL_DATA, Element, Items, Reader
from diana_anon.core.rewriting.items import ContentItems
from diana_anon.core.rewriting.pieces import Part, joined, size
from diana_anon.core.rewriting.treat import Treatment
from diana_anon.core.rewriting.values import CHECKED, fits
from diana_common.dicom.context import Context
from diana_common.dicom.limits import Odd

_ENCODED_TEXT = frozenset(vr.encode() for vr in TEXT_VRS)
_ANY = frozenset({b"", b"UN"})
"""What is written where the encoding does not tell the VR, or the writer did not know it."""

_DEEP, _MANY = 8, 64
"""Sequences within which so many parts of an item are put together: handed up part by part, level by level, they would
cost a deep object their number times its depth."""

_SHORT, _REMEMBERED = 384, 4096
"""Bytes of an element whose outcome is remembered, and how many of them."""

Entry = tuple[int, list[Part]]
"""A tag and what its element becomes."""

Outcome = tuple[list[Part] | None, str]
"""What becomes of an element, and the action for the log. No parts: it stays where it lies; None: it goes."""

Known = tuple[list[Part] | None, str, Sequence[tuple[str, str]]]
"""An outcome that is remembered, with what the log was told of the items of a sequence."""

_GONE: Outcome = (None, "remove")
_KEPT: Outcome = ([], "")


class Rewriter:
    """Rewrites the data sets of one object.

    `known` is what became of short elements at the top, by their bytes, in objects for which all else is the same:
    instances of a study share most of theirs. `by_reference`: content items refer to others by their position.
    """

    def __init__(
        self,
        reader: Reader,
        plan: Plan,
        treatment: Treatment,
        known: dict[bytes, Known],
        log: ActionLog | None,
        by_reference: bool,
    ) -> None:
        self.reader = reader
        self.plan = plan
        self._treatment = treatment
        self._known = known
        self._log = log
        self._content = ContentItems(reader, plan.profile.options)
        self._by_reference = by_reference

    def entries(self, elements: Sequence[Element], level: Level, ctx: Context, depth: int = 0) -> list[Entry]:
        """What is left of the elements of one data set, which are `ascending`, as they are then too."""
        found: list[Entry] = []
        buffer, log, keeps_private = self.reader.buffer, self._log, self.plan.keeps_private
        known = {} if depth else self._known
        for element in elements:
            tag, _, pos, _, _, after, _, _ = element
            if tag & 0x10000 and keeps_private:
                continue
            before = known.get(buffer[pos:after]) if known and after - pos <= _SHORT else None
            if before is None:
                parts, action = self._remembered(element, level, elements, ctx, depth)
            else:
                parts, action, within = before
                if log is not None and within:
                    log.again(within)
            if parts is not None:
                found.append((tag, parts or [(pos, after)]))
            if log is not None and action:
                log.add(tag, action)
        if keeps_private and (kept := self._private(elements, level, ctx, depth)):
            return sorted(found + kept, key=_tag)
        return found

    def items(self, tag: int, items: Items, level: Level, ctx: Context, depth: int) -> list[Part]:
        """The items of a sequence that are left, their lengths defined; `level` is the one inside it."""
        parts: list[Part] = []
        log = self._log
        for number, item in enumerate(map(ascending, items)):
            inner = level
            if level.structured:
                what = self._content.what(item, depth)
                if what is content.Item.REMOVED and not self._by_reference:
                    if log is not None:
                        log.add_item(tag, number, "remove")
                    continue
                inner = level.of_item(content.Item.REPLACED if what is content.Item.REMOVED else what)
            if log is not None:
                log.enter(tag, number)
            self._treatment.enter(item)
            kept = [part for _, entry in self.entries(item, inner, ctx, depth + 1) for part in entry]
            if depth > _DEEP and len(kept) > _MANY:
                kept = [self._joined(kept)]
            self._treatment.leave()
            if log is not None:
                log.leave()
            parts.append(encode.item_head(size(kept), ctx))
            parts += kept
        return parts

    def _private(self, elements: Sequence[Element], level: Level, ctx: Context, depth: int) -> list[Entry]:
        """The private elements that are kept, and those that reserve their blocks."""
        found: list[Entry] = []
        blocks: set[int] = set()
        creators = private.creators(self.reader.buffer, elements)
        odd = [element for element in elements if element.tag & 0x10000]
        for element in odd:
            if element.tag in creators:
                continue
            creator = creators.get(private.block(element.tag), "")
            rule = level.private(element.tag, creator) if creator else REMOVED
            step = private.place(element.tag, creator)
            parts, action = self._outcome(element, rule, level, step, elements, ctx, depth)
            if parts is not None:
                found.append((element.tag, parts or [(element.pos, element.after)]))
                blocks.add(private.block(element.tag))
            if self._log is not None and action:
                self._log.add(element.tag, action)
        for element in odd:
            if element.tag in blocks:
                found.append((element.tag, [(element.pos, element.after)]))
            elif element.tag in creators and self._log is not None:
                self._log.add(element.tag, "remove")
        return found

    def _remembered(
        self, element: Element, level: Level, siblings: Sequence[Element], ctx: Context, depth: int
    ) -> Outcome:
        """What becomes of an element; of a short one at the top it is remembered, unless others have a say in it."""
        rule, log = level[element.tag], self._log
        if depth or element.after - element.pos > _SHORT or self._treatment.is_paired(rule):
            return self._outcome(element, rule, level, element.tag, siblings, ctx, depth)
        told = len(log.actions) if log is not None else 0
        self._treatment.counts = False
        outcome = self._outcome(element, rule, level, element.tag, siblings, ctx, depth)
        self._treatment.counts = True
        if rule.kind is Kind.WALK or _is_sequence(element):
            if self._treatment.pairs_times:
                return outcome
            outcome = self._detached(outcome)
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        within = log.actions[told:] if log is not None else ()
        self._known[self.reader.buffer[element.pos : element.after]] = (*outcome, within)
        return outcome

    def _detached(self, outcome: Outcome) -> Outcome:
        """The same without spans of this source."""
        parts, action = outcome
        return [self._joined(parts)] if parts else parts, action

    def _joined(self, parts: list[Part]) -> bytes:
        return b"".join(joined(parts, memoryview(self.reader.buffer)))

    def _outcome(
        self,
        element: Element,
        rule: Rule,
        level: Level,
        step: int,
        siblings: Sequence[Element],
        ctx: Context,
        depth: int,
    ) -> Outcome:
        """What becomes of an element by a rule; `step` stands for it in a path."""
        kind = rule.kind
        if kind is Kind.REMOVE:
            return _GONE
        if kind is Kind.WALK or (kind is Kind.KEEP and _is_sequence(element)):
            parts = self._sequence(element, rule, level, step, ctx, depth)
            return _GONE if parts is None else (parts, "")
        if kind is not Kind.KEEP:
            raw = self.reader.buffer[element.start : element.end] if element.end == element.after else None
            new, kind = self._treatment.treated(element.tag, rule, raw, siblings)
            if new is not None:
                vr = _private_vr(element, rule) if element.tag & 0x10000 else b""
                return [encode.element(element.tag, new, ctx, vr)], ACTIONS[kind]
        return _KEPT if kind is Kind.KEEP and self._sound(element, rule, depth) else _GONE

    def _sequence(
        self, element: Element, rule: Rule, level: Level, step: int, ctx: Context, depth: int
    ) -> list[Part] | None:
        """A sequence with each item rewritten; None if it is one by its tag only, and its bytes do not say so."""
        if element.vr not in (b"", b"SQ", b"UN"):
            return None
        try:
            items, inner = self.reader.items(element, depth)
        except Odd:
            if element.vr == b"UN":
                return None
            raise
        parts = self.items(element.tag, items, level.into(step), inner, depth)
        if not parts and rule.otherwise is Kind.DUMMY:
            parts = [encode.item(tree, inner) for tree in dummy(element.tag, "SQ") if isinstance(tree, dict)]
            if self._log is not None:
                self._log.add(element.tag, ACTIONS[Kind.DUMMY])
        # Items that keep their VRs are no UN's (PS3.5 6.2.2): what readers would take for Implicit VR.
        vr = b"SQ" if element.vr == b"UN" and not inner.implicit else element.vr
        return [encode.head(element.tag, vr, size(parts), ctx), *parts]

    def _sound(self, element: Element, rule: Rule, depth: int) -> bool:
        """Whether an element may be kept unread.

        Fragments are for pixels at the top only. Text does not pass for numbers, nor numbers for text. Text with
        NUL inside is no text: a wrong length may have made it swallow elements that follow.
        """
        if element.end != element.after:
            return element.tag == PIXEL_DATA and not depth
        if depth and element.tag >> 16 == PIXEL_DATA >> 16:
            return False
        vr = rule.vr
        if not vr:
            return True  # a private attribute of a VR that nobody knows
        text = vr in TEXT_VRS
        if element.vr not in _ANY and (element.vr in _ENCODED_TEXT) is not text:
            return False
        if vr in CHECKED and not fits(element.tag, vr, self.value(element)):
            return False
        return not text or b"\0" not in self.value(element).rstrip(b"\0 ")

    def value(self, element: Element) -> bytes:
        """The bytes of an element's value."""
        return self.reader.buffer[element.start : element.end]


def ascending(elements: Sequence[Element]) -> Sequence[Element]:
    """The elements ascending by tag. Odd if one stands there twice: who knows the one need not see the other.

    Padding, which goes, may.
    """
    tags = [element.tag for element in elements]
    if all(map(int.__lt__, tags, tags[1:])):
        return elements
    if len(set(tags)) < len(tags) - max(0, tags.count(_PADDING) - 1):
        raise Odd
    return sorted(elements, key=_element_tag)


_PADDING = 0xFFFCFFFC
"""Data Set Trailing Padding."""


def _element_tag(element: Element) -> int:
    return element.tag


def _tag(entry: Entry) -> int:
    return entry[0]


def _is_sequence(element: Element) -> bool:
    return element.items is not None or element.vr == b"SQ"


def _private_vr(element: Element, rule: Rule) -> bytes:
    return element.vr if element.vr not in _ANY else (rule.vr or "UN").encode()

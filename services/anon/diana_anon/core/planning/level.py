"""The rules at one place of an object: inside the sequences that lead there, top or items.

Order of precedence: what no data set holds goes; a profile's override wins over all else; identity is replaced; what
PS3.6 does not know goes, since nobody can say that it is safe, and so do curves and overlays; then the options' and
the Basic Profile's columns of Table E.1-1, where types in the object's IOD choose among X, Z and D; then what the
table leaves out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from diana_anon.core.planning import overrides, private, tables
from diana_anon.core.planning.options import basic_codes
from diana_anon.core.planning.overrides import IDENTITY, METHOD_TAGS
from diana_anon.core.planning.rules import (
    FREE_TEXT_VRS,
    LONG_TEXT_VRS,
    REMOVED,
    TEMPORAL_VRS,
    Kind,
    Path,
    Rule,
    path_into,
)
from diana_anon.core.planning.supplement import may_tell
from diana_anon.core.profile import Action, Override
from diana_anon.core.rewriting import content
from diana_anon.core.rewriting.graphics import UNFORMATTED_TEXT, is_bitmap_or_curve
from diana_anon.core.rewriting.uids import names_a_kind
from diana_common.dicom.vr import implicit_vr

if TYPE_CHECKING:
    from diana_anon.core.planning.plan import Plan


class Level(dict[int, Rule]):
    """The rules at one place, each worked out when first asked for: `level[tag]`.

    `item` is what Table E.3.4-1 says of a content item, in the levels that `of_item` gives. Safe from any thread.
    """

    def __init__(self, plan: Plan, sop_class_uid: str, path: Path, item: content.Item | None = None) -> None:
        super().__init__()
        self.structured = bool(plan.structured.intersection(path))
        """Whether the items here are content items, cleaned one by one."""
        self._plan = plan
        self._sop_class_uid = sop_class_uid
        self._path = path
        self._item = item
        self._tree = content.CONTENT_SEQUENCE in path and not self.structured
        self._bare = any(self._is_reference(path[:end], path[end]) for end in range(len(path)))
        self._cleaned = self.structured or bool(plan.cleaned.intersection(path)) or self._by_override(path)
        self._private: dict[int, Rule] = {}
        self._inner: dict[object, Level] = {}

    def __missing__(self, tag: int) -> Rule:
        if tag & 0x10000:
            return REMOVED
        rule = self._rule(tag)
        return self.setdefault(tag, rule) if rule.vr != "UN" and len(self) < _REMEMBERED else rule

    def private(self, tag: int, creator: str) -> Rule:
        """The rule for a private attribute, not for one that reserves a block; `tag` may have any block."""
        place = private.place(tag, creator)
        rule = self._private.get(place)
        if rule is None:
            rule = self._private_rule(place)
            if len(self._private) < _REMEMBERED:
                self._private[place] = rule
        return rule

    def into(self, step: int) -> Level:
        """The rules inside one of the sequences here: its tag, or `private.place`."""
        return self._linked(step, path_into(self._path, step), None)

    def of_item(self, item: content.Item) -> Level:
        """The rules for a content item that Table E.3.4-1 says this of."""
        return self._linked(item, self._path, item)

    def _linked(self, key: object, path: Path, item: content.Item | None) -> Level:
        level = self._inner.get(key)
        if level is None:
            level = self._inner[key] = self._plan.level(self._sop_class_uid, path, item)
        return level

    def _rule(self, tag: int) -> Rule:
        if tag >> 16 <= 0x0002 or not tag & 0xFFFF or tag in METHOD_TAGS:
            return REMOVED
        if override := self._override(tag):
            return overrides.rule_of(override, self._standard(tag).kind, self._type(tag))
        return self._standard(tag)

    def _standard(self, tag: int) -> Rule:
        vr = implicit_vr(tag)
        if tag in IDENTITY:
            return Rule(IDENTITY[tag], vr)
        if is_bitmap_or_curve(tag) or (vr == "UN" and tag not in self._plan.codes):
            return Rule(Kind.REMOVE, "UN")
        if self._tree:
            return self._in_tree(tag, vr)
        if self._item is not None and tag in content.VALUES:
            return self._item_value(tag, vr)
        return self._by_table(tag, vr)

    def _override(self, place: int) -> Override | None:
        if not self._plan.overrides:
            return None
        return overrides.fitting(self._plan.overrides, self._sop_class_uid, (*self._path, place))

    def _by_override(self, path: Path) -> bool:
        """Whether an override has one of the sequences cleaned."""
        found = (
            overrides.fitting(self._plan.overrides, self._sop_class_uid, path[:end]) for end in range(1, len(path) + 1)
        )
        return any(one is not None and one.action is Action.CLEAN for one in found)

    def _type(self, tag: int) -> str | None:
        return tables.attribute_type(self._sop_class_uid, tag, self._path)

    def _private_rule(self, place: int) -> Rule:
        if override := self._override(place):
            return overrides.rule_of(override, Kind.REMOVE)
        vr = self._plan.safe_private.get(place)
        if vr is None:
            return REMOVED
        if vr in LONG_TEXT_VRS and self._plan.cleans_descriptors:
            return Rule(Kind.CLEAN, vr)  # as safe as a message can be
        return self._of_unlisted(vr)

    def _in_tree(self, tag: int, vr: str) -> Rule:
        if tag in content.BY_TABLE:
            return self._by_table(tag, vr)
        for tags, kind in _IN_TREE:
            if tag in tags:
                return Rule(kind, vr)
        return REMOVED

    def _item_value(self, tag: int, vr: str) -> Rule:
        """What becomes of a content item's value."""
        if self._item is content.Item.KEPT:
            return Rule(Kind.WALK if vr == "SQ" else Kind.KEEP, vr)
        if self._item is content.Item.REPLACED:
            return Rule(content.REPLACEMENTS.get(tag, Kind.DUMMY), vr)
        if tag == content.TEXT_VALUE:
            return Rule(Kind.CLEAN, vr, Kind.DUMMY)
        return Rule(Kind.WALK, vr) if vr == "SQ" else self._by_table(tag, vr)

    def _by_table(self, tag: int, vr: str) -> Rule:
        code = self._plan.codes.get(tag)
        if code is None:
            return self._unlisted(tag, vr)
        if code == "K":
            return Rule(Kind.WALK if vr == "SQ" else Kind.AGE if vr == "AS" else Kind.KEEP, vr)
        basic = self._chosen(tag, vr, basic_codes()[tag])
        if code == "C":
            return self._clean(vr, basic)
        if tag == UNFORMATTED_TEXT and self._cleaned:
            return Rule(Kind.CLEAN, vr, basic.kind)
        return basic

    def _clean(self, vr: str, basic: Rule) -> Rule:
        if vr == "SQ":
            return Rule(Kind.WALK, vr, basic.otherwise if basic.kind is Kind.WALK else basic.kind)
        if vr in TEMPORAL_VRS:
            return Rule(Kind.SHIFT, vr, basic.kind)
        return Rule(Kind.CLEAN, vr, basic.kind) if vr in FREE_TEXT_VRS or vr == "AE" else basic

    def _is_reference(self, path: Path, tag: int) -> bool:
        """Whether a sequence could go, and stays for its references alone: X/Z/U* (Table E.1-1a) of type 3."""
        if basic_codes().get(tag) != _REFERENCES:
            return False
        return tables.chosen_action(_REFERENCES, tables.attribute_type(self._sop_class_uid, tag, path)) == "X"

    def _chosen(self, tag: int, vr: str, code: str) -> Rule:
        if code == _REFERENCES and vr == "SQ":
            return Rule(Kind.WALK, vr)
        needed = self._type(tag)
        action = tables.chosen_action(code, needed)
        if action == "X" and self._path and needed in ("2", "2C"):
            action = "Z"  # items that need it empty, which the table's X has not foreseen
        if action == "D" and tag == content.CONTENT_SEQUENCE:
            return Rule(Kind.WALK, vr, Kind.DUMMY)
        if action == "U" and vr == "SQ":
            return Rule(Kind.WALK, vr)
        if action == "D" and vr == "UI":
            return Rule(Kind.MAP, vr)
        return Rule(_KINDS[action], vr)

    def _unlisted(self, tag: int, vr: str) -> Rule:
        if self._bare and (vr == "SQ" or vr in FREE_TEXT_VRS):
            return REMOVED
        if tag in _CODED:
            return self._of_unlisted(vr)
        told = tag == content.TEXT_VALUE or may_tell(tag, vr)
        if vr in FREE_TEXT_VRS and (self._cleaned or self._plan.cleans_descriptors):
            # What is known to tell goes as a whole under the Basic Profile; here its words may stay.
            return Rule(Kind.CLEAN, vr, Kind.REMOVE if told and tag not in _NEEDED else Kind.DUMMY)
        if tag in _NEEDED:
            return Rule(Kind.DUMMY, vr)
        if vr == "UI" and names_a_kind(tag):
            return Rule(Kind.KEEP, vr)
        return Rule(Kind.REMOVE, vr) if told else self._of_unlisted(vr)

    def _of_unlisted(self, vr: str) -> Rule:
        """What becomes of an attribute without a row of its own, by its VR."""
        if vr == "SQ":
            return Rule(Kind.WALK, vr)
        if vr == "UI":
            return Rule(Kind.KEEP if self._plan.keeps_uids else Kind.MAP, vr)
        if vr in TEMPORAL_VRS:
            return Rule(self._plan.dates, vr)
        return Rule(Kind.KEEP, vr)


_CODED = frozenset({0x00080100, 0x00080102, 0x00080103, 0x00080105, 0x0008010F, 0x00080119, 0x00080120})
"""What of a code is no text: Code Value and its kind, whose nine digits are SNOMED's and no phone's."""

_NEEDED = frozenset({content.TEXT_VALUE, 0x00620020})
"""Text Value, and Tracking ID, which Tracking UID asks for: words that objects cannot do without."""

_REFERENCES = "X/Z/U*"
_REMEMBERED = 2048
"""Rules kept at one place: more than honest objects ask for, fewer than hostile ones could."""
_KINDS = {"X": Kind.REMOVE, "Z": Kind.EMPTY, "D": Kind.DUMMY, "U": Kind.MAP}
_IN_TREE = (
    (content.KEPT, Kind.KEEP),
    (content.WALKED, Kind.WALK),
    (content.REPLACED, Kind.DUMMY),
    (content.EMPTIED, Kind.EMPTY),
)

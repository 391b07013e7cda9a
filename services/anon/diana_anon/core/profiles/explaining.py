"""What a profile does to one attribute at one place, and which rule has it so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from diana_anon.core.planning import private, tables
from diana_anon.core.planning.options import basic_codes
from diana_anon.core.planning.overrides import IDENTITY, METHOD_TAGS, fitting, followed, rule_of
from diana_anon.core.planning.plan import Plan
from diana_anon.core.planning.rules import ACTIONS, FREE_TEXT_VRS, Kind, Path, Rule
from diana_anon.core.planning.supplement import may_tell
from diana_anon.core.profile import Action, BirthDate, Override, TagPath
from diana_anon.core.profiles.paths import path_text, tags_text
from diana_anon.core.profiles.reading import Origin, ReadProfile, option_word
from diana_anon.core.rewriting.content import CONTENT_SEQUENCE
from diana_anon.core.rewriting.graphics import is_bitmap_or_curve
from diana_anon.core.rewriting.uids import names_a_kind
from diana_common.conditions import Step
from diana_common.dicom.vr import implicit_vr
from diana_common.sop_classes import sop_class_name
from diana_common.tags import keyword_of

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
"""The SOP Class of questions that name none."""


@dataclass(frozen=True, slots=True)
class Conditional:
    """What is done to objects that meet a condition, and the line that says so."""

    condition: str
    action: str
    line: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is done, why (the strongest reason first), and what is done instead where a condition holds."""

    path: str
    keyword: str
    action: str
    reasons: tuple[str, ...]
    conditional: tuple[Conditional, ...]


class Explainer:
    """Explains one profile in objects of one SOP Class."""

    def __init__(self, read: ReadProfile, plan: Plan, sop_class_uid: str = "") -> None:
        self._read = read
        self._plan = plan
        self._sop_class_uid = sop_class_uid or CT_IMAGE_STORAGE
        self._with_conditions = {_place(one.path.steps[-1]) for one, origin in self._overrides() if origin.condition}

    def explain(self, path: TagPath) -> Explanation:
        """What becomes of the attribute at a path."""
        rule = self.rule(path)
        last = path.steps[-1]
        return Explanation(
            path=tags_text(path),
            keyword="" if last.creator else keyword_of(last.tag),
            action=self.action(path),
            reasons=tuple(self._reasons(path, rule)),
            conditional=self.conditional(path),
        )

    def rule(self, path: TagPath) -> Rule:
        """The rule where no condition has a say."""
        *outer, last = path.steps
        level = self._plan.level(self._sop_class_uid, tuple(map(_place, outer)))
        return level.private(last.tag, last.creator) if last.creator else level[last.tag]

    def action(self, path: TagPath) -> str:
        """What is done where no condition has a say: an action as profiles write it, or "identity"."""
        kind, tag = self.rule(path).kind, path.steps[-1].tag
        if self._goes_with(path):
            return Action.REMOVE.value
        if _is_written(path.steps[-1]):
            return Action.REPLACE.value
        if kind is Kind.KEEP and tag in _PIXELS and self._read.profile.cleans_pixels:
            return Action.CLEAN.value
        if kind is Kind.BIRTH_DATE and self._read.profile.birth_date is BirthDate.REMOVE:
            return Action.EMPTY.value
        return ACTIONS[kind]

    def conditional(self, path: TagPath) -> tuple[Conditional, ...]:
        """What is done instead where conditions hold, in the order in which they are asked."""
        places, basic, needed = _places(path), self.rule(path).kind, self._type(_places(path))
        if places[-1] not in self._with_conditions or self._goes_with(path):
            return ()
        found: list[Conditional] = []
        for override, origin in self._overrides():
            if not fitting((override,), self._sop_class_uid, places):
                continue
            if not origin.condition:
                found.clear()  # it comes later and always holds
                continue
            found.append(Conditional(origin.condition, ACTIONS[rule_of(override, basic, needed).kind], origin.line))
        return tuple(found)

    def _type(self, places: Path) -> str | None:
        return tables.attribute_type(self._sop_class_uid, places[-1], places[:-1])

    def _goes_with(self, path: TagPath) -> TagPath | None:
        """The outermost sequence around an attribute that is not walked, so that what is in it goes with it."""
        around = (TagPath(path.steps[:end], path.anywhere) for end in range(1, len(path.steps)))
        return next((one for one in around if self.rule(one).kind not in _WALKED), None)

    def _overrides(self) -> Iterator[tuple[Override, Origin]]:
        yield from zip(self._read.profile.overrides, self._read.origins, strict=True)

    def _reasons(self, path: TagPath, rule: Rule) -> Iterator[str]:
        tag, places = path.steps[-1].tag, _places(path)
        if around := self._goes_with(path):
            done = ACTIONS[self.rule(around).kind]
            yield f"{path_text(around)}, in which it stands, is not kept (the action there is {done})."
            return
        if _is_written(path.steps[-1]):
            yield "The service writes it anew."
            return
        yield from self._by_override(places)
        if path.steps[-1].creator:
            yield from self._of_private(path.steps[-1])
        elif tag in IDENTITY:
            yield self._of_identity(tag)
        elif is_bitmap_or_curve(tag):
            yield "Curves (50xx) and overlays (60xx) are removed as whole groups: text may be burned into them."
        elif tag in _PIXELS:
            yield self._of_pixels()
        else:
            yield from self._of_standard(tag, path, rule)
        yield from _more(rule)

    def _by_override(self, places: Path) -> Iterator[str]:
        found = fitting(self._plan.overrides, self._sop_class_uid, places)
        for override, origin in self._overrides():
            if override is found:
                yield f"Override on line {origin.line} of profile {origin.profile}: {override.text}."
                needed = self._type(places)
                if (done := followed(override, needed)) is not override.action:
                    yield f"Type {needed} in {sop_class_name(self._sop_class_uid)}, which needs it, so {done.value}."

    def _of_private(self, step: Step) -> Iterator[str]:
        if private.place(step.tag, step.creator) not in private.safe():
            yield "Private, and not in PS3.15 Table E.3.10-1 of safe private attributes: removed."
        elif self._plan.safe_private:
            yield "Option retain-safe-private (113111): in PS3.15 Table E.3.10-1 of safe private attributes, kept."
        else:
            yield "Safe by PS3.15 Table E.3.10-1, but removed without the option retain-safe-private (113111)."

    def _of_identity(self, tag: int) -> str:
        if IDENTITY[tag] is not Kind.BIRTH_DATE:
            return "The identity that guid mints is written in its place."
        if self._read.profile.birth_date is BirthDate.NEAR:
            return "The minted birth date, near the true one, is written in its place (birth_date: near)."
        return "Emptied (birth_date: remove)."

    def _of_pixels(self) -> str:
        if self._read.profile.cleans_pixels:
            return "Option clean-pixel-data (113101): known regions, and text that is found, are blanked in all frames."
        return "Pixel data passes untouched, bit for bit; what is burned into it stays."

    def _of_standard(self, tag: int, path: TagPath, rule: Rule) -> Iterator[str]:
        places = _places(path)[:-1]
        if CONTENT_SEQUENCE in places:
            yield from self._of_content()
        yield from self._by_options(tag, rule)
        code = basic_codes().get(tag)
        if code is not None:
            yield self._of_row(tag, code, places)
        elif CONTENT_SEQUENCE not in places:
            yield self._of_unlisted(tag)

    def _of_content(self) -> Iterator[str]:
        if self._plan.structured:
            yield "In a content tree: items are treated by their concepts, PS3.15 Table E.3.4-1 (113104)."
        else:
            yield "In a content tree: its shape and its references stay, its words, codes and numbers do not."

    def _by_options(self, tag: int, rule: Rule) -> Iterator[str]:
        row = _rows().get(tag)
        if self._plan.codes.get(tag) not in _MEANINGS:
            return  # no option that was chosen has a say
        for option, code in sorted(row.options.items(), key=lambda one: (one[1], one[0].value)) if row else ():
            if option in self._read.profile.options:
                basic = code == "C" and rule.kind in _UNCLEANED
                meaning = f"but VR {rule.vr} has nothing to clean: the basic code decides" if basic else _MEANINGS[code]
                yield f"Option {option_word(option)} ({option.value}): {code} in Table E.1-1, {meaning}."

    def _of_row(self, tag: int, code: str, places: Path) -> str:
        kind = self._type((*places, tag))
        basic = f"Table E.1-1 of PS3.15 {tables.EDITION}: basic code {code}"
        if "/" not in code and code != "Z":
            return f"{basic}."
        of_type = f"type {kind}" if kind else "of unknown type"
        return f"{basic}; {of_type} in {sop_class_name(self._sop_class_uid)}, so {tables.chosen_action(code, kind)}."

    def _of_unlisted(self, tag: int) -> str:
        vr = implicit_vr(tag)
        if vr == "UN":
            return "PS3.6 does not know it: removed, since nobody can say that it is safe."
        none = "Table E.1-1 has no row for it"
        if may_tell(tag, vr):
            return f"{none}; it may tell who somebody is all the same (core/planning/supplement.py)."
        if vr == "UI":
            kind = "names a kind of thing, not an entity" if names_a_kind(tag) else "identifies an entity"
            return f"{none}; its UID {kind}."
        if vr in ("DA", "DT", "TM"):
            return f"{none}; dates and times are treated alike."
        if self._plan.cleans_descriptors and vr in FREE_TEXT_VRS:
            return f"{none}: free text, from which option clean-descriptors (113105) strikes identifiers."
        return f"{none}, and it is not known to tell who somebody is."


_MEANINGS = {"C": "cleaned", "K": "kept"}
_UNCLEANED = frozenset({Kind.REMOVE, Kind.EMPTY, Kind.DUMMY})
_WALKED = frozenset({Kind.WALK, Kind.KEEP})
_PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
"""Float, Double Float and plain Pixel Data."""


def _is_written(step: Step) -> bool:
    """Whether the service writes it itself: File Meta Information, and what says how it de-identified."""
    return not step.creator and (step.tag >> 16 == 0x0002 or step.tag in METHOD_TAGS)


def _more(rule: Rule) -> Iterator[str]:
    """What there is to know of a rule's kind."""
    if rule.kind is Kind.WALK:
        yield "The sequence stays; each attribute in its items is treated by its own rule."
    if rule.kind is Kind.AGE:
        yield "An age over 89 years becomes 090Y."
    if rule.kind in (Kind.SHIFT, Kind.CLEAN):
        yield f"A value that cannot be treated so: {ACTIONS[rule.otherwise]}."


@cache
def _rows() -> Mapping[int, tables.Rule]:
    """The rows of Table E.1-1 that are for one attribute."""
    return {int(row.pattern, 16): row for row in tables.rules() if "x" not in row.pattern and row.pattern != "private"}


def _places(path: TagPath) -> Path:
    return tuple(map(_place, path.steps))


def _place(step: Step) -> int:
    return private.place(step.tag, step.creator) if step.creator else step.tag

"""From a profile's text to a profile, or to all that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from diana_anon.core.planning.tables import Option
from diana_anon.core.profile import BirthDate, Override, PixelPolicy, Profile
from diana_anon.core.profiles.overrides import OverrideReader
from diana_common.documents import (
    Entries,
    Fault,
    Faults,
    FieldReader,
    Fields,
    Node,
    NotADocument,
    Scalar,
    TooManyFaults,
    read_document,
    refusal,
)
from diana_common.errors import Reason
from diana_common.settings import nearest

KEYS = ("profile", "description", "extends", "options", "birth_date", "pixels", "overrides")
PIXEL_KEYS = ("read_text", "quarantine_below", "regions")

_MOST_OVERRIDES = 1_000
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_FULL = Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_FULL_DATES
_MODIFIED = Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED_DATES
_FACES = Option.CLEAN_RECOGNIZABLE_VISUAL_FEATURES
_NO_FACES = (
    "113102, Clean Recognizable Visual Features, is not offered: it takes faces out of the volumes of head scans, "
    "which this service does not do; take the option out, and keep such scans back or deface them before"
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an override stands: the profile that has it, and the line there; and its condition in canonical form."""

    profile: str
    line: int
    condition: str = ""


@dataclass(frozen=True, slots=True)
class ReadProfile:
    """A profile, with the origin of each of its overrides."""

    profile: Profile
    origins: tuple[Origin, ...]


Shipped = Callable[[str], ReadProfile]
"""A profile that comes with the service; KeyError for another name."""


def option_word(option: Option) -> str:
    """An option as profiles write it: retain-longitudinal-modified-dates."""
    return option.name.lower().replace("_", "-").replace("-temporal-information", "")


OPTIONS: Mapping[str, Option] = {option_word(option): option for option in Option} | {
    option.value: option for option in Option
}


def parse_profile(text: bytes, shipped: Shipped, shipped_names: tuple[str, ...]) -> ReadProfile | tuple[Fault, ...]:
    """The profile that a text means, or its faults."""
    try:
        root = read_document(text)
    except NotADocument as error:
        return (error.fault,)
    faults = Faults()
    read = None
    try:
        read = _Reading(FieldReader(faults), shipped, shipped_names).profile(root)
    except TooManyFaults:
        pass
    found = faults.in_order()
    return read if read and not found else found


def read_profile(text: bytes, shipped: Shipped, shipped_names: tuple[str, ...], name: str = "") -> ReadProfile:
    """The same. Raises PROFILE_INVALID, which names every fault's line and setting; `name` says which text it is."""
    read = parse_profile(text, shipped, shipped_names)
    if isinstance(read, ReadProfile):
        return read
    raise refusal(Reason.PROFILE_INVALID, read, name or "profile")


class _Reading:
    def __init__(self, fields: FieldReader, shipped: Shipped, shipped_names: tuple[str, ...]) -> None:
        self._fields = fields
        self._faults = fields.faults
        self._shipped = shipped
        self._shipped_names = shipped_names

    def profile(self, root: Node | None) -> ReadProfile | None:
        found = self._fields.mapping(Entries(1) if root is None else root, "", KEYS)
        if found is None:
            return None
        name = self._name(found)
        base = self._base(found)
        options = self._options(found, base.profile.options)
        pixels = self._pixels(found, base.profile.pixels, Option.CLEAN_PIXEL_DATA in options)
        overrides, origins = self._overrides(found, name)
        return ReadProfile(
            Profile(
                name=name,
                options=options,
                birth_date=self._birth_date(found, base.profile.birth_date),
                overrides=base.profile.overrides + overrides,
                pixels=pixels,
                description=self._text(found, "description", 4096),
            ),
            base.origins + origins,
        )

    def _name(self, found: Fields) -> str:
        if "profile" not in found:
            self._faults.add(1, "profile", "is required: the profile's name")
            return ""
        name = self._text(found, "profile", 64)
        if name and not _NAME.fullmatch(name):
            rule = "must be 1 to 63 of a-z, 0-9, '-' and '_', a letter or digit first"
            self._faults.add(found["profile"].line, "profile", rule)
        return name

    def _text(self, found: Fields, key: str, limit: int) -> str:
        return (self._fields.text(found[key], key, limit) or "") if key in found else ""

    def _base(self, found: Fields) -> ReadProfile:
        name = self._text(found, "extends", 64)
        if name in self._shipped_names:
            return self._shipped(name)
        if name:
            known = nearest(name, self._shipped_names)
            self._faults.add(found["extends"].line, "extends", f"is no profile that comes with the service; {known}")
        return ReadProfile(Profile(""), ())

    def _options(self, found: Fields, inherited: frozenset[Option]) -> frozenset[Option]:
        options = set(inherited)
        line = 0
        for number, node in enumerate(self._fields.items(found["options"], "options") if "options" in found else ()):
            where = f"options[{number}]"
            option = self._option(node, where)
            if option is _FACES:
                self._faults.add(node.line, where, _NO_FACES)
            elif option:
                line = node.line if option in (_FULL, _MODIFIED) else line
                options.add(option)
        if _FULL in options and _MODIFIED in options:
            both = "full and modified dates exclude one another (PS3.15 E.3.6): dates are either kept or moved"
            self._faults.add(line, "options", both)
        return frozenset(options)

    def _option(self, node: Node, where: str) -> Option | None:
        word = self._fields.text(node, where, 128)
        if word is None:
            return None
        option = OPTIONS.get(word.lower().replace("_", "-").replace("-temporal-information", ""))
        if option is None:
            known = [one for one in OPTIONS if not one.isdigit() and OPTIONS[one] is not _FACES]
            hint = nearest(word[:64], known)
            self._faults.add(node.line, where, f"is no option of PS3.15 section E.3; {hint}")
        return option

    def _birth_date(self, found: Fields, inherited: BirthDate) -> BirthDate:
        if "birth_date" not in found:
            return inherited
        word = self._text(found, "birth_date", 64)
        for choice in BirthDate:
            if choice.value == word:
                return choice
        if word:
            self._faults.add(found["birth_date"].line, "birth_date", "must be near or remove")
        return inherited

    def _pixels(self, found: Fields, inherited: PixelPolicy, cleaned: bool) -> PixelPolicy:
        node = found.get("pixels")
        if node is None:
            return inherited
        if not cleaned:
            self._faults.add(node.line, "pixels", "has no meaning without the option clean-pixel-data")
        settings = self._fields.mapping(node, "pixels", PIXEL_KEYS) or {}
        read_text: bool | None = inherited.read_text
        below: float | None = inherited.quarantine_below
        regions = inherited.regions
        if "read_text" in settings:
            read_text = self._fields.truth(settings["read_text"], "pixels.read_text")
        if "quarantine_below" in settings:
            below = self._fields.fraction(settings["quarantine_below"], "pixels.quarantine_below")
        if "regions" in settings:
            regions = self._regions(settings["regions"])
        return PixelPolicy(bool(read_text), below or 0.0, regions)

    def _regions(self, node: Node) -> str:
        from diana_anon.core.pixels.regions import parse_rules  # here, since it reads its YAML by this package

        if not (isinstance(node, Scalar) and "\n" in node.text):
            self._faults.add(
                node.line, "pixels.regions", "must be the rules themselves, as a block of text: regions: |"
            )
            return ""
        for fault in parse_rules(node.text.encode())[1]:
            self._faults.add(node.line + fault.line, f"pixels.regions: {fault.field}", fault.description)
        return node.text

    def _overrides(self, found: Fields, name: str) -> tuple[tuple[Override, ...], tuple[Origin, ...]]:
        reader = OverrideReader(self._fields)
        nodes = self._fields.items(found["overrides"], "overrides") if "overrides" in found else []
        if len(nodes) > _MOST_OVERRIDES:
            self._faults.add(nodes[_MOST_OVERRIDES].line, "overrides", f"are more than {_MOST_OVERRIDES:,}")
            return (), ()
        read = [(reader.read(node, f"overrides[{number}]"), node.line) for number, node in enumerate(nodes)]
        kept = [(*one, line) for one, line in read if one]
        return tuple(one for one, _, _ in kept), tuple(Origin(name, line, when) for _, when, line in kept)

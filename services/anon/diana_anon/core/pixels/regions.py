"""Rules for devices that write into their images: which images, and where. In YAML (data/regions.yaml says how)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from diana_anon.core.pixels.model import Mask, Region, Why
from diana_common.conditions import Condition, Header, bind, compile_condition
from diana_common.documents import (
    Fault,
    Faults,
    FieldReader,
    Fields,
    Items,
    Node,
    NotADocument,
    Scalar,
    TooManyFaults,
    read_document,
    refusal,
)
from diana_common.errors import DianaError, Reason
from diana_common.filters import parse_filter

KEYS = ("name", "why", "when", "mask")
_LARGEST = 65535
_MOST_RECTANGLES = 100


@dataclass(frozen=True, slots=True)
class Rectangle:
    """Edges in pixels as a rule has them. Right and bottom edges of 0 or less count from the image's far edges."""

    left: int
    top: int
    right: int
    bottom: int

    def region(self, columns: int, rows: int) -> Region | None:
        """Where it lies in an image of that size; None if it does not."""
        right = self.right if self.right > 0 else columns + self.right
        bottom = self.bottom if self.bottom > 0 else rows + self.bottom
        return Region(self.left, self.top, right, bottom).within(columns, rows)


@dataclass(frozen=True, slots=True)
class DeviceRule:
    """Where images that meet the condition are written on."""

    name: str
    condition: Condition
    rectangles: tuple[Rectangle, ...]

    def masks(self, columns: int, rows: int) -> Iterator[Mask]:
        """What is blanked in an image of that size."""
        for rectangle in self.rectangles:
            if region := rectangle.region(columns, rows):
                yield Mask(region, Why.KNOWN_REGION, rule=self.name)


@dataclass(frozen=True, slots=True)
class DeviceRules:
    """All rules; each that holds for an image applies."""

    rules: tuple[DeviceRule, ...]

    def that_hold(self, header: Header) -> list[DeviceRule]:
        """The rules for one instance."""
        return [rule for rule in self.rules if rule.condition(header)]


@lru_cache(maxsize=1)
def shipped_rules() -> DeviceRules:
    """Those of data/regions.yaml."""
    return read_rules((files("diana_anon") / "data" / "regions.yaml").read_bytes(), "data/regions.yaml")


@lru_cache(maxsize=64)
def read_rules(text: bytes, name: str = "regions") -> DeviceRules:
    """Rules written in YAML. Raises PROFILE_INVALID with a violation for each fault, "line 12: rules[3].mask"."""
    rules, faults = parse_rules(text)
    if faults:
        raise refusal(Reason.PROFILE_INVALID, faults, name)
    return rules


def parse_rules(text: bytes) -> tuple[DeviceRules, tuple[Fault, ...]]:
    """The rules that a text means, and its faults; both are empty for an empty text."""
    faults = Faults()
    rules: list[DeviceRule] = []
    try:
        root = read_document(text)
        if root is not None:
            rules = list(_RuleReader(faults).rules(root))
    except NotADocument as error:
        return DeviceRules(()), (error.fault,)
    except TooManyFaults:
        pass  # they are told of
    return DeviceRules(tuple(rules)), faults.in_order()


class _RuleReader:
    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._fields = FieldReader(faults)

    def rules(self, root: Node) -> Iterator[DeviceRule]:
        """The rules of a document, without those that have a fault."""
        found = self._fields.mapping(root, "", ("rules",)) or {}
        for number, node in enumerate(self._fields.items(found["rules"], "rules") if "rules" in found else []):
            field = f"rules[{number}]"
            settings = self._fields.mapping(node, field, KEYS)
            if settings is None:
                continue
            for key in KEYS:
                if key not in settings:
                    self._faults.add(node.line, field, f"has no {key}")
            if len(settings) == len(KEYS) and (rule := self._rule(settings, field)):
                yield rule

    def _rule(self, settings: Fields, field: str) -> DeviceRule | None:
        name = self._fields.text(settings["name"], f"{field}.name", 64)
        self._fields.text(settings["why"], f"{field}.why", 1024)
        condition = self._condition(settings["when"], f"{field}.when")
        rectangles = self._rectangles(settings["mask"], f"{field}.mask")
        return DeviceRule(name, condition, rectangles) if name and condition and rectangles else None

    def _condition(self, node: Node, field: str) -> Condition | None:
        text = self._fields.text(node, field, 4096)
        if text is None:
            return None
        try:
            parsed = parse_filter(text, field)
            return compile_condition(bind(parsed, field), field) if parsed else None
        except DianaError as error:
            self._faults.add(node.line, field, error.fields[0].description if error.fields else error.message)
            return None

    def _rectangles(self, node: Node, field: str) -> tuple[Rectangle, ...]:
        if isinstance(node, Scalar) and node.text == "all":
            return (Rectangle(0, 0, 0, 0),)
        nodes = self._fields.items(node, field)
        if not 0 < len(nodes) <= _MOST_RECTANGLES:
            self._faults.add(node.line, field, f'must be "all", or 1 to {_MOST_RECTANGLES} rectangles')
        found = [self._rectangle(one, f"{field}[{number}]") for number, one in enumerate(nodes[:_MOST_RECTANGLES])]
        return tuple(filter(None, found))

    def _rectangle(self, node: Node, field: str) -> Rectangle | None:
        edges = [_whole(one) for one in node.nodes] if isinstance(node, Items) else []
        known = [edge for edge in edges if edge is not None and -_LARGEST <= edge <= _LARGEST]
        if len(edges) != 4 or len(known) != 4 or known[0] < 0 or known[1] < 0:
            self._faults.add(node.line, field, "must be [left, top, right, bottom] in pixels, left and top from 0")
            return None
        rectangle = Rectangle(*known)
        if 0 < rectangle.right <= rectangle.left or 0 < rectangle.bottom <= rectangle.top:
            self._faults.add(node.line, field, "is empty: right and bottom come after left and top")
            return None
        return rectangle


def _whole(node: Node) -> int | None:
    try:
        return int(node.text) if isinstance(node, Scalar) and node.plain else None
    except ValueError:
        return None

"""Values that settings of rules have in common: durations, names, patterns, directories."""

from __future__ import annotations

import re
import string
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from diana_common.documents import FieldReader, Fields, Node, shown
from diana_common.settings import join
from diana_route.core.references import Reference, ReferenceKind

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
"""A store, a rule, a profile."""

KEY = re.compile(r"[a-z][a-z0-9_.-]{0,62}")
"""A plain attribute of a study."""

_NAME_RULE = "must be 1 to 63 of a-z, 0-9, '-' and '_', a letter or digit first"
_KEY_RULE = "must be 1 to 63 of a-z, 0-9, '.', '-' and '_', a letter first"
_DURATION = re.compile(r"([0-9]{1,7}(?:\.[0-9]{1,3})?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_LONGEST = 4_096
_DEEPEST = 32


@dataclass(frozen=True, slots=True)
class Scope:
    """What of the service's configuration rules may name."""

    folders: Collection[Path] | None = ()
    """Absolute directories; those of rules lie below one of them. None where they are not known: any will do."""

    archives: Collection[str] | None = ()
    """Other archives; likewise."""

    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that `${NAME}` may take."""

    withheld: Collection[str] = ()
    """Others that are set, whose values are not for whoever wrote the rules."""

    endpoints: Collection[str] | None = ()
    """Endpoints; as `archives`."""


class ValueReader:
    """Reads settings of a mapping, or notes what is wrong and gives None, or what stands for nothing."""

    def __init__(self, fields: FieldReader, scope: Scope) -> None:
        self.fields = fields
        self.scope = scope
        self.references: list[Reference] = []

    def fault(self, node: Node, field: str, description: str) -> None:
        """Note that something is wrong there."""
        self.fields.faults.add(node.line, field, description)

    def require(self, node: Node, found: Fields, field: str, *keys: str) -> None:
        """Note which settings are missing."""
        for key in keys:
            if key not in found:
                self.fault(node, join(field, key), "is required")

    def refer(self, kind: ReferenceKind, name: str, node: Node, field: str, of: str = "") -> None:
        """Note what another service has to know."""
        if name:
            self.references.append(Reference(kind, name, node.line, field, of))

    def text(self, found: Fields, field: str, key: str, limit: int = _LONGEST) -> str:
        """A text, or nothing."""
        return (self.fields.text(found[key], join(field, key), limit) or "") if key in found else ""

    def name(self, found: Fields, field: str, key: str) -> str:
        """A name, or nothing."""
        text = self.text(found, field, key, 64)
        if text and not NAME.fullmatch(text):
            self.fault(found[key], join(field, key), _NAME_RULE)
        return text

    def key(self, text: str, node: Node, field: str) -> str:
        """A plain attribute's key."""
        if not KEY.fullmatch(text):
            self.fault(node, field, _KEY_RULE)
        return text

    def seconds(self, found: Fields, field: str, key: str, default: float, least: float, most: float) -> float:
        """A duration: 500ms, 2s, 5m, 1h, 1d."""
        text = self.text(found, field, key, 64)
        if not text:
            return default
        read = _DURATION.fullmatch(text)
        if read is None:
            self.fault(found[key], join(field, key), "must be a duration, as 500ms, 2s, 5m, 1h or 1d")
            return default
        seconds = float(read[1]) * _UNITS[read[2]]
        if not least <= seconds <= most:
            allowed = f"must be from {_duration_text(least)} to {_duration_text(most)}"
            self.fault(found[key], join(field, key), allowed)
        return seconds

    def pattern(self, found: Fields, field: str, key: str, known: Collection[str] | None, limit: int = 255) -> str:
        """A text in which `$site` takes an attribute of the item; of those `known`, unless nobody can know them."""
        text = self.text(found, field, key, limit)
        if text:
            self.check_pattern(text, found[key], join(field, key), known)
        return text

    def check_pattern(self, text: str, node: Node, field: str, known: Collection[str] | None) -> None:
        """Note what a pattern may not say."""
        template = string.Template(text)
        if not template.is_valid():
            self.fault(node, field, "has a $ that no attribute's name follows, as in $site")
            return
        for used in template.get_identifiers():
            if known is not None and used not in known:
                has = ", ".join(f"${one}" for one in sorted(known)) or "none: give the folder a layout, as {site}"
                self.fault(node, field, f"uses ${shown(used)[1:-1]}, but the item's attributes are {has}")

    def directory(self, found: Fields, field: str, key: str) -> Path:
        """An absolute directory below one of those that rules may use."""
        text = self.text(found, field, key, 1_024)
        path = PurePosixPath(text)
        if text and (not path.is_absolute() or ".." in path.parts or "\0" in text):
            self.fault(found[key], join(field, key), "must be an absolute path without '..'")
        elif len(path.parts) > _DEEPEST:
            self.fault(found[key], join(field, key), f"lies more than {_DEEPEST} directories deep")
        elif text and not self._is_open(Path(path)):
            remedy = "does not lie below one of the directories that the setting `folders` of the service lists"
            self.fault(found[key], join(field, key), remedy)
        return Path(path)

    def _is_open(self, path: Path) -> bool:
        roots = self.scope.folders
        return roots is None or any(path.is_relative_to(root) for root in roots)


def _duration_text(seconds: float) -> str:
    unit = next(unit for unit in ("d", "h", "m", "s", "ms") if seconds >= _UNITS[unit])
    return f"{seconds / _UNITS[unit]:g}{unit}"

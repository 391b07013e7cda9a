"""Rules for tests, from their text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diana_common.documents import Fault
from diana_common.tags import tag_of, vr_of
from diana_route.core.reading import Scope, check_rules, read_rules
from diana_route.core.rules import Rule

SCOPE = Scope(folders=(Path("/incoming"), Path("/outgoing")), archives=("research",))

INTAKE = """\
rules:
  - name: intake
    source: {folder: /incoming, layout: "{site}/{trial}", settle: 500ms, poll: 2s, empty: 1d}
    when: 'Modality = "CT"'
    do:
      - put: inbox
      - delete
"""


def rules(text: str) -> tuple[Rule, ...]:
    """The rules of a text."""
    return read_rules(text.encode(), SCOPE, "rules.yaml")


def rule(source: str, do: str = "[{send: {peer: PACS}}]", when: str = "", name: str = "one") -> Rule:
    """One rule."""
    condition = f"\n    when: '{when}'" if when else ""
    [read] = rules(f"rules:\n  - name: {name}\n    source: {source}{condition}\n    do: {do}\n")
    return read


def faults(text: str | bytes) -> list[str]:
    """The faults of a text, as error details name them."""
    found = check_rules(text.encode() if isinstance(text, str) else text, SCOPE)
    return [str(one) for one in found if isinstance(one, Fault)]


def header(**values: object) -> dict[str, Any]:
    """A header of a few attributes by keyword."""
    made: dict[str, Any] = {}
    for keyword, value in values.items():
        tag = tag_of(keyword) or 0
        made[f"{tag:08X}"] = {"vr": vr_of(tag), "Value": [value]}
    return made

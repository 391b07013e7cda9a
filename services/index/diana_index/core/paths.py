"""The way from a header to an attribute's values: through sequences, and to private elements by their creator."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from diana_common.errors import DianaError, invalid_field
from diana_common.tags import parse_tag, tag_hex

MOST_STEPS = 5
"""How deep a path may go: four sequences and the attribute in the innermost."""
_MOST_VALUES = 1000
"""Values taken of one path of one header; a hostile or an enhanced object may have more."""

_PRIVATE = re.compile(r'\(([0-9A-Fa-f]{3}[13579BDFbdf]),"([^"\\]{1,64})",([0-9A-Fa-f]{2})\)')
_STEPS = re.compile(r'\([0-9A-Fa-f]{4},"[^"]*",[0-9A-Fa-f]{2}\)|[^.]+')


@dataclass(frozen=True, slots=True)
class Step:
    """One element of a data set."""

    tag: str
    """Eight upper-case hexadecimal digits; of a private element group, "00" and the last two digits."""
    creator: str = ""
    """Of a private element: its Private Creator (PS3.5 section 7.8)."""

    def __str__(self) -> str:
        return f'({self.tag[:4]},"{self.creator}",{self.tag[6:]})' if self.creator else self.tag


Steps = tuple[Step, ...]


def parse_path(text: str, field: str) -> Steps:
    """Keywords or tags joined by ".", private ones as `(gggg,"CREATOR",ee)`. Raises INVALID_FIELD for `field`."""
    parts = _STEPS.findall(text)
    # Whatever the pattern skipped is a dot too many, or a bracket out of place.
    if not parts or ".".join(parts) != text:
        raise invalid_field(field, 'is no path: keywords or tags joined by ".", private ones as (gggg,"CREATOR",ee)')
    if len(parts) > MOST_STEPS:
        raise invalid_field(field, f"has more than {MOST_STEPS} steps")
    return tuple(_step(part, field) for part in parts)


def path_text(steps: Steps) -> str:
    """A path in one way of writing: tags."""
    return ".".join(str(step) for step in steps)


def values_at(header: Mapping[str, Any], steps: Steps) -> Iterator[tuple[str, str, Any]]:
    """The values at a path: where, their VR, and each as DICOM JSON has it.

    Where: four hexadecimal digits for each sequence on the way, the number of its item.
    """
    left = _MOST_VALUES
    for item, element in _elements(header, steps, ""):
        values = element.get("Value")
        if values.__class__ is not list:
            continue
        for value in values[:left]:
            yield item, str(element.get("vr")), value
        left -= len(values)
        if left <= 0:
            return


def _step(part: str, field: str) -> Step:
    private = _PRIVATE.fullmatch(part)
    if private:
        group, creator, element = private.groups()
        return Step(f"{group}00{element}".upper(), creator.strip())
    try:
        tag = parse_tag(part, field)
    except DianaError:
        raise invalid_field(
            field, 'has a step that is no keyword of PS3.6, no tag and no (gggg,"CREATOR",ee)'
        ) from None
    if tag & 0x10000:
        raise invalid_field(field, 'names a private attribute without its creator: write (gggg,"CREATOR",ee)')
    return Step(tag_hex(tag))


def _elements(data_set: Mapping[str, Any], steps: Steps, item: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    element = data_set.get(_tag(data_set, steps[0]))
    if element.__class__ is not dict:
        return
    if len(steps) == 1:
        yield item, element
        return
    items = element.get("Value")
    if items.__class__ is not list:
        return
    for number, inner in enumerate(items[:0xFFFF]):
        if inner.__class__ is dict:
            yield from _elements(inner, steps[1:], f"{item}{number:04X}")


def _tag(data_set: Mapping[str, Any], step: Step) -> str:
    """The step's tag in this data set; empty if its private block is not there."""
    if not step.creator:
        return step.tag
    group = step.tag[:4]
    for tag, element in data_set.items():
        if tag.startswith(f"{group}00") and element.__class__ is dict:
            values = element.get("Value")
            if values.__class__ is list and values and str(values[0]).strip() == step.creator:
                return f"{group}{tag[6:]}{step.tag[6:]}"
    return ""

"""The answer key: for every planted value what must have become of it, in the categories of MIDI-B."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from pydicom import DataElement, Dataset


class Category(Enum):
    """What an answer is about (MIDI-B's names)."""

    TAG_RETAINED = "tag retained"
    TEXT_NOT_NULL = "text not null"
    TEXT_RETAINED = "text retained"
    TEXT_REMOVED = "text removed"
    DATE_SHIFTED = "date shifted"
    UID_CHANGED = "UID changed"
    UID_CONSISTENT = "UID consistent"
    PATIENT_ID_CONSISTENT = "patient id consistent"
    PIXELS_HIDDEN = "pixels hidden"
    PIXELS_RETAINED = "pixels retained"


class Private(NamedTuple):
    """A private attribute: its block may move."""

    group: int
    creator: str
    element: int


class Content(NamedTuple):
    """An attribute of the content item, anywhere in the tree, that has a concept of this code for its name."""

    code: str
    tag: int


Step = int | Private | Content
Path = tuple[Step, ...]
"""An attribute's tag; before it, for each sequence it lies in, the sequence's tag and the item's number from 0.

Empty: anywhere in the object.
"""

Box = tuple[int, int, int, int]
"""Columns and rows of a region: left, top, right, bottom; the last two are beyond it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One thing that must be so in what became of file number `file`. `kind` says what was planted, in words.

    `text` is a value to be gone, to be kept, or to have been changed; `box` a region of pixels.
    """

    file: int
    category: Category
    path: Path
    kind: str
    text: str = ""
    box: Box | None = None


def found(data_set: Dataset, path: Path) -> DataElement | None:
    """The element at a path."""
    for sequence, item in zip(path[:-1:2], path[1:-1:2], strict=True):
        element = _element(data_set, sequence)
        if element is None or element.VR != "SQ" or not isinstance(item, int) or item >= len(element.value):
            return None
        data_set = element.value[item]
    return _element(data_set, path[-1])


def _element(data_set: Dataset, step: Step) -> DataElement | None:
    if isinstance(step, int):
        return data_set.get(step)
    if isinstance(step, Content):
        return next((item.get(step.tag) for item in _tree(data_set) if _concept(item) == step.code), None)
    try:
        return data_set.private_block(step.group, step.creator)[step.element]
    except KeyError:
        return None


def _tree(data_set: Dataset) -> Iterator[Dataset]:
    for item in data_set.get("ContentSequence") or ():
        yield item
        yield from _tree(item)


def _concept(item: Dataset) -> str:
    names = item.get("ConceptNameCodeSequence") or [Dataset()]
    return str(names[0].get("CodeValue", ""))


def shown(path: Path) -> str:
    """A path as people write it, without the items' numbers: (0040,0275).(0040,0009)."""
    if not path:
        return "anywhere"
    return ".".join(map(_shown, path[::2]))


def _shown(step: Step) -> str:
    if isinstance(step, int):
        return f"({step >> 16:04X},{step & 0xFFFF:04X})"
    if isinstance(step, Content):
        return f"content item {step.code}.({step.tag >> 16:04X},{step.tag & 0xFFFF:04X})"
    return f'({step.group:04X},"{step.creator}",{step.element:02X})'

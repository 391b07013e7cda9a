"""What is done to a text: places struck out or written anew, and what is left of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

_STRUCK, _REWRITTEN = 1, 2
_GAP = 3
_LINES = "\r\n\f\\"
"""What ends a line, or a value."""
_GLUE = " \t^,_-/;:|=+&"
"""What joins an identifier to what stands beside it."""
_PAIRS = ("()", "[]", "{}", "<>", '""', "''")
_CLOSING = ".,;:!?)]}"


class Edit(NamedTuple):
    """A place, and what it becomes: nothing if it is struck."""

    start: int
    end: int
    new: str = ""


def applied(text: str, *ranks: Sequence[Edit]) -> tuple[str, int]:
    """The text after the edits, and how many places they changed.

    An edit that overlaps an earlier one gives way to what is written there anew; where that is struck, both are.
    """
    edits = _merged(text, _ranked(len(text), ranks))
    if not edits:
        return text, 0
    pieces: list[str] = []
    last = 0
    for edit in edits:
        start, end = (edit.start, edit.end) if edit.new else _tidied(text, edit, last)
        pieces += [text[last:start], edit.new]
        last = end
    left = "".join([*pieces, text[last:]])
    changed = sum(edit.new != text[edit.start : edit.end] for edit in edits)
    return (left if any(map(str.isalnum, left)) else _ends_only(left)), changed


def _ranked(length: int, ranks: Sequence[Sequence[Edit]]) -> list[Edit]:
    """The edits that hold, ascending."""
    taken = bytearray(length)
    kept: list[Edit] = []
    for rank in ranks:
        for edit in rank:
            over = taken[edit.start : edit.end]
            if edit.end == edit.start or _REWRITTEN in over:
                continue
            held = Edit(edit.start, edit.end) if any(over) else edit
            taken[edit.start : edit.end] = bytes([_REWRITTEN if held.new else _STRUCK]) * len(over)
            kept.append(held)
    return sorted(kept)


def _merged(text: str, edits: Iterable[Edit]) -> list[Edit]:
    """Edits that overlap made one, and strikes that only glue parts."""
    merged: list[Edit] = []
    for edit in edits:
        if merged and (edit.start < merged[-1].end or _joins(text, merged[-1], edit)):
            start, end = merged[-1].start, max(merged[-1].end, edit.end)
            merged[-1] = Edit(start, end)
        else:
            merged.append(edit)
    return merged


def _joins(text: str, first: Edit, second: Edit) -> bool:
    gap = text[first.end : second.start]
    apart = first.new or second.new or len(gap) > _GAP or any(one.isalnum() or one in _LINES for one in gap)
    return not apart


def _tidied(text: str, edit: Edit, last: int) -> tuple[int, int]:
    """A struck place with the spaces and separators that would be left over."""
    start, end = edit.start, edit.end
    while start > last and end < len(text) and text[start - 1] + text[end] in _PAIRS:
        start, end = start - 1, end + 1
    opens = start == 0 or text[start - 1] in _LINES
    closes = end == len(text) or text[end] in _LINES
    if opens:
        while end < len(text) and text[end] in _GLUE:
            end += 1
    if closes:
        while start > last and text[start - 1] in _GLUE:
            start -= 1
    if opens or closes:
        return start, end
    return _between(text, start, end, last)


def _between(text: str, start: int, end: int, last: int) -> tuple[int, int]:
    """A struck place within a line: of what stood on both sides of it, one separator stays."""
    while start > last and text[start - 1] == "^":
        start -= 1
    while end < len(text) and text[end] == "^":
        end += 1
    before, after = text[start - 1 : start] if start > last else "", text[end : end + 1]
    if before == " " and after == "." and text[start - 2 : start - 1] == ".":
        return start - 1, end + 1  # Dr. Jones.
    if before == " " and (after == " " or after in _CLOSING or not after):
        return start - 1, end
    if before and before == after and before in _GLUE:
        return start, end + 1
    return start, end


def _ends_only(left: str) -> str:
    """What a text is whose words are all gone: its lines and values, each empty."""
    return "".join(one for one in left if one in _LINES)

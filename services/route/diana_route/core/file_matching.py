"""Whether a folder's rule makes a job of a file, and why."""

from __future__ import annotations

from collections.abc import Iterator

from diana_common.conditions import Header
from diana_common.errors import DianaError
from diana_route.core.files import Folder
from diana_route.core.folders import left_alone, read_layout
from diana_route.core.matching import Seen, Verdict, judge
from diana_route.core.model import FileItem
from diana_route.core.parts import headers
from diana_route.core.rules import FolderSource, Rule


def judge_file(rule: Rule, folder: Folder, item: FileItem) -> Verdict:
    """What a rule makes of a file of its folder: an instance, or a zip of which any instance may meet the condition.

    What cannot be read as either makes a job all the same, whose end tells people why.
    """
    against = left_alone(item.path) or _misplaced(rule, item.path)
    if against:
        return Verdict(False, against)
    is_empty = True

    def asked() -> Iterator[Header]:
        nonlocal is_empty
        for header in headers(folder, item):
            is_empty = False
            yield header

    try:
        verdict = judge(rule, Seen(item, asked))
    except DianaError as error:
        return Verdict(True, f"it cannot be read, which its job is to tell: {error.message}")
    if not verdict.fires and is_empty:
        return Verdict(True, "there is no instance in it, which its job is to tell")
    return verdict


def _misplaced(rule: Rule, path: str) -> str:
    if isinstance(rule.source, FolderSource) and read_layout(rule.source.layout, path) is None:
        return f"it lies elsewhere than the layout says: {rule.source.layout}"
    return ""

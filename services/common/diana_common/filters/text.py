"""A filter's canonical text: what a cohort keeps, and what a person can read again."""

from __future__ import annotations

import re

from diana_common.filters.tree import And, Filter, Not, Or, Restriction, Words

_PLAIN_NAME = re.compile(r"(?!(?:AND|OR|NOT)$)[A-Za-z0-9_]+")
_PLAIN_TEXT = re.compile(r"(?!(?:AND|OR|NOT)$)[A-Za-z0-9_*?^][A-Za-z0-9_*?^.-]*", re.ASCII)
_MISTAKABLE = re.compile(r"and|or|not", re.IGNORECASE)


def to_text(tree: Filter) -> str:
    """The text of a filter, with brackets around every And and Or within another one.

    `parse_filter(to_text(tree)) == tree` for every tree that `parse_filter` may return.
    """
    if isinstance(tree, Restriction):
        member = ".".join(_plain_or_quoted(_PLAIN_NAME, name) for name in tree.member.path)
        return f"{member} {tree.comparator.value} {_plain_or_quoted(_PLAIN_TEXT, tree.value.text)}"
    if isinstance(tree, Words):
        return _quoted(tree.text) if _MISTAKABLE.fullmatch(tree.text) else _plain_or_quoted(_PLAIN_TEXT, tree.text)
    if isinstance(tree, Not):
        return f"NOT {_operand(tree.operand)}"
    return f" {'AND' if isinstance(tree, And) else 'OR'} ".join(_operand(one) for one in tree.operands)


def _operand(tree: Filter) -> str:
    # NOT needs none as an operand of And and Or, but "NOT NOT" is not in the grammar: brackets around all are simplest.
    return f"({to_text(tree)})" if isinstance(tree, And | Or | Not) else to_text(tree)


def _plain_or_quoted(plain: re.Pattern[str], text: str) -> str:
    return text if plain.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

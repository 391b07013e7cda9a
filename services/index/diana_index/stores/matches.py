"""From a condition to SQL on one column. What matches is `core.matching`'s business; here it is only said in SQL."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from diana_index.core.forms import NUMBERS, Form
from diana_index.core.matching import Condition, Range
from diana_index.stores.dialect import INDEXED_CHARACTERS, Dialect
from diana_index.stores.statements import Sql

_FEW = 20
_LAST = "\U0010ffff"
"""Above every text that begins alike."""


def match_sql(where: str, condition: Condition, dialect: Dialect, apart: bool = False) -> Sql:
    """That a column meets one of the condition's alternatives; `apart`: one of a table of forms."""
    number = condition.attribute.vr in NUMBERS
    where = near = f"lower({where})" if condition.any_case else where
    if apart and not number and _is_short(condition):
        near = dialect.indexed(where)
    alternatives = [
        *([_equal(near, condition.exact, number)] if condition.exact else []),
        *_likes(where, near, condition.patterns, dialect),
        *_withins(near, condition.ranges, dialect),
    ]
    sql = Sql("(")
    for count, one in enumerate(alternatives):
        sql.add(" OR " if count else "")
        sql.append(one)
    sql.add(")")
    return sql


def _is_short(condition: Condition) -> bool:
    """Whether it may compare with what is indexed of a text."""
    forms = [*condition.exact, *condition.patterns, *(end for one in condition.ranges for end in one[:2])]
    return all(len(one) < INDEXED_CHARACTERS for one in forms if isinstance(one, str))


def _equal(where: str, forms: Sequence[Form], number: bool) -> Sql:
    if len(forms) == 1:
        return Sql(f"{where} = ?", [forms[0]])
    value = "CAST(value AS DOUBLE PRECISION)" if number else "value"
    return Sql(f"{where} IN (SELECT {value} FROM json_each(?))", [json.dumps(forms)])


def _likes(where: str, near: str, patterns: Sequence[str], dialect: Dialect) -> list[Sql]:
    """Each pattern by itself; many as one list, which no index serves."""
    if len(patterns) <= _FEW:
        return [_like(where, near, one, dialect) for one in patterns]
    listed = json.dumps([dialect.pattern(one) for one in patterns])
    return [Sql(f"EXISTS (SELECT 1 FROM json_each(?) AS p WHERE {where} {dialect.like} p.value)", [listed])]


def _like(where: str, near: str, pattern: str, dialect: Dialect) -> Sql:
    """A pattern; what it begins with is said as a range too, for which an index serves."""
    sql = Sql(f"{where} {dialect.like} ?", [dialect.pattern(pattern)])
    begins = re.split(r"[*?]", pattern, maxsplit=1)[0]
    if begins:
        sql = Sql(f"({near} >= ? AND {near} <= ? AND {sql.text})", [begins, begins + _LAST, *sql.values])
    return sql


def _withins(where: str, ranges: Sequence[Range], dialect: Dialect) -> list[Sql]:
    """Each range by itself; many, which a matching key's are, as one list."""
    if len(ranges) <= _FEW:
        return [_within(where, one) for one in ranges]
    low, high = dialect.ends("p.value")
    listed = json.dumps(
        [["" if one.low is None else one.low, _LAST if one.high is None else one.high] for one in ranges]
    )
    return [Sql(f"EXISTS (SELECT 1 FROM json_each(?) AS p WHERE {where} BETWEEN {low} AND {high})", [listed])]


def _within(where: str, within: Range) -> Sql:
    ends = Sql()
    for end, word in ((within.low, ">" if within.above else ">="), (within.high, "<" if within.below else "<=")):
        if end is not None:
            ends.add(f"{' AND ' if ends.text else ''}{where} {word} ?", end)
    return Sql(f"({ends.text or f'{where} IS NOT NULL'})", ends.values)

"""From an aggregation to the statement that answers it.

It is made from the inside out. First the rows to sum up: one for each record, with what it is grouped by in columns
k0, k1, ..., what is measured in m0, m1, ..., and in `w` how many records the row stands for. Rows that have all in
common are put together, then values are made into what is grouped by, a row for each, and at last the rows are
grouped. What stands for many records from the first, or soon, makes little work of what comes behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from diana_index.core.aggregating import Aggregation, Bins, DatePart, Grouping, Measure, MeasureKind
from diana_index.core.attributes import Attribute, Level
from diana_index.core.clauses import All, Any, Clause, HasFinding, HasWords, No, lowest_level
from diana_index.core.question import Question
from diana_index.stores.clauses import add_source
from diana_index.stores.schema import TABLES
from diana_index.stores.statements import Setting, Sql, first_form, form_column, joined

_PARTS = {DatePart.YEAR: "1, 4", DatePart.MONTH: "1, 6", DatePart.DAY: "1, 8", DatePart.HOUR: "9, 2"}
"""Where a part lies in the form of a date, or a date and time; a time's hour comes first."""
_FAR_BINS = 9e15
"""Bins beyond cannot be told apart: a double has 53 bits."""
_LARGEST = 1e300
"""Beyond it sums could leave what a double holds."""
_SLACK = 1e-12
"""So that 0.07 of 100 is the 7th, whatever its double is."""
_COUNTED = {
    (Level.INSTANCE, Level.SERIES): '"NumberOfSeriesRelatedInstances"',
    (Level.INSTANCE, Level.STUDY): '"NumberOfStudyRelatedInstances"',
    (Level.INSTANCE, Level.PATIENT): '"NumberOfPatientRelatedInstances"',
    (Level.SERIES, Level.STUDY): '"NumberOfStudyRelatedSeries"',
    (Level.SERIES, Level.PATIENT): '"NumberOfPatientRelatedSeries"',
    (Level.STUDY, Level.PATIENT): '"NumberOfPatientRelatedStudies"',
}
"""Where it is kept how many records of the first level one of the second has."""


def aggregate_sql(question: Question, aggregation: Aggregation, setting: Setting) -> Sql:
    """Groups in order. Columns: the keys, the count, the measurements, how many groups and how much they count."""
    keyed = [Keyed(number, one, setting) for number, one in enumerate(aggregation.groupings)]
    measured = list(dict.fromkeys(one.attribute for one in aggregation.measures))
    ranked = {measured.index(one.attribute) for one in aggregation.measures if one.kind is MeasureKind.QUANTILE}
    names = [f"m{number}" for number in range(len(measured))]
    rows = _records(question, keyed, measured, setting)
    rows = _with_further(rows, keyed, names)
    # What of one record comes to the same is found by its id, as long as there is one.
    by_id = any(one.has_further and one.grouping.how for one in keyed)
    made = [one for one in keyed if one.has_several or one.grouping.how]
    if (made or ranked) and not by_id:
        rows = _together(rows, [*(one.name for one in keyed), *names])
    if made:
        rows = _with_values(rows, keyed, [*names, "id"] if by_id else names, made)
    if ranked:
        rows = _with_ranks(rows, keyed, sorted(ranked))
    measures = [_measured(measured.index(one.attribute), one) for one in aggregation.measures]
    return _grouped(rows, [one.name for one in keyed], measures, aggregation)


def has_several(aggregation: Aggregation, setting: Setting) -> bool:
    """Whether a record may be in several groups."""
    keyed = [Keyed(number, one, setting) for number, one in enumerate(aggregation.groupings)]
    return any(one.has_several or one.has_further for one in keyed)


def count_sql(question: Question, setting: Setting) -> Sql:
    """How many records there are."""
    sql = Sql("SELECT coalesce(sum(w), 0) FROM (")
    sql.append(_records(question, [], [], setting))
    sql.add(") AS r")
    return sql


@dataclass(frozen=True, slots=True)
class Keyed:
    """A grouping's column of the rows."""

    number: int
    grouping: Grouping
    setting: Setting

    @property
    def attribute(self) -> Attribute:
        return self.grouping.attribute

    @property
    def name(self) -> str:
        return f"k{self.number}"

    @property
    def _is_apart(self) -> bool:
        """Whether all values lie in the table of forms."""
        return not self.attribute.has_column or (self.attribute.many and self.attribute.level < Level.INSTANCE)

    @property
    def is_array(self) -> bool:
        """Whether the column holds a JSON array of texts."""
        return self.attribute.has_column and self.attribute.many and self.attribute.level is Level.INSTANCE

    @property
    def is_joined(self) -> bool:
        """Whether the rows have the record's id, for its values to be looked up. Of names only the first counts."""
        return self._is_apart and self.attribute.vr != "PN"

    @property
    def has_several(self) -> bool:
        """Whether there may be several values to a row."""
        return self.is_array or self.is_joined

    @property
    def has_further(self) -> bool:
        """Whether some record has more values than the column holds."""
        listed = (int(self.attribute.level), self.attribute.tag) in self.setting.further
        return listed and not self.has_several

    def raw(self) -> Sql:
        """What the rows have of a record."""
        if self.is_joined:
            return Sql(f"{TABLES[self.attribute.level]}.id")
        return first_form(self.attribute)

    def value(self) -> Sql:
        """A value, of rows `r` with what `join` adds, as it is grouped."""
        if self.is_joined:
            return self._taken(f"f{self.number}.{form_column(self.attribute)}")
        return Sql(f"f{self.number}.value") if self.is_array else self._taken(f"r.{self.name}")

    def join(self) -> Sql:
        """What rows `r` are joined to, to have each value; as f0, f1, ..."""
        alias, name = f"f{self.number}", f"r.{self.name}"
        if self.is_array:
            return Sql(f" LEFT JOIN {self.setting.dialect.each(name)} AS {alias} ON 1 = 1")
        if not self.is_joined:
            return Sql()
        table = f"{TABLES[self.attribute.level]}_form"
        return Sql(
            f" LEFT JOIN {table} AS {alias} ON {alias}.record = {name} AND {alias}.tag = ?", [self.attribute.tag]
        )

    def _taken(self, value: str) -> Sql:
        match self.grouping.how:
            case DatePart() as part:
                return Sql(f"substr({value}, {'1, 2' if self.attribute.vr == 'TM' else _PARTS[part]})")
            case Bins() as bins:
                return _bin(value, bins)
        return Sql(value)


def _bin(value: str, bins: Bins) -> Sql:
    """The lower end of a number's bin. CAST rounds to the nearest whole number, or cuts the fraction off."""
    ends = [bins.origin + sign * min(_FAR_BINS * bins.width, _LARGEST) for sign in (-1, 1)]
    place, of = f"(({value} - ?) / ?)", [bins.origin, bins.width]
    whole = f"CAST({place} AS BIGINT)"
    return Sql(
        f"CASE WHEN {value} BETWEEN ? AND ? THEN ? + ? * ({whole} - CASE WHEN {whole} > {place} THEN 1 ELSE 0 END) END",
        [*ends, *of, *of, *of, *of],
    )


def _records(question: Question, keyed: Sequence[Keyed], measured: Sequence[Attribute], setting: Setting) -> Sql:
    """Rows: one for each record, or for each of the records above if those tell all that is asked."""
    named = [one.attribute.level for one in keyed] + [one.level for one in measured]
    told = max([_telling_level(question.clause, question.level), *named])
    above = any(level < Level.INSTANCE for level in named)
    if told is Level.INSTANCE and above and question.clause == All(()) and not any(one.has_further for one in keyed):
        return _by_series(question, keyed, measured)
    weight = "1" if told == question.level else f"{TABLES[told]}.{_COUNTED[question.level, told]}"
    sql = Sql(f"SELECT {TABLES[told]}.id AS id, {weight} AS w")
    for one in keyed:
        sql.add(", ")
        sql.append(one.raw())
        sql.add(f" AS {one.name}")
        sql.add(f", {TABLES[one.attribute.level]}.id AS i{one.number}" if one.has_further else "")
    for number, attribute in enumerate(measured):
        sql.add(", ")
        sql.append(_measurable(first_form(attribute)))
        sql.add(f" AS m{number}")
    add_source(sql, replace(question, level=told), named, setting)
    return sql


def _by_series(question: Question, keyed: Sequence[Keyed], measured: Sequence[Attribute]) -> Sql:
    """Rows of all instances, those of a series together that have their own in common: fewer to look its series up."""
    shown = [(one.name, one.attribute.level, one.raw()) for one in keyed]
    shown += [(f"m{number}", one.level, first_form(one)) for number, one in enumerate(measured)]
    own = [(name, value) for name, level, value in shown if level is Level.INSTANCE]
    lower = Sql("SELECT instance.series AS series, count(*) AS w")
    sql = Sql("SELECT l.w AS w")
    for name, value in own:
        lower.add(f", {value.text} AS {name}", *value.values)
    for name, level, value in shown:
        taken = Sql(f"l.{name}") if level is Level.INSTANCE else value
        taken = _measurable(taken) if name.startswith("m") else taken
        sql.add(f", {taken.text} AS {name}", *taken.values)
    lower.add(" FROM instance WHERE instance.store = ? GROUP BY instance.series", question.store)
    lower.add("".join(f", {name}" for name, _ in own))
    top = min(level for _, level, _ in shown)
    sql.add(f" FROM {joined(Level.SERIES, top)}, ({lower.text}) AS l WHERE l.series = series.id", *lower.values)
    return sql


def _telling_level(clause: Clause, level: Level) -> Level:
    """The level whose records tell which of the records at `level` meet a clause."""
    return min(level, max([lowest_level(clause), *_levels_of_words(clause)]))


def _levels_of_words(clause: Clause) -> Iterator[Level]:
    """A study with matching words may have series without them."""
    match clause:
        case HasWords():
            yield Level.SERIES
        case HasFinding():
            yield Level.STUDY
        case All(parts) | Any(parts):
            for part in parts:
                yield from _levels_of_words(part)
        case No(part):
            yield from _levels_of_words(part)


def _measurable(form: Sql) -> Sql:
    """A value that takes part, or none."""
    number = f"CAST({form.text} AS DOUBLE PRECISION)"
    return Sql(f"CASE WHEN {number} BETWEEN {-_LARGEST} AND {_LARGEST} THEN {number} END", [*form.values, *form.values])


def _with_further(rows: Sql, keyed: Sequence[Keyed], measured: Sequence[str]) -> Sql:
    """Beside the values of columns those that they had no room for; no record has the same row twice."""
    further = [one for one in keyed if one.has_further]
    names = ["id", "w", *(one.name for one in keyed), *measured, *(f"i{one.number}" for one in further)]
    for one in further:
        value = f"f.{form_column(one.attribute)} AS {one.name}"
        both = Sql(f"SELECT {', '.join(names)} FROM ({rows.text}) AS r UNION ALL SELECT ", list(rows.values))
        both.add(", ".join(value if name == one.name else f"r.{name}" for name in names))
        both.add(f" FROM ({rows.text}) AS r JOIN {TABLES[one.attribute.level]}_form AS f", *rows.values)
        both.add(f" ON f.record = r.i{one.number} WHERE f.tag = ?", one.attribute.tag)
        rows = both
    return rows


def _together(rows: Sql, names: Sequence[str]) -> Sql:
    """One row for all that have the same in common."""
    listed = "".join(f", {name}" for name in names)
    by = f" GROUP BY {', '.join(names)}" if names else ""
    return Sql(f"SELECT CAST(sum(w) AS DOUBLE PRECISION) AS w{listed} FROM ({rows.text}) AS r{by}", rows.values)


def _with_values(rows: Sql, keyed: Sequence[Keyed], names: Sequence[str], made: Sequence[Keyed]) -> Sql:
    """A row for each value, as it is grouped; of one record, or what was put together, no two that are the same."""
    joined = [one for one in made if one.is_joined]
    kept = [f"r.{name} AS {name}" for name in ("w", *names)]
    kept += [f"r.{one.name} AS {one.name}" for one in keyed if one not in made]
    if "id" not in names:  # what rows were put together by tells them apart still
        kept += [f"r.{one.name} AS r{one.number}" for one in made]
    sql = Sql(f"SELECT {'DISTINCT ' if joined or 'id' in names else ''}{', '.join(kept)}")
    for one in made:
        sql.add(", ")
        sql.append(one.value())
        sql.add(f" AS {one.name}")
    sql.add(f" FROM ({rows.text}) AS r", *rows.values)
    for one in made:
        sql.append(one.join())
    return sql


def _with_ranks(rows: Sql, keyed: Sequence[Keyed], ranked: Sequence[int]) -> Sql:
    """How many numbers of its group are at most each number, and how many there are."""
    part = f"PARTITION BY {', '.join(one.name for one in keyed)}" if keyed else ""
    weight = "sum(CASE WHEN m{0} IS NULL THEN 0 ELSE w END)"
    ranks = "".join(
        f", {weight.format(n)} OVER ({part} ORDER BY m{n} NULLS FIRST) AS p{n}"
        f", {weight.format(n)} OVER ({part}) AS c{n}"
        for n in ranked
    )
    return Sql(f"SELECT r.*{ranks} FROM ({rows.text}) AS r", rows.values)


def _measured(number: int, measure: Measure) -> Sql:
    name = f"m{number}"
    weight = f"sum(CASE WHEN {name} IS NULL THEN 0 ELSE w END)"
    match measure.kind:
        case MeasureKind.COUNT:
            return Sql(f"coalesce({weight}, 0)")
        case MeasureKind.SUM:
            return Sql(f"sum({name} * w)")
        case MeasureKind.MEAN:
            return Sql(f"sum({name} * w) / nullif({weight}, 0)")
        case MeasureKind.QUANTILE:
            return Sql(f"min(CASE WHEN p{number} >= ? * c{number} THEN {name} END)", [measure.quantile - _SLACK])
    return Sql(f"{'min' if measure.kind is MeasureKind.MINIMUM else 'max'}({name})")


def _grouped(rows: Sql, names: Sequence[str], measures: Sequence[Sql], aggregation: Aggregation) -> Sql:
    """The groups of rows, in order."""
    sql = Sql("SELECT g.*, count(*) OVER (), sum(n) OVER () FROM (SELECT ")
    sql.add("".join(f"{name}, " for name in names) + "coalesce(sum(w), 0) AS n")
    for number, measure in enumerate(measures):
        sql.add(", ")
        sql.append(measure)
        sql.add(f" AS a{number}")
    sql.add(" FROM (")
    sql.append(rows)
    sql.add(f") AS r{' GROUP BY ' if names else ''}{', '.join(names)}) AS g")
    orders = ["n DESC"] if aggregation.by_count else []
    orders += [f"{name} NULLS FIRST" for name in names]
    sql.add(f" ORDER BY {', '.join(orders)}" if orders else "")
    sql.add(" LIMIT ?", aggregation.limit)
    return sql

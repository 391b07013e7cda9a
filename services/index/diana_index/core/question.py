"""Questions: which records are asked for, in what order, with what of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from diana_common.errors import invalid_field
from diana_index.core.attributes import ATTRIBUTES, BY_TAG, UNIQUE_KEYS, Attribute, Level, unsupported
from diana_index.core.clauses import Absent, All, Any, Clause, InItem, attributes_of
from diana_index.core.date_times import combine_date_times
from diana_index.core.filtering import bind_filter
from diana_index.core.matching import NO_VALUE, Condition, fuzzy_condition, parse_condition
from diana_index.core.vocabulary import Vocabulary, top_level_tag

_MOST_ITEM_DEPTH = 4
_MOST_ITEM_KEYS = 16
"""Keys of one item, those of items within it included: each is a join."""
_MOST_FUZZY_NAMES = 100
"""Names that a question's keys may look for by sound: each stands for thousands of spellings."""


@dataclass(frozen=True, slots=True)
class Key:
    """A matching key as the request has it: values, or the keys that an item of a sequence must meet."""

    attribute: str
    values: tuple[str, ...] = ()
    item: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True)
class OrderKey:
    """A sorting key as the request has it."""

    attribute: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as the request has it."""

    store: str
    level: Level
    keys: Sequence[Key] = ()
    filter: str = ""
    fuzzy_names: bool = False
    combined_date_times: bool = False
    path: str = ""
    """Where in the request it is, for errors: "" or "question."."""


@dataclass(frozen=True, slots=True)
class Order:
    """A sorting key; records without a value come first, last when descending."""

    attribute: Attribute
    descending: bool


@dataclass(frozen=True, slots=True)
class Question:
    """Records of one store at one level that meet a clause. Behind `orders` they are sorted by their unique key."""

    store: str
    level: Level
    clause: Clause = field(default_factory=lambda: All(()))
    orders: tuple[Order, ...] = ()


def make_question(asked: Asked, vocabulary: Vocabulary, orders: Sequence[OrderKey] = ()) -> Question:
    """A question from a request's fields.

    Raises KEY_UNSUPPORTED, SEARCH_KEY_NOT_READY, INVALID_FIELD, FILTER_INVALID.
    """
    conditions: list[Condition] = []
    clauses: list[Clause] = []
    fuzzy_names = 0
    for number, key in enumerate(asked.keys):
        where = f"{asked.path}matches[{number}]"
        if key.item:
            clauses.append(_item(key, "", 1, where, vocabulary))
            continue
        attribute = vocabulary.find(key.attribute, f"{where}.attribute")
        if asked.fuzzy_names and attribute.vr == "PN":
            fuzzy_names += len(key.values)
            if fuzzy_names > _MOST_FUZZY_NAMES:
                raise invalid_field(f"{where}.values", f"makes more than {_MOST_FUZZY_NAMES} names with fuzzy_names")
            clauses += _fuzzy(attribute, key.values)
        elif condition := parse_condition(attribute, key.values, where):
            conditions.append(condition)
    plain: Iterable[Clause] = combine_date_times(conditions) if asked.combined_date_times else conditions
    clauses = [*(_with_absent(one) for one in plain), *clauses]
    bound = bind_filter(asked.filter, f"{asked.path}filter", vocabulary, asked.fuzzy_names)
    clauses += bound.parts if isinstance(bound, All) else [bound]
    made_orders = tuple(_order(asked.level, vocabulary, *one) for one in enumerate(orders))
    return Question(asked.store, asked.level, All(tuple(clauses)), made_orders)


def wanted_tags(level: Level, return_keys: Sequence[str]) -> frozenset[str]:
    """The tags to answer with: the level's usual ones, the unique keys above, and those asked for.

    A study's usual ones are its patient's too, as in the Study Root model (PS3.4 section C.6.2.1).
    Raises INVALID_FIELD for what is no attribute, KEY_UNSUPPORTED for one that the level does not have.
    """
    asked = {return_tag(level, name, f"return_keys[{number}]") for number, name in enumerate(return_keys)}
    return frozenset(usual_tags(level) | asked)


def usual_tags(level: Level) -> set[str]:
    """The tags that answers at a level carry unasked."""
    levels = {level, Level.PATIENT} if level == Level.STUDY else {level}
    tags = {one.tag for each in levels for one in ATTRIBUTES[each] if one.usual}
    return tags | {UNIQUE_KEYS[above].tag for above in Level if above < level}


def at_or_above(level: Level, attribute: Attribute, field: str) -> Attribute:
    """The attribute, if each record has it once. Raises KEY_UNSUPPORTED for one of a lower level."""
    if attribute.level > level:
        raise unsupported(field, "belongs to a lower level, of which a record has many")
    return attribute


def _fuzzy(attribute: Attribute, values: Sequence[str]) -> list[Clause]:
    """That a name sounds like one of the values; nothing if one of them is universal."""
    found = [Absent(attribute) if value.strip() == NO_VALUE else fuzzy_condition(attribute, value) for value in values]
    parts = tuple(one for one in found if one)
    return [Any(parts)] if parts and len(parts) == len(values) else []


def _with_absent(clause: Clause) -> Clause:
    """A condition that is met without a value too, as a clause of its own."""
    if not isinstance(clause, Condition) or not clause.empty:
        return clause
    absent = Absent(clause.attribute)
    rest = replace(clause, empty=False)
    return Any((rest, absent)) if rest != Condition(clause.attribute) else absent


def _item(key: Key, above: str, depth: int, where: str, vocabulary: Vocabulary) -> InItem:
    """That one item of a sequence meets keys."""
    if key.values:
        raise invalid_field(f"{where}.values", "must be empty where an item is given")
    if depth > _MOST_ITEM_DEPTH:
        raise invalid_field(f"{where}.item", f"is more than {_MOST_ITEM_DEPTH} deep")
    sequence = vocabulary.find_sequence(f"{above}{key.attribute}", f"{where}.attribute")
    parts: list[Condition | InItem] = []
    for number, inner in enumerate(key.item):
        field = f"{where}.item[{number}]"
        if inner.item:
            parts.append(_item(inner, f"{sequence}.", depth + 1, field, vocabulary))
            continue
        attribute = vocabulary.find(f"{sequence}.{inner.attribute}", f"{field}.attribute")
        condition = parse_condition(attribute, inner.values, field)
        if condition and condition.empty:
            raise invalid_field(f"{field}.values", "cannot ask for items without a value")
        parts += [condition] if condition else []
    made = InItem(depth, tuple(parts))
    if not parts:
        raise invalid_field(f"{where}.item", "must have a key with a value")
    attributes = list(attributes_of(made))
    if len(attributes) > _MOST_ITEM_KEYS:
        raise invalid_field(f"{where}.item", f"has more than {_MOST_ITEM_KEYS} keys, those of its items included")
    if len({attribute.level for attribute in attributes}) > 1:
        raise unsupported(f"{where}.item", "has search keys of several levels")
    return made


def _order(level: Level, vocabulary: Vocabulary, number: int, order: OrderKey) -> Order:
    field = f"order_by[{number}].attribute"
    return Order(at_or_above(level, vocabulary.find(order.attribute, field), field), order.descending)


def return_tag(level: Level, name: str, field: str) -> str:
    """The tag of an attribute that a level's records can answer with. Raises INVALID_FIELD, KEY_UNSUPPORTED."""
    tag = top_level_tag(name, field)
    attribute = BY_TAG.get(tag)
    if level < Level.INSTANCE and (attribute is None or attribute.level > level):
        raise unsupported(field, "is not kept at this level; GetIndexCapabilities lists what is")
    return tag

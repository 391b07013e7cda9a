"""Questions: which records are asked for, in what order, with what of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from diana_common.tags import parse_tag, tag_hex
from diana_index.core.attributes import ATTRIBUTES, BY_TAG, UNIQUE_KEYS, Attribute, Level, find_attribute, unsupported
from diana_index.core.matching import Condition, parse_condition


@dataclass(frozen=True, slots=True)
class Key:
    """A matching key as the request has it."""

    attribute: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OrderKey:
    """A sorting key as the request has it."""

    attribute: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """A sorting key; records without a value come first, last when descending."""

    attribute: Attribute
    descending: bool


@dataclass(frozen=True, slots=True)
class Question:
    """Records of one store at one level that meet all conditions.

    A condition on a higher level is met by the record that this one belongs to, one on a lower level by any
    record below; each for itself. Behind `orders` records are sorted by their level's unique key.
    """

    store: str
    level: Level
    conditions: tuple[Condition, ...] = ()
    orders: tuple[Order, ...] = ()


def make_question(store: str, level: Level, keys: Sequence[Key], orders: Sequence[OrderKey] = ()) -> Question:
    """A question from a request's fields. Raises KEY_UNSUPPORTED, INVALID_FIELD."""
    conditions = []
    for number, key in enumerate(keys):
        field = f"matches[{number}]"
        attribute = find_attribute(key.attribute, f"{field}.attribute")
        condition = parse_condition(attribute, key.values, field)
        if condition:
            conditions.append(condition)
    return Question(store, level, tuple(conditions), tuple(_order(level, *one) for one in enumerate(orders)))


def wanted_tags(level: Level, return_keys: Sequence[str]) -> frozenset[str]:
    """The tags to answer with: the level's usual ones, the unique keys above, and those asked for.

    A study's usual ones are its patient's too, as in the Study Root model (PS3.4 section C.6.2.1).
    Raises INVALID_FIELD for what is no attribute, KEY_UNSUPPORTED for one that the level does not have.
    """
    levels = {level, Level.PATIENT} if level == Level.STUDY else {level}
    tags = {one.tag for each in levels for one in ATTRIBUTES[each] if one.usual}
    tags |= {UNIQUE_KEYS[above].tag for above in Level if above < level}
    return frozenset(tags | {_return_tag(level, *one) for one in enumerate(return_keys)})


def _order(level: Level, number: int, order: OrderKey) -> Order:
    field = f"order_by[{number}].attribute"
    attribute = find_attribute(order.attribute, field)
    if attribute.level > level:
        raise unsupported(field, "belongs to a lower level, of which a record has many")
    return Order(attribute, order.descending)


def _return_tag(level: Level, number: int, name: str) -> str:
    field = f"return_keys[{number}]"
    tag = tag_hex(parse_tag(name, field))
    attribute = BY_TAG.get(tag)
    if level < Level.INSTANCE and (attribute is None or attribute.level > level):
        raise unsupported(field, "is not kept at this level; GetIndexCapabilities lists what is")
    return tag

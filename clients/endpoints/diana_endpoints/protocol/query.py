"""Questions, as every endpoint that can be asked takes them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from diana_common.errors import DianaError, Reason, invalid_field

Matches = Mapping[str, "Sequence[str] | Matches"]


@dataclass(frozen=True, slots=True)
class Query:
    """A question with C-FIND's semantics (PS3.4 section C.2.2.2).

    `level` is patient, study, series or instance; `matches` are values by keyword or tag, any of which may match, or
    the matches that one item of a sequence must meet. An empty text matches anything, and so does a sequence without
    matches; a list without values is refused, whatever it was meant to say.
    """

    level: str
    matches: Matches
    return_keys: Sequence[str] = ()
    order_by: Sequence[str] = ()
    """Keywords or tags; one that begins with "-" sorts from the greatest down."""
    at_least_position: str = ""
    where: str = ""
    """A filter expression that must be met as well."""
    fuzzy_names: bool = False
    """Whether names match by sound and spelling."""
    combined_date_times: bool = False
    """Whether a range of dates and one of their times mean one range."""
    store: str = ""
    """The store, instead of the endpoint's own."""

    def __post_init__(self) -> None:
        """Raises DianaError INVALID_FIELD for a key with no value: an empty list is no wish for everything."""
        _refuse_empty(self.matches)


_BEYOND_MATCHING = ("where", "order_by", "fuzzy_names", "combined_date_times", "at_least_position", "store")


def refuse_unasked(
    query: Query, supported: Collection[str] = (), levels: Collection[str] = ("study", "instance")
) -> None:
    """Refuse a question that an endpoint would answer as if parts of it had not been said.

    `supported` are the fields beside matches that it heeds, and `levels` those that it has; where all that it keeps is
    items, each stands for itself. Raises DianaError KEY_UNSUPPORTED.
    """
    asked = [name for name in _BEYOND_MATCHING if getattr(query, name) and name not in supported]
    asked += [] if query.level in ("", *levels) else [f"level {query.level}"]
    if asked:
        raise DianaError(Reason.KEY_UNSUPPORTED, f"{', '.join(asked)}: this kind of endpoint cannot be asked that")


def _refuse_empty(matches: Matches) -> None:
    for name, values in matches.items():
        if isinstance(values, Mapping):
            _refuse_empty(values)
        elif not isinstance(values, str) and not values:
            raise invalid_field(name, 'has no values: name some, or leave it out; "" matches anything')

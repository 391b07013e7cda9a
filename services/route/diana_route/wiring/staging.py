"""Who of the configuration uses stores of the archive: collections may stage in none of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from diana_route.config import RouteConfig
from diana_route.core.rules import Anonymize, FeedSource, Put, QuerySource, Rule

_DEFAULT_STORE = "default"


def store_users(config: RouteConfig, rules: Sequence[Rule]) -> Mapping[str, str]:
    """A user's name in words, by the store: "rule intake". Stores of other archives are other stores."""
    users = {store: f"rule {rule.name}" for rule in rules for store in _stores_of(rule)}
    for name, entry in config.endpoints.items():
        if entry.get("ctype") == "archive" and entry.get("address") == config.archive.address:
            users[str(entry.get("store") or _DEFAULT_STORE)] = f"endpoint {name}"
    return users


def _stores_of(rule: Rule) -> Iterator[str]:
    if isinstance(rule.source, FeedSource | QuerySource):
        yield rule.source.store
    for action in rule.actions:
        if isinstance(action, Put):
            yield action.store
        if isinstance(action, Anonymize):
            yield action.to

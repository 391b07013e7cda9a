"""The rules of the configuration."""

from __future__ import annotations

import os
from dataclasses import replace

from diana_common.settings import config_invalid, variables_of
from diana_route.config import RouteConfig
from diana_route.core.reading import Scope, read_rules
from diana_route.core.rules import Rule


def configured_rules(config: RouteConfig) -> tuple[Rule, ...]:
    """The rules in force. Raises DianaError CONFIG_INVALID, RULES_INVALID."""
    path = config.rules_file
    if path is None:
        return ()
    scope = Scope(config.folders, tuple(config.archives), os.environ, endpoints=tuple(config.endpoints))
    return read_rules(_text(config), scope, path.name)


def make_scope(config: RouteConfig) -> Scope:
    """What of the configuration, and of the environment, rules may name that somebody asks about.

    Of the environment that is no more than what the rules in force name: there may be secrets in it. Raises DianaError
    CONFIG_INVALID.
    """
    known = variables_of(_text(config).decode(errors="replace"))
    told = {name: value for name, value in os.environ.items() if name in known}
    scope = Scope(config.folders, tuple(config.archives), told, endpoints=tuple(config.endpoints))
    return replace(scope, withheld=frozenset(os.environ) - known)


def _text(config: RouteConfig) -> bytes:
    if config.rules_file is None:
        return b""
    try:
        return config.rules_file.read_bytes()
    except OSError:
        raise config_invalid("rules_file", "cannot be read") from None

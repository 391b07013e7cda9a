"""The rules of the configuration."""

from __future__ import annotations

import os

from diana_common.settings import config_invalid, expand
from diana_route.config import RouteConfig
from diana_route.core.reading import Scope, read_rules
from diana_route.core.rules import Rule


def make_scope(config: RouteConfig) -> Scope:
    """What of the configuration rules may name."""
    return Scope(config.folders, tuple(config.archives))


def configured_rules(config: RouteConfig) -> tuple[Rule, ...]:
    """The rules in force. Raises DianaError CONFIG_INVALID, RULES_INVALID."""
    path = config.rules_file
    if path is None:
        return ()
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise config_invalid("rules_file", "cannot be read as UTF-8 text") from None
    return read_rules(expand(text, os.environ, path.name).encode(), make_scope(config), path.name)

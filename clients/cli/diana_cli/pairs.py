"""KEY=VALUE on a command line."""

from __future__ import annotations

import rich_click as click


def parse_pairs(pairs: tuple[str, ...], option: str) -> dict[str, str]:
    """The values by key. Raises click.BadParameter for what is no pair, and for a key that is given twice."""
    parsed: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise click.BadParameter("must be KEY=VALUE", param_hint=option)
        if key in parsed:
            raise click.BadParameter(f"gives {key} twice", param_hint=option)
        parsed[key] = value
    return parsed

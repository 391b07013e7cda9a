"""Texts that take attributes of the item: `$trial-$site`, as string.Template has it; "$$" is a dollar sign."""

from __future__ import annotations

import string
from collections.abc import Mapping

from diana_common.attempts import Refused


def filled(pattern: str, attributes: Mapping[str, str]) -> str:
    """The text with its attributes. Raises Refused, naming the one that the item lacks."""
    try:
        return string.Template(pattern).substitute(attributes)
    except KeyError as error:
        raise Refused(f"the item has no attribute {error.args[0]!r}, which {pattern!r} names") from None
    except ValueError:
        raise Refused(f"{pattern!r} is no text with attributes such as $trial") from None

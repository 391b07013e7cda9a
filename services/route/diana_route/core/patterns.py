"""Texts that take attributes of the item: `$trial-$site`, as string.Template has it; "$$" is a dollar sign."""

from __future__ import annotations

import string
from collections.abc import Mapping

from diana_common.attempts import Refused


class Lacking(Refused):
    """The item has no attribute of a name."""


def filled(pattern: str, attributes: Mapping[str, str]) -> str:
    """The text with its attributes. Raises Lacking, naming the one that the item lacks, and Refused."""
    try:
        return string.Template(pattern).substitute(attributes)
    except KeyError as error:
        raise Lacking(f"the item has no attribute {error.args[0]!r}, which {pattern!r} names") from None
    except ValueError:
        raise Refused(f"{pattern!r} is no text with attributes such as $trial") from None

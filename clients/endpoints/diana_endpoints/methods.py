"""What endpoints are done with by name (`handle`)."""

from __future__ import annotations

from collections.abc import Iterable

from diana_common.errors import DianaError, invalid_field
from diana_common.settings import nearest


def no_method(method: str, methods: Iterable[str]) -> DianaError:
    """The error for a method that an endpoint has not; the nearest of those that it has is named."""
    return invalid_field("method", f"is none of this endpoint; {nearest(method, methods)}")

"""Page tokens: a place in a list, bound to the request that it was answered to."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from diana_common.errors import DianaError, FieldViolation, Reason


class PageTokens:
    """The tokens of one request: one of another is refused rather than misread."""

    def __init__(self, *request: object) -> None:
        self._mark = hashlib.sha256(repr(request).encode()).hexdigest()[:8]

    def token(self, *place: object) -> str:
        """The token of the page after this place; none of its parts has a "/"."""
        return "/".join([self._mark, *map(str, place)])

    def place(self, token: str, parts: int) -> Sequence[str]:
        """What `token` was given, so many parts; nothing for the first page. Raises PAGE_TOKEN_INVALID."""
        if not token:
            return ()
        mark, *place = token.split("/")
        if mark != self._mark or len(place) != parts or not _is_number(place[-1]):
            text = "is not one that this request was given"
            raise DianaError(
                Reason.PAGE_TOKEN_INVALID, f"page_token: {text}", fields=[FieldViolation("page_token", text)]
            )
        return place


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18

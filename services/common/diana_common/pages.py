"""Page tokens of lists whose items have numbers."""

from __future__ import annotations

import hashlib

from diana_common.errors import DianaError, FieldViolation, Reason


class Pages:
    """The pages of one list: tokens are good for the same question only, and refused rather than misread for others."""

    def __init__(self, *question: object) -> None:
        """`question` is what was asked, apart from the page."""
        self._mark = hashlib.sha256(repr(question).encode()).hexdigest()[:8]

    def token(self, number: int) -> str:
        """The token of the page that follows the item of this number."""
        return f"{number}.{self._mark}"

    def number(self, token: str) -> int | None:
        """The number that a token stands for; None for the first page. Raises DianaError PAGE_TOKEN_INVALID."""
        if not token:
            return None
        number, _, given = token.partition(".")
        if given != self._mark or not number.isascii() or not number.isdigit() or len(number) > 18:
            description = "is not one that this request was given"
            violation = FieldViolation("page_token", description)
            raise DianaError(Reason.PAGE_TOKEN_INVALID, f"page_token: {description}", fields=[violation])
        return int(number)

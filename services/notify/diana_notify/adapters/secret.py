"""Secrets: a file's or an environment variable's first line."""

from __future__ import annotations

import os
from pathlib import Path

from diana_common.attempts import Unreachable
from diana_common.settings import config_invalid

_MOST_CHARACTERS = 4096


class Secret:
    """Read each time it is used, so that it may be renewed. It never shows itself."""

    def __init__(self, where: str, file: Path | None, variable: str) -> None:
        """`where` is its setting; exactly one of the others is given. Raises DianaError CONFIG_INVALID."""
        self._where = where
        self._file = file
        self._variable = variable
        try:
            self._look()
        except ValueError as error:
            raise config_invalid(where, str(error)) from None

    def read(self) -> str:
        """The secret. Raises Unreachable if it is not there any more: nothing can be sent without it."""
        try:
            return self._look()
        except ValueError as error:
            raise Unreachable(f"{self._where} {error}") from None

    def _look(self) -> str:
        if self._file is None:
            text = os.environ.get(self._variable, "")
        else:
            try:
                with self._file.open(encoding="utf-8") as file:
                    text = file.read(_MOST_CHARACTERS + 1)
            except (OSError, UnicodeDecodeError):
                raise ValueError("cannot be read") from None
        text = text.strip()
        if not text or len(text) > _MOST_CHARACTERS or not text.isprintable():
            raise ValueError("is not one line of text")
        return text

"""Tells the catalogue that ran last from one that was put back from a copy."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

from diana_archive.stores.keeping import Keeping
from diana_common.state_files import replace_file


class Mark:
    """A random token that stands in the catalogue and in a file beside it, and changes with every start and close.

    A copy of the catalogue bears a token of its day; a move of the whole directory takes both along.
    """

    def __init__(self, path: Path, catalogue: Keeping) -> None:
        self._path = path
        self._catalogue = catalogue

    def fits(self) -> bool:
        """Whether the catalogue is the one that ran last. Raises OSError."""
        try:
            return self._catalogue.token() in self._path.read_text(encoding="ascii").split()
        except (FileNotFoundError, UnicodeDecodeError):
            return False

    def renew(self) -> None:
        """Change both. A crash at any point leaves them fitting. Raises OSError, what the catalogue raises."""
        token = secrets.token_hex(16)
        self._write(self._catalogue.token(), token)
        self._catalogue.write_token(token)
        self._write(token)

    def renew_if_possible(self) -> None:
        """So that a copy made while it ran is known for one. A disk that is full leaves the mark as it was."""
        with suppress(Exception):
            self.renew()

    def _write(self, *tokens: str) -> None:
        replace_file(self._path, " ".join(tokens).encode("ascii"))

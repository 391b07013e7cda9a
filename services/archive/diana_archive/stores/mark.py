"""Tells the catalogue that ran last from one that was put back from a copy."""

from __future__ import annotations

import secrets
from pathlib import Path

from diana_archive.stores.catalogue import SqliteCatalogue
from diana_common.state_files import replace_file


class Mark:
    """A random token that stands in the catalogue and in a file beside it, and changes with every start and close.

    A copy of the catalogue bears a token of its day; a move of the whole directory takes both along.
    """

    def __init__(self, path: Path, catalogue: SqliteCatalogue) -> None:
        self._path = path
        self._catalogue = catalogue

    def fits(self) -> bool:
        """Whether the catalogue is the one that ran last. Raises OSError."""
        try:
            return self._catalogue.token() in self._path.read_text(encoding="ascii").split()
        except (FileNotFoundError, UnicodeDecodeError):
            return False

    def renew(self) -> None:
        """Change both. A crash at any point leaves them fitting. Raises OSError, sqlite3.Error."""
        token = secrets.token_hex(16)
        self._write(self._catalogue.token(), token)
        self._catalogue.write_token(token)
        self._write(token)

    def _write(self, *tokens: str) -> None:
        replace_file(self._path, " ".join(tokens).encode("ascii"))

"""Tells the catalogue that ran last from one that was put back from a copy."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from diana_archive.stores.keeping import Keeping
from diana_common.state_files import replace_file

_BOOT = "boot:"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Mark:
    """A random token that stands in the catalogue and in a file beside it, and changes with every start and close.

    A copy of the catalogue bears a token of its day; a move of the whole directory takes both along. Beside a catalogue
    that need not outlive power cuts stands this boot of the machine too, for as long as it is open: one that was left
    so and is found by another boot may lack what it had told.
    """

    def __init__(self, path: Path, catalogue: Keeping) -> None:
        self._path = path
        self._catalogue = catalogue

    def fits(self) -> bool:
        """Whether the catalogue is the one that ran last. Raises OSError."""
        try:
            words = self._read()
        except (FileNotFoundError, UnicodeDecodeError):
            return False
        return self._catalogue.token() in words and {one for one in words if _is_boot(one)} <= {_this_boot()}

    def renew(self) -> None:
        """Change both. A crash at any point leaves them fitting. Raises OSError, what the catalogue raises."""
        self._renew([] if self._catalogue.outlives_power_cuts else [_this_boot()])

    def renew_if_possible(self) -> None:
        """So that a copy made while it ran is known for one. A disk that is full leaves the mark as it was."""
        with suppress(Exception):
            self._renew([])

    def _renew(self, boots: list[str]) -> None:
        with suppress(FileNotFoundError, UnicodeDecodeError):
            if not boots and any(map(_is_boot, self._read())):
                # All that was not waited for until now.
                os.sync()
        token = secrets.token_hex(16)
        self._write(self._catalogue.token(), token, *boots)
        self._catalogue.write_token(token)
        self._write(token, *boots)

    def _read(self) -> list[str]:
        return self._path.read_text(encoding="ascii").split()

    def _write(self, *tokens: str) -> None:
        replace_file(self._path, " ".join(tokens).encode("ascii"))


def _is_boot(word: str) -> bool:
    return word.startswith(_BOOT)


def _this_boot() -> str:
    """Another word after each boot of the machine; each time where the system does not tell."""
    try:
        return _BOOT + _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return _BOOT + secrets.token_hex(16)

"""A socket in the file system, for callers of the same user on this host."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from diana_common.settings import config_invalid
from diana_common.state_files import make_directory

SCHEME = "unix:"


def bind_private(path: Path, bind: Callable[[str], object]) -> Callable[[], None]:
    """Have `bind` listen on "unix:PATH", and nobody but its owner connect to it; returns what removes it.

    It is bound where nobody else can reach it, and moved to its place with its mode set; one that another process
    left there is replaced. Raises DianaError CONFIG_INVALID, and what `bind` does.
    """
    try:
        make_directory(path.parent)
        hidden = Path(tempfile.mkdtemp(prefix=".", dir=path.parent))
        try:
            made = hidden / "s"
            bind(f"{SCHEME}{made}")
            made.chmod(0o600)
            made.replace(path)
        finally:
            shutil.rmtree(hidden, ignore_errors=True)
        identity = _identity(path)
    except OSError as error:
        raise config_invalid("server.listen", f"the socket cannot be made ({error.strerror})") from error
    return lambda: _remove(path, identity)


def _remove(path: Path, identity: tuple[int, int]) -> None:
    """Unless another process has put its own there."""
    with suppress(OSError):
        if _identity(path) == identity:
            path.unlink()


def _identity(path: Path) -> tuple[int, int]:
    status = os.lstat(path)
    return status.st_dev, status.st_ino

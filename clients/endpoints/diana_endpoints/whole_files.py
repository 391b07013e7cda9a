"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from diana_common.errors import DianaError, Reason
from diana_common.state_files import sync_directory

PART = ".part"
"""What the names of files end with that are being written."""


@contextmanager
def replacing(path: Path, durable: bool = True, only_new: bool = False) -> Iterator[BinaryIO]:
    """A stream whose bytes take a file's place when the block ends well; else nothing of them stays.

    `durable` says whether it outlasts a power cut, which takes milliseconds. The file keeps its mode. A link is
    written through. `only_new`: a file that is there by then stays, and DianaError ITEM_EXISTS is raised.
    Raises OSError.
    """
    path = path.resolve()
    with part_beside(path) as (part, stream):
        with suppress(FileNotFoundError):
            part.chmod(path.stat().st_mode & 0o777)
        yield stream
        stream.flush()
        if durable:
            os.fsync(stream.fileno())
        if not only_new:
            part.replace(path)
        elif not took(part, path):
            raise DianaError(Reason.ITEM_EXISTS, "somebody else has written the file meanwhile, and that one stays")
    if durable:
        sync_directory(path.parent)


@contextmanager
def part_beside(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A new file beside another one, and its stream; gone when the block ends, unless it got another name.

    Its own name is random, so that any number of threads and processes can write the same file. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".diana-{secrets.token_hex(8)}{PART}")
    try:
        with part.open("x+b") as stream:
            yield part, stream
    finally:
        part.unlink(missing_ok=True)


def took(part: Path, path: Path) -> bool:
    """Whether a written file took a name that was free; one that is there stays, whoever writes at the same time."""
    try:
        os.link(part, path)
        return True
    except FileExistsError:
        return False
    except OSError:  # a file system without links, as of memory sticks: there the name may be taken meanwhile
        if path.exists():
            return False
        part.replace(path)
        return True


def wrote(path: Path, content: bytes) -> bool:
    """Whether a new file has this content now; one that is there stays. Raises OSError, and then nothing is left."""
    with part_beside(path) as (part, stream):
        stream.write(content)
        stream.flush()
        return took(part, path)

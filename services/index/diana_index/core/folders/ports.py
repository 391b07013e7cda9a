"""What indexing asks of the file system and of those who read headers."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from diana_common.errors import DianaError
from diana_index.core.folders.model import Counts, File, Stamp
from diana_index.core.folders.registry import Row


class Listed(NamedTuple):
    """A regular file of a directory."""

    name: bytes
    stamp: Stamp


class Listing(Protocol):
    """A directory that is open."""

    subdirectories: list[bytes]
    """Names, once its files have been gone through."""

    def files(self) -> Iterator[list[Listed]]:
        """Its regular files, some hundreds at a time, in no order. Raises DianaError."""

    def has(self, name: bytes) -> bool:
        """Whether a regular file of that name is there now."""


class Tree(Protocol):
    """A directory of this host, with all below it; symbolic links are not followed."""

    path: bytes
    """Absolute, without symbolic links."""

    def open(self, directory: bytes) -> AbstractContextManager[Listing | None]:
        """A directory below it by its path, or itself (empty); None where it is not, or no longer.

        Raises DianaError where it cannot be read.
        """


class Trees(Protocol):
    """The directories that are open for indexing."""

    def tree(self, path: str) -> Tree:
        """What lies under an absolute path. Raises DianaError INVALID_FIELD, PATH_FORBIDDEN, SOURCE_NOT_FOUND."""

    def contents(self) -> Contents:
        """For reading files whole."""


class Contents(Protocol):
    """The bytes of files, read one after another; keeps the zip file open that the last one was a member of."""

    def pieces(self, file: File) -> Generator[bytes, None, None]:
        """A file's bytes, at most 1 MiB at a time.

        Raises DianaError SOURCE_NOT_FOUND, PATH_FORBIDDEN, CHECKSUM_MISMATCH (it was changed), CONTAINER_INVALID.
        """

    def close(self) -> None:
        """Let go of what is open."""


class Wanted(NamedTuple):
    """Files of a directory whose headers are to be read."""

    directory: bytes
    names: Sequence[bytes]


@dataclass(slots=True)
class Part:
    """What came of some of the files that were wanted, in the order they were wanted in."""

    rows: list[tuple[int, Row]]
    """Each with the number of its `Wanted`."""
    counts: dict[int, Counts]
    """By number of `Wanted`."""
    failures: list[tuple[int, str, DianaError]] = field(default_factory=list)
    """Number of `Wanted`, name as people see it, why."""


class Readers(Protocol):
    """Processes that read headers."""

    count: int
    """How many there are."""

    def read(self, tree: Tree, wanted: Sequence[Wanted]) -> Generator[Part, None, None]:
        """Begin to read; what is read comes part by part, and an empty one where it takes long.

        Of what was begun earlier, all parts are to be taken first.
        """

    def close(self) -> None:
        """End them; what is being read is given up."""

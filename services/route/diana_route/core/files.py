"""A watched folder as the core knows it, and what is in its files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from diana_common.errors import DianaError
from diana_route.core.folders import Status
from diana_route.core.model import FileItem


class Reader(Protocol):
    """An instance's bytes. Close it."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, at most `size`; none at the end. Raises DianaError."""
        ...

    def seek(self, offset: int, /) -> object:
        """Go on from an offset. Raises DianaError."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """Something in a file: the file itself, or a member of a zip."""

    label: str
    """For people: "member 17", counted from 1, since names may say who the patient is; empty for the file itself."""

    size: int
    """Bytes."""

    content: bytes | Callable[[], Reader] | DianaError | None
    """Its bytes, or what opens them where they are many; why it is no instance that could be stored; or None where
    nobody expects one: a DICOMDIR or the viewer that comes with a disc."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at a folder came to."""

    root: tuple[int, int]
    """What tells the directory from another one that is put or mounted there later."""

    unread: Sequence[str] = ()
    """Directories below it that could not be read: what is in them is unknown."""

    trouble: str = ""
    """What is wrong, for people; empty if nothing is."""

    empty: Mapping[str, float] = field(default_factory=dict)
    """Directories below the layout's own with nothing in them, and when each changed last, in seconds since the epoch.
    """


class Folder(Protocol):
    """A directory of this host and all below it; paths are below it, with "/", as `core.folders.to_text` writes them.

    Links are not followed. Safe to share between threads.
    """

    def look(self, found: Callable[[str, Status], None]) -> Looked:
        """Tell of every file that may be an item. Raises DianaError SOURCE_NOT_FOUND if the folder cannot be read."""
        ...

    def status(self, path: str) -> Status:
        """How a file is now. Raises DianaError SOURCE_NOT_FOUND if it is not there, PATH_FORBIDDEN if that cannot be
        told now: its folder may be a network's that is away."""
        ...

    def parts(self, item: FileItem) -> Iterator[Part]:
        """What is in a file, in order; a part with a reader is good for as long as the file stays as it is.

        Raises DianaError: SOURCE_NOT_FOUND if the file is not there as it was when the item was made, PATH_FORBIDDEN if
        it cannot be read now, CONTAINER_INVALID, CONTAINER_LIMIT for a zip that never can.
        """
        ...

    def remove(self, item: FileItem, read: Status) -> None:
        """Remove a file, if it is there; `read` is how it was before it was read.

        Raises DianaError SOURCE_NOT_FOUND if another one is there, PATH_FORBIDDEN if it cannot be removed now, or is
        not the very one that was read.
        """
        ...

    def remove_empty(self, path: str) -> None:
        """Remove a directory if there is nothing in it, and it can be removed."""
        ...

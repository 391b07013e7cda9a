"""What the folder registry asks of the place where it is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from diana_index.core.folders.model import Collection, Counts, File, Folder, Kind, Place, Shared, Stamp


class Row(NamedTuple):
    """A file as a registry keeps it: a DICOM file, a member of a zip file, a zip file, or one that is no DICOM."""

    name: bytes
    number: int
    member: str
    size: int
    stamp_size: int
    mtime_ns: int
    """Of a zip file that is not read to its end, and of a file to be read anew next time: -1."""
    sop_instance_uid: str
    shared: Shared | None
    """None for what is no DICOM file itself."""
    dicom_count: int
    """At number 0: how many DICOM files this is, 1 or as many as a zip file has."""
    skipped_count: int
    """At number 0: how many other files this is."""


class Known(NamedTuple):
    """What a registry knows of a file by itself, or of a zip file."""

    stamp: Stamp
    fresh: bool
    """Whether it was read in this same run."""
    dicom_count: int
    skipped_count: int


class DirectoryState(NamedTuple):
    """What a registry knows of a directory."""

    done: bool
    """Whether all its files were dealt with in this same run."""
    entry_count: int
    """How many files it has, members of zip files not counted."""


@dataclass(slots=True)
class Changes:
    """What becomes of files, to be written at once."""

    removed: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Directory and name: the file with its members goes, before rows come."""
    rows: list[tuple[bytes, Row]] = field(default_factory=list)
    """Directory and row."""
    done: list[tuple[bytes, int]] = field(default_factory=list)
    """Directories that are done, and how many DICOM files each has."""
    counts: Counts = field(default_factory=Counts)
    """Of all directories that are done then."""


class Run(Protocol):
    """One indexing of a folder. Another one with the same name goes on where it was left."""

    @property
    def counts(self) -> Counts:
        """Of the directories that were done when it began, or was taken up again."""

    def directory(self, path: bytes) -> DirectoryState:
        """What is known of a directory."""

    def known(self, directory: bytes, names: Sequence[bytes]) -> dict[bytes, Known]:
        """Those of these files that are known."""

    def names(self, directory: bytes) -> Iterator[Sequence[tuple[bytes, int]]]:
        """Files that are known, some hundreds at a time, with how many DICOM files each is. One may come twice."""

    def write(self, changes: Changes) -> None:
        """Make the changes: all or nothing, durably.

        Raises DianaError SOURCE_NOT_FOUND if the folder was forgotten meanwhile, DISK_FULL, PEER_UNAVAILABLE.
        """

    def stale(self) -> Iterator[Sequence[bytes]]:
        """Directories that are not done in this run, some hundreds at a time; those may be forgotten meanwhile."""

    def forget(self, directories: Sequence[bytes], counts: Counts) -> int:
        """Forget directories with their files; how many DICOM files that were, which is added to the counts."""

    def finish(self, now: float) -> None:
        """The folder is indexed to its end; another run of the same name would begin anew."""


class Registry(Protocol):
    """Where files are known from one indexing to the next. Safe to use from several threads."""

    def folders(self) -> list[Folder]:
        """All folders, by path."""

    def begin(self, folder: bytes, run: str) -> Run:
        """Begin to index a folder, or go on with the run of that name."""

    def forget_folder(self, folder: bytes) -> None:
        """Forget a folder and its files; nothing happens if it is not there."""

    def collections(self, kind: Kind, prefix: str, after: str, limit: int) -> list[tuple[str, int]]:
        """Values that begin with `prefix`, from behind `after`, by code point, with their numbers of files."""

    def files(self, collection: Collection, after: Place | None, limit: int) -> list[File]:
        """A collection's files, by place, from behind one."""

    def check_ready(self) -> None:
        """Raises DianaError if it cannot be used now."""

    def close(self) -> None:
        """Let go of it."""

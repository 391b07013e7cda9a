"""What the folder registry knows. Paths are bytes, as the file system has them; text only where people see them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import Enum
from typing import NamedTuple

MOST_PATH_BYTES = 4096


class Kind(Enum):
    """What takes files together; the values are those of diana.index.v1.CollectionKind."""

    ACCESSION_NUMBER = 1
    STUDY = 2
    PATIENT = 3


@dataclass(frozen=True, slots=True)
class Collection:
    """Files that belong together."""

    kind: Kind
    value: str


@dataclass(frozen=True, slots=True)
class Folder:
    """A directory that is indexed."""

    path: bytes
    """Absolute, without symbolic links."""
    file_count: int
    """DICOM files, zip members included."""
    index_time: float | None
    """When it was last indexed to the end: seconds since the epoch, UTC."""


class Shared(NamedTuple):
    """Values that the files of a series have in common, as text; empty where absent."""

    patient_id: str
    accession_number: str
    study_uid: str
    series_uid: str
    sop_class_uid: str
    modality: str
    study_date: str
    study_description: str
    series_description: str


class Place(NamedTuple):
    """Where a file lies; places order a collection's files."""

    folder: bytes
    directory: bytes
    """Below the folder; empty for the folder itself."""
    name: bytes
    number: int
    """Of a member of a zip file: its place in the zip's directory, from 1; 0 for a file by itself."""

    @property
    def path(self) -> bytes:
        """Path below the folder of the file, or of the zip file that holds it."""
        return joined(self.directory, self.name)


class Stamp(NamedTuple):
    """By what a file is known to be unchanged."""

    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class File:
    """A DICOM file that the registry knows."""

    place: Place
    member: str
    """Of a zip member: what the zip file calls it."""
    size: int
    """Bytes; of a zip member, inflated."""
    stamp: Stamp
    """Of the file, or of the zip file that holds it."""
    sop_instance_uid: str
    shared: Shared


@dataclass(frozen=True, slots=True)
class Counts:
    """How many files an indexing of a folder has looked at, zip members included."""

    read: int = 0
    unchanged: int = 0
    forgotten: int = 0
    skipped: int = 0
    failed: int = 0

    @property
    def files(self) -> int:
        """How many there are."""
        return self.read + self.unchanged + self.skipped + self.failed

    def plus(self, other: Counts) -> Counts:
        """The sum."""
        return Counts(
            self.read + other.read,
            self.unchanged + other.unchanged,
            self.forgotten + other.forgotten,
            self.skipped + other.skipped,
            self.failed + other.failed,
        )

    def to_json(self) -> str:
        """For a registry."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Counts:
        """And back; nothing from an empty text."""
        return cls(**json.loads(text)) if text else cls()


def joined(directory: bytes, name: bytes) -> bytes:
    """The path of an entry of a directory, both below the same folder."""
    return directory + b"/" + name if directory else name


def shown(path: bytes) -> str:
    """A path as people are shown it."""
    return path.decode("utf-8", "backslashreplace")

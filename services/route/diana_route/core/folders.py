"""What of a watched folder is an item: names, layout, and when a file is whole."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

_PARTIAL = (
    "~",
    ".bak",
    ".crdownload",
    ".download",
    ".filepart",
    ".lock",
    ".opdownload",
    ".part",
    ".partial",
    ".swp",
    ".temp",
    ".tmp",
    ".uploading",
)
"""How programs name what they are still writing, and keep for themselves."""

_SYSTEMS_OWN = frozenset({"__macosx", "desktop.ini", "thumbs.db", "lost+found", "$recycle.bin"})
_DICOMDIR = frozenset({"dicomdir", "dicomdir."})
"""The index of a disc: the instances that it lists are there themselves."""

_ESCAPED = re.compile(r"\\x([0-9a-f]{2})")
_LONGEST_PATH = 4096
_PLACEHOLDER = re.compile(r"\{([^{}/]*)\}")


def left_alone(path: str) -> str:
    """Why a path below a folder is no item, whatever is there; empty if it may be one."""
    if len(path.encode()) > _LONGEST_PATH:
        return "its path is longer than 4,096 bytes"
    for name in path.split("/"):
        if is_passed_over(name):
            return "it or a directory above it is hidden, not finished by its name, a system's own, or a DICOMDIR"
    return ""


def is_passed_over(name: str) -> bool:
    """Whether a name says that it is hidden, that whoever writes it is not done, or that it holds no instance."""
    folded = name.lower()
    return name.startswith((".", "~")) or folded.endswith(_PARTIAL) or folded in _SYSTEMS_OWN or folded in _DICOMDIR


def read_layout(layout: str, path: str) -> Mapping[str, str] | None:
    """The attributes that the directories of a path give; None where it lies elsewhere than the layout says."""
    parts, (*directories, _) = layout.split("/") if layout else [], path.split("/")
    if len(directories) < len(parts):
        return None
    found: dict[str, str] = {}
    for part, directory in zip(parts, directories, strict=False):
        if placeholder := _PLACEHOLDER.fullmatch(part):
            found[placeholder[1]] = directory
        elif part != directory:
            return None
    return found


def leads_on(layout: str, directories: Sequence[str]) -> bool:
    """Whether files that the layout means may lie below these directories."""
    parts = layout.split("/") if layout else []
    return all(
        _PLACEHOLDER.fullmatch(part) or part == directory for part, directory in zip(parts, directories, strict=False)
    )


def to_text(path: str) -> str:
    """A path of this host as everyone can read it: what is no UTF-8 or no character to see, as "\\x1f"."""
    if path.isascii() and path.isprintable() and "\\" not in path:
        return path
    return "".join(
        one if one.isprintable() and one != "\\" else "".join(f"\\x{byte:02x}" for byte in os.fsencode(one))
        for one in path
    )


def from_text(text: str) -> str:
    """And back."""
    if "\\" not in text:
        return text
    pieces = _ESCAPED.split(text)
    escaped = [bytes.fromhex(one) if number % 2 else one.encode() for number, one in enumerate(pieces)]
    return os.fsdecode(b"".join(escaped))


@dataclass(frozen=True, slots=True)
class Status:
    """How a file was found."""

    size: int
    """Bytes."""

    mtime_ns: int
    ctime_ns: int
    inode: int = 0
    """As the folder counts them now; 0 where nobody asked."""

    @property
    def stamp(self) -> str:
        """The same for as long as nobody writes to the file; on network folders too, where each mount may count inodes
        anew."""
        return f"{self.size}-{self.mtime_ns}"

    @property
    def occasion(self) -> str:
        """Another one for a copy that was put there later with all its times: its change time is the folder's own."""
        return f"{self.stamp}-{self.ctime_ns}"


@dataclass
class Settling:
    """Tells when a file is whole: neither its size nor its time changed for a while. Not safe for threads."""

    seconds: float
    _since: dict[str, tuple[str, float]] = field(default_factory=dict)

    def is_settled(self, path: str, status: Status, now: float) -> bool:
        """A file was found so, at a time of a clock that is never put back, in seconds."""
        known = self._since.get(path)
        if known is None or known[0] != status.stamp:
            self._since[path] = (status.stamp, now)
            return self.seconds <= 0
        return now - known[1] >= self.seconds

    def forget(self, path: str) -> None:
        """It is gone, or dealt with."""
        self._since.pop(path, None)

    @property
    def is_waiting(self) -> bool:
        """Whether there are files that may be whole soon."""
        return bool(self._since)

    def keep_only(self, present: Collection[str]) -> None:
        """All others are gone."""
        for path in [path for path in self._since if path not in present]:
            del self._since[path]

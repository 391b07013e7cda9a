"""What a disk may hold after a power cut: replays recorded events, and lays out one of the possible states.

Assumed, as POSIX and the journalling file systems of Linux (ext4, xfs) promise it, and no more:
- A file's bytes and size are sure once a sync of that file, begun after the write ended, has ended. Until then each
  block of the file, and its size, is as it was after any one of the changes since: blocks go out in any order.
- A name (made, renamed, linked, removed) is sure once its directory is synced, by the same rule; syncing a file does
  not make its name sure. Until then a directory is as it was after any one of its changes; directories are
  independent of one another, save that a rename between two of them happens in both or in neither.
- A block goes out whole: 4,096 bytes, or 512 (a sector) when told so.
- A disk does what it is told: no lost flush, no flipped bit.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.disk_trace import Event

PAGE = 4096
SECTOR = 512

Choice = Callable[[int], int]
"""How many of so many unsynced changes are on the disk."""


@dataclass(frozen=True)
class Luck:
    """What becomes of unsynced names, sizes and blocks."""

    names: Choice
    sizes: Choice
    blocks: Choice
    block_bytes: int = PAGE


def none(count: int) -> int:
    """Nothing reached the disk."""
    return 0


def all_of(count: int) -> int:
    """Everything did."""
    return count


def strategies(seed: int) -> dict[str, Luck]:
    """Ways to lose: from all that was not synced to almost nothing."""
    chance = random.Random(seed)

    def some(count: int) -> int:
        return chance.randint(0, count)

    return {
        "all unsynced is lost": Luck(none, none, none),
        "names without bytes": Luck(all_of, none, none),
        "zeros for bytes": Luck(all_of, all_of, none),
        "bytes without names": Luck(none, all_of, all_of),
        "some pages": Luck(some, some, some),
        "some sectors": Luck(some, all_of, some, SECTOR),
        "all names, some pages": Luck(all_of, some, some),
    }


@dataclass(eq=False)
class File:
    """A file's sure bytes, and the changes since, each with the event it came by."""

    sure: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, Event]] = field(default_factory=list)

    def sync(self, since: int) -> None:
        """Those changes are sure now."""
        for number, change in self.pending:
            if number < since:
                _apply(change, self.sure)
        self.pending = [one for one in self.pending if one[0] >= since]

    def bytes_after(self, luck: Luck) -> bytes:
        """What is on the disk, with such luck."""
        changes = [change for _, change in self.pending]
        size = _size_after(len(self.sure), changes[: luck.sizes(len(changes))])
        content = bytearray(self.sure) + bytes(max(0, size - len(self.sure)))
        for start in sorted(_blocks(changes, size, luck.block_bytes)):
            end = min(start + luck.block_bytes, size)
            touching = [one for one in changes if _touches(one, start, end)]
            for change in touching[: luck.blocks(len(touching))]:
                _apply_within(change, content, start, end)
        return bytes(content[:size])


@dataclass(eq=False)
class Naming:
    """A change of one name in a directory: to a file or directory, or to nothing. A rename has a twin elsewhere."""

    number: int
    directory: Directory
    name: str
    node: File | Directory | None
    twin: Naming | None = None


@dataclass(eq=False)
class Directory:
    """A directory's sure names, the changes since, and the names as programs see them."""

    sure: dict[str, File | Directory] = field(default_factory=dict)
    pending: list[Naming] = field(default_factory=list)
    seen: dict[str, File | Directory] = field(default_factory=dict)

    def change(self, number: int, name: str, node: File | Directory | None) -> Naming:
        """Give a name to a node, or take it away."""
        naming = Naming(number, self, name, node)
        self.pending.append(naming)
        _name(self.seen, naming)
        return naming

    def sync(self, since: int) -> None:
        """Those names are sure now."""
        self.settle(sum(one.number < since for one in self.pending))

    def settle(self, count: int) -> None:
        """The first so many changes are sure now, and what must happen with them elsewhere."""
        settled, self.pending = self.pending[:count], self.pending[count:]
        for naming in settled:
            _name(self.sure, naming)
        for naming in settled:
            if naming.twin and naming.twin in naming.twin.directory.pending:
                naming.twin.directory.settle(naming.twin.directory.pending.index(naming.twin) + 1)


class Disk:
    """Takes events one after the other; at any time, tells what a power cut would leave of `root`."""

    def __init__(self, root: Path) -> None:
        """`root` exists, durably and empty."""
        self._root = str(root)
        self._top = Directory()
        self._taken = 0

    def take(self, event: Event) -> None:
        """The next event."""
        if event.kind != "mark":
            getattr(self, f"_{event.kind}", self._write)(event)
        self._taken += 1

    def lay_out(self, place: Path, luck: Luck) -> None:
        """Make `place` what a power cut would leave, with such luck."""
        taken: dict[Directory, int] = {}
        for directory in _directories(self._top):
            _take(taken, directory, luck.names(len(directory.pending)))
        _lay_out(self._top, place, taken, luck)

    def lay_out_seen(self, place: Path) -> None:
        """Make `place` what programs see."""
        self.lay_out(place, Luck(all_of, all_of, all_of))

    def _create(self, event: Event) -> None:
        directory, name = self._place(event.path)
        if name not in directory.seen:
            directory.change(self._taken, name, File())

    def _mkdir(self, event: Event) -> None:
        directory, name = self._place(event.path)
        directory.change(self._taken, name, Directory())

    def _unlink(self, event: Event) -> None:
        directory, name = self._place(event.path)
        directory.change(self._taken, name, None)

    _rmdir = _unlink

    def _link(self, event: Event) -> None:
        directory, name = self._place(event.target)
        directory.change(self._taken, name, self._find(event.path))

    def _rename(self, event: Event) -> None:
        node = self._find(event.path)
        before, old = self._place(event.path)
        after, new = self._place(event.target)
        gone = before.change(self._taken, old, None)
        come = after.change(self._taken, new, node)
        gone.twin, come.twin = come, gone

    def _sync(self, event: Event) -> None:
        if event.path == self._root:
            self._top.sync(event.since)
            return
        directory, name = self._place(event.path)
        # What was removed while it was synced is nobody's concern.
        if node := directory.seen.get(name):
            node.sync(event.since)

    def _write(self, event: Event) -> None:
        node = self._find(event.path)
        if not isinstance(node, File):
            raise TypeError(f"{event.kind} on a directory: {event.path}")
        node.pending.append((self._taken, event))

    def _place(self, path: str) -> tuple[Directory, str]:
        *parents, name = Path(path).relative_to(self._root).parts
        directory = self._top
        for parent in parents:
            below = directory.seen[parent]
            if not isinstance(below, Directory):
                raise NotADirectoryError(path)
            directory = below
        return directory, name

    def _find(self, path: str) -> File | Directory:
        directory, name = self._place(path)
        return directory.seen[name]


def _name(names: dict[str, File | Directory], naming: Naming) -> None:
    if naming.node is None:
        names.pop(naming.name, None)
    else:
        names[naming.name] = naming.node


def _directories(top: Directory) -> list[Directory]:
    """It and all that may be below it after a power cut."""
    found, new = {top}, [top]
    while new:
        one = new.pop()
        below = [*one.sure.values(), *(naming.node for naming in one.pending)]
        fresh = {node for node in below if isinstance(node, Directory)} - found
        found |= fresh
        new += fresh
    return sorted(found, key=lambda one: [naming.number for naming in one.pending])


def _take(taken: dict[Directory, int], directory: Directory, count: int) -> None:
    """So many changes of the directory are on the disk, and so is every rename's other half."""
    before = taken.get(directory, 0)
    taken[directory] = max(before, count)
    for naming in directory.pending[before:count]:
        if naming.twin and naming.twin in naming.twin.directory.pending:
            elsewhere = naming.twin.directory
            _take(taken, elsewhere, elsewhere.pending.index(naming.twin) + 1)


def _lay_out(directory: Directory, place: Path, taken: dict[Directory, int], luck: Luck) -> None:
    place.mkdir(mode=0o700)
    names = dict(directory.sure)
    for naming in directory.pending[: taken.get(directory, 0)]:
        _name(names, naming)
    for name, node in names.items():
        if isinstance(node, Directory):
            _lay_out(node, place / name, taken, luck)
        else:
            (place / name).write_bytes(node.bytes_after(luck))


def _apply(change: Event, content: bytearray) -> None:
    """The whole change."""
    size = _size_after(len(content), [change])
    content.extend(bytes(max(0, size - len(content))))
    _apply_within(change, content, 0, len(content))
    del content[size:]


def _apply_within(change: Event, content: bytearray, start: int, end: int) -> None:
    """As much of a change as lies in a range of the content."""
    first, last = _range(change)
    first, last = max(first, start), min(last, end)
    if first < last and change.kind == "write":
        content[first:last] = change.data[first - change.offset : last - change.offset]
    elif first < last and change.kind in ("truncate", "punch"):
        content[first:last] = bytes(last - first)


def _range(change: Event) -> tuple[int, int]:
    """Which bytes a change concerns."""
    if change.kind == "write":
        return change.offset, change.offset + len(change.data)
    if change.kind == "punch":
        return change.offset, change.offset + change.size
    return change.offset, 1 << 62


def _size_after(size: int, changes: list[Event]) -> int:
    for change in changes:
        if change.kind == "write":
            size = max(size, change.offset + len(change.data))
        elif change.kind == "extend":
            size = max(size, change.offset)
        elif change.kind == "truncate":
            size = change.offset
    return size


def _touches(change: Event, start: int, end: int) -> bool:
    first, last = _range(change)
    return first < end and start < last


def _blocks(changes: list[Event], size: int, block_bytes: int) -> set[int]:
    """Where the blocks begin that changes concern."""
    blocks: set[int] = set()
    for change in changes:
        first, last = _range(change)
        blocks.update(range(first - first % block_bytes, min(last, size), block_bytes))
    return blocks

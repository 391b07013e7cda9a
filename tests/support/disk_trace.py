"""What programs do to the files under a directory, in order, as strace sees it.

Only calls that change files, or make changes durable, become events; a call that changes files in a way that is not
modelled here (sendfile, copy_file_range, syncfs) raises Unmodelled rather than be missed. Writes through a shared
mapping are not seen: SQLite's -shm is written so, and is worthless after a power cut.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_CALLS = (
    "openat,write,writev,pwrite64,pwritev,pwritev2,lseek,ftruncate,truncate,fallocate,rename,renameat,renameat2,link,"
    "linkat,unlink,unlinkat,mkdir,mkdirat,rmdir,symlink,symlinkat,fsync,fdatasync,syncfs,sendfile,copy_file_range"
)
_LINE = re.compile(r"^(\d+)\s+(\w+)\((.*)\)\s+= (-?\d+)")
_UNFINISHED = re.compile(r"^(\d+)\s+(\w+)\((.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"^(\d+)\s+<\.\.\. (\w+) resumed>(.*)\)\s+= (-?\d+)")
_DESCRIPTOR = re.compile(r"(?:(\d+)|AT_FDCWD)<((?:\\x[0-9a-f]{2})*)>(\(deleted\))?")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_SYNCS = ("fsync", "fdatasync")


class Unmodelled(Exception):
    """The program changed a file in a way that this module knows nothing of."""


@dataclass(frozen=True, slots=True)
class Event:
    """A call that succeeded.

    `kind` is create, write, truncate, extend, punch, rename, link, unlink, mkdir, rmdir, sync or mark. `offset` is
    a length for truncate and extend; `size` is a length for punch. `since`, of a sync: how many events had ended
    when it began; it makes none durable that ended later.
    """

    kind: str
    path: str
    offset: int = 0
    data: bytes = b""
    size: int = 0
    target: str = ""
    since: int = 0


def record(
    command: Sequence[str], trace: Path, sync_delay_us: int = 0, environment: Mapping[str, str] | None = None
) -> None:
    """Run a command with all its children under strace, to its end.

    Each fsync begins so much later, as on a disk: what is answered before its sync is then seen to be.
    """
    inject = ["-e", f"inject=fsync,fdatasync:delay_enter={sync_delay_us}"] if sync_delay_us else []
    strace = ["strace", "-f", "--seccomp-bpf", "-y", "-xx", "-s", "67108864", "-e", f"trace={_CALLS}", *inject]
    line = [*strace, "-e", "signal=none", "-o", str(trace), *command]
    ended = subprocess.run(line, env={**os.environ, **(environment or {})}, capture_output=True, text=True)
    if ended.returncode:
        raise RuntimeError(f"the recorded program ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}")


def read_events(trace: Path, root: Path, marks: Path) -> list[Event]:
    """The events under `root`, in the order in which they ended; a write to `marks` is a mark."""
    reader = _Reader(str(root), str(marks))
    with trace.open(encoding="ascii") as lines:
        for line in lines:
            reader.take(line)
    return reader.events


class _Reader:
    """Puts the halves of calls together and follows file offsets."""

    def __init__(self, root: str, marks: str) -> None:
        self.events: list[Event] = []
        self._root = root
        self._marks = marks
        self._needles = (_hex(root), _hex(marks))
        self._begun: dict[str, tuple[str, int]] = {}
        # By descriptor: the programs that write to one file run one after the other.
        self._offsets: dict[str, int] = {}
        # By path, in a list that all names of a file share; of files that are appended to, writes tell no offset.
        self._sizes: dict[str, list[int]] = {}
        self._appended: set[str] = set()

    def take(self, line: str) -> None:
        if begun := _UNFINISHED.match(line):
            self._begun[begun[1]] = (begun[3], len(self.events))
        elif ended := _RESUMED.match(line):
            before, since = self._begun.pop(ended[1])
            self._end(ended[2], before + ended[3], int(ended[4]), since)
        elif whole := _LINE.match(line):
            self._end(whole[2], whole[3], int(whole[4]), len(self.events))

    def _end(self, call: str, arguments: str, result: int, since: int) -> None:
        if result < 0 or not any(needle in arguments for needle in self._needles):
            return
        for event in self._events_of(call, arguments, result, since):
            if event.kind == "write" and event.path == self._marks:
                self.events.append(Event("mark", event.path, data=event.data))
            elif self._inside(event.path) or self._inside(event.target):
                if event.kind == "unmodelled":
                    raise Unmodelled(f"{call} on {event.path}")
                self._follow_size(event)
                self.events.append(event)

    def _follow_size(self, event: Event) -> None:
        size = self._sizes.setdefault(event.path, [0])
        if event.kind in ("rename", "link"):
            self._sizes[event.target] = size
        if event.kind in ("rename", "unlink"):
            del self._sizes[event.path]
            self._appended.discard(event.path)
        elif event.kind == "truncate":
            size[0] = event.offset
        elif event.kind in ("write", "extend"):
            size[0] = max(size[0], event.offset + len(event.data))

    def _inside(self, path: str) -> bool:
        return path == self._root or path.startswith(self._root + "/")

    def _events_of(self, call: str, arguments: str, result: int, since: int) -> Iterator[Event]:
        if call == "openat":
            yield from self._open(arguments, result)
        elif call in ("rename", "renameat", "renameat2", "link", "linkat"):
            path, target = _paths(arguments)
            yield Event("rename" if call.startswith("rename") else "link", path, target=target)
        elif call in ("unlink", "unlinkat", "rmdir", "mkdir", "mkdirat"):
            kind = "rmdir" if "AT_REMOVEDIR" in arguments else call.removesuffix("at")
            yield Event(kind, _paths(arguments)[0])
        elif call in ("truncate", "symlink", "symlinkat"):
            yield Event("unmodelled", _paths(arguments)[-1])
        else:
            yield from self._by_descriptor(call, arguments, result, since)

    def _by_descriptor(self, call: str, arguments: str, result: int, since: int) -> Iterator[Event]:
        descriptor, path, deleted = _descriptor(arguments)
        if call == "lseek":
            self._offsets[descriptor] = result
        elif deleted:
            return
        elif call in _SYNCS:
            yield Event("sync", path, since=since)
        elif call in ("write", "writev"):
            offset = self._sizes.get(path, [0])[0] if path in self._appended else self._offsets.get(descriptor, 0)
            self._offsets[descriptor] = offset + result
            yield Event("write", path, offset, _data(arguments)[:result])
        elif call in ("pwrite64", "pwritev", "pwritev2"):
            at = -2 if call == "pwritev2" else -1
            yield Event("write", path, int(_numbers(arguments)[at]), _data(arguments)[:result])
        elif call == "ftruncate":
            yield Event("truncate", path, int(_numbers(arguments)[-1]))
        elif call == "fallocate":
            yield from _allocated(path, arguments)
        else:
            yield Event("unmodelled", path)

    def _open(self, arguments: str, result: int) -> Iterator[Event]:
        self._offsets[str(result)] = 0
        path = _paths(arguments)[0]
        if "O_APPEND" in arguments:
            self._appended.add(path)
        if "O_CREAT" in arguments:
            yield Event("create", path)
        if "O_TRUNC" in arguments:
            yield Event("truncate", path, 0)


def _allocated(path: str, arguments: str) -> Iterator[Event]:
    offset, size = map(int, _numbers(arguments)[-2:])
    if "PUNCH_HOLE" in arguments:
        yield Event("punch", path, offset, size=size)
    elif "KEEP_SIZE" not in arguments:
        yield Event("extend", path, offset + size)


def _paths(arguments: str) -> list[str]:
    """The paths a call names, below the directory descriptor before each, if any."""
    found, last = [], 0
    for match in _STRING.finditer(arguments):
        bases = [_text(base[2]) for base in _DESCRIPTOR.finditer(arguments, last, match.start())]
        found.append(str(Path(*bases[-1:], _text(match[1]))))
        last = match.end()
    return found


def _descriptor(arguments: str) -> tuple[str, str, bool]:
    match = _DESCRIPTOR.match(arguments)
    if match is None:
        raise Unmodelled(arguments[:200])
    return match[1] or "", _text(match[2]), match[3] is not None


def _numbers(arguments: str) -> list[str]:
    return re.findall(r"(?<=, )\d+(?=, |$)", arguments.rstrip())


def _data(arguments: str) -> bytes:
    return b"".join(_bytes(match[1]) for match in _STRING.finditer(arguments))


def _text(escaped: str) -> str:
    return os.fsdecode(_bytes(escaped))


def _bytes(escaped: str) -> bytes:
    return bytes.fromhex(escaped.replace("\\x", ""))


def _hex(text: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(text))

"""A folder registry in every store, on real servers, and what a test does with it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from diana_common.errors import DianaError
from diana_index.adapters.header_pool import HeaderPool
from diana_index.adapters.trees import HostTrees
from diana_index.core.folders.folders import Folders
from diana_index.core.folders.model import Collection, Counts, File, Kind
from diana_index.core.folders.registry import Registry
from diana_index.stores.folders import open_registry
from tests.support import redis_server
from tests.support.postgres import Postgres

STORES = ("sqlite", "postgres", "redis")
_servers = ExitStack()


def stop_servers() -> None:
    """At the end of those who used them."""
    _servers.close()
    for made in (_postgres, _redis):
        made.cache_clear()


@cache
def _postgres() -> Postgres:
    return _servers.enter_context(Postgres())


@cache
def _redis() -> str:
    return _servers.enter_context(redis_server.serving())


def new_place(kind: str, directory: Path) -> Callable[[], Registry]:
    """What opens one and the same new registry of a kind, again and again."""
    url = ""
    if kind == "postgres":
        url = _postgres().new_database()
    elif kind == "redis":
        url = _redis()
    prefix = f"test-{uuid.uuid4().hex}:"
    return lambda: open_registry(url, directory / "folders.sqlite", prefix)


class Interrupted(BaseException):
    """What a watcher ends an indexing with."""


@dataclass
class Watcher:
    """core.folders.indexing.Watcher that keeps what it is told; ends an indexing after so many files."""

    end_after: int = 1 << 62
    failures: dict[str, DianaError] = field(default_factory=dict)
    reports: list[Counts] = field(default_factory=list)

    def reached(self, counts: Counts) -> None:
        self.reports.append(counts)
        if counts.files >= self.end_after:
            raise Interrupted

    def fail(self, name: str, error: DianaError) -> None:
        self.failures[name] = error


class FolderBench:
    """A registry, and a directory that is open for indexing."""

    def __init__(self, open_store: Callable[[], Registry], room: Path) -> None:
        self._open = open_store
        self.room = room
        self.room.mkdir()
        self.watcher = Watcher()
        self.registry = open_store()
        self.folders = self._folders()

    def reopen(self) -> None:
        """As after a restart."""
        self.registry.close()
        self.registry = self._open()
        self.folders = self._folders()

    def write(self, path: str, content: bytes) -> Path:
        """A file in the room."""
        place = self.room / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        return place

    def index(self, path: str = "", *, run: str = "", read_all: bool = False, end_after: int = 1 << 62) -> Counts:
        """Index the room, or what is below it."""
        self.watcher = Watcher(end_after)
        return self.folders.index(str(self.room / path), run or uuid.uuid4().hex, read_all, self.watcher)

    def find(self, value: str, kind: Kind = Kind.ACCESSION_NUMBER) -> list[File]:
        """A collection's files."""
        return self.registry.files(Collection(kind, value), None, 1000)

    def paths(self, value: str, kind: Kind = Kind.ACCESSION_NUMBER) -> list[str]:
        """Their paths below the folder; of zip members, with their names."""
        return [_path(one) for one in self.find(value, kind)]

    def _folders(self) -> Folders:
        return Folders(self.registry, HostTrees([self.room]), lambda: HeaderPool(1))


def _path(file: File) -> str:
    path = file.place.path.decode(errors="backslashreplace")
    return f"{path}!{file.member}" if file.member else path

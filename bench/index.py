"""The index alone, as a process of its own on a free port, over rows that were loaded into it."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.index_rows import load_rows
from bench.room import BenchError, Place, peak_bytes
from diana_client import IndexClient, connect
from diana_index.stores.dialect import SQLITE
from diana_index.stores.schema import fingerprint
from tests.support.mesh import Mesh

_NOBODY = "127.0.0.1:9"
"""Where no archive is: the index answers from what it has."""


@dataclass(frozen=True)
class Index:
    """One that runs: its client and process."""

    client: IndexClient
    pid: int

    def peak_bytes(self) -> int:
        """The most memory that was resident at a time so far."""
        return peak_bytes(self.pid)


@contextlib.contextmanager
def running(folder: Path, records: Path | None = None, archive: str = _NOBODY) -> Iterator[Index]:
    """Start an index in `folder` over a folder of generations, or an empty one; stop it at the end."""
    if records:
        state = folder / "index"
        state.mkdir(parents=True)
        (state / "records").symlink_to(records)
    with (
        Mesh(folder, "index", settings={"DIANA_INDEX_ARCHIVE__ADDRESS": archive}) as mesh,
        connect(mesh.processes["index"].address) as channel,
    ):
        process = mesh.processes["index"].popen
        if process is None:
            raise BenchError("the index did not start")
        yield Index(IndexClient(channel), process.pid)


def filled(place: Place, count: int) -> Path:
    """A folder of generations with so many instances, made once for each schema: an index drops those of another."""
    records = place.corpora / f"index-{count}-{fingerprint(SQLITE)[:8]}"
    if not records.is_dir():
        making = records.with_suffix(".making")
        shutil.rmtree(making, ignore_errors=True)
        load_rows(making, count)
        making.rename(records)
    return records

"""An archive, an index and a DICOM door, as `diana-cli up` starts them, and what is measured of the door."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.room import BenchError, peak_bytes
from diana_client import ArchiveClient, IndexClient, connect
from tests.support.mesh import Mesh

TITLE = "DIANA"
_FOUND_SECONDS = 60.0


@dataclass(frozen=True)
class Doors:
    """One mesh that runs: clients of archive and index, where the door takes associations, the services' processes."""

    archive: ArchiveClient
    index: IndexClient
    dicom_port: int
    pids: tuple[int, ...]

    def peak_bytes(self) -> int:
        """The most memory that was resident at a time so far in any one of the services."""
        return max(map(peak_bytes, self.pids))

    def await_found(self, count: int) -> None:
        """Return once the index finds so many instances. Raises BenchError when it does not."""
        until = time.monotonic() + _FOUND_SECONDS
        while (found := self.index.count("instance")) != count:
            if time.monotonic() > until:
                raise BenchError(f"of {count} instances the index finds {found}")
            time.sleep(0.005)


@contextlib.contextmanager
def running(folder: Path, peers: str = "{}") -> Iterator[Doors]:
    """Start an empty mesh that keeps everything in `folder`; stop it at the end. `peers`: the door's setting."""
    settings = {"DIANA_DIMSE_PEERS": peers}
    with (
        Mesh(folder / "state", "archive", "index", "dimse", settings=settings) as mesh,
        connect(mesh.archive) as archive,
        connect(mesh.index) as index,
    ):
        doors = Doors(
            ArchiveClient(archive),
            IndexClient(index),
            int(mesh.dicom.rpartition(":")[2]),
            tuple(one.popen.pid for one in mesh.processes.values() if one.popen),
        )
        doors.archive.stores()
        doors.index.status()
        yield doors

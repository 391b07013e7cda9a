"""An index killed while it freezes a cohort: the freezing begins again, and nobody sees a half of it."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from diana_client import CohortClient, IndexClient, NotFound, OperationClient, connect, frozen_cohort
from diana_index.__main__ import make_server
from diana_index.config import IndexConfig
from diana_index.stores.cohorts import SqlCohorts
from diana_index.stores.databases import open_database
from diana_index.stores.written import WRITTEN
from diana_server.config import PeerConfig, ServerConfig
from tests.contract.index.archive_server import serving
from tests.support.shared_postgres import database
from tests.unit.index.fake_archive import FakeArchive

# The index, which kills itself: at its third piece, before its last step, or behind it.
DYING = """
import os, signal, sys
from diana_index.__main__ import main
from diana_index.core import cohorts
from diana_index.stores.cohorts import SqlFreezing

cohorts._PIECE = 10
place = sys.argv.pop()
add, finish = SqlFreezing.add, SqlFreezing.finish

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def dying_add(self, number, names):
    if place == "piece" and number == 3:
        die()
    add(self, number, names)

def dying_finish(self, cohort):
    if place == "before":
        die()
    finish(self, cohort)
    if place == "after":
        die()

SqlFreezing.add, SqlFreezing.finish = dying_add, dying_finish
main()
"""


def start(state: Path, archive: str, url: str, place: str) -> tuple[subprocess.Popen[bytes], str]:
    """The dying index, and its address."""
    port_file = state.parent / "port"
    environment = {
        **os.environ,
        "DIANA_INDEX_STATE_DIR": str(state),
        "DIANA_INDEX_ARCHIVE__ADDRESS": archive,
        "DIANA_INDEX_SERVER__LISTEN": "127.0.0.1:0",
        "DIANA_INDEX_SERVER__PORT_FILE": str(port_file),
        **({"DIANA_INDEX_DATABASE_URL": url} if url else {}),
    }
    process = subprocess.Popen([sys.executable, "-c", DYING, place], env=environment)
    until = time.monotonic() + 60
    while not port_file.exists():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.02)
    return process, port_file.read_text()


@pytest.mark.parametrize("place", ["piece", "before", "after"])
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_freezing_that_is_killed_begins_again(kind: str, place: str, tmp_path: Path) -> None:
    with database() as made, serving(archive := FakeArchive(batch=100)) as address:
        url = made if kind == "postgres" else ""
        for number in range(60):
            position = archive.store(f"1.{number}.1.1", study=f"1.{number}", series=f"1.{number}.1")
        process, served = start(tmp_path / "state", address, url, place)
        with connect(served) as channel:
            IndexClient(channel).count("study", at_least_position=position)
            CohortClient(channel).create("mine")
            operation = CohortClient(channel).freeze("mine", "mine-1")
            assert process.wait(timeout=60) == -signal.SIGKILL

        written = open_database(url, tmp_path / "state" / "written.sqlite", WRITTEN)
        assert (SqlCohorts(written).get("mine-1") is None) == (place != "after")
        assert SqlCohorts(written).unfinished() == ([] if place == "after" else [operation.name])

        archive.delete("1.0.1.1")
        config = IndexConfig(
            ServerConfig("127.0.0.1:0"), tmp_path / "state", archive=PeerConfig(address), database_url=url
        )
        server = make_server(config)
        with connect(server.start()) as channel:
            ended = frozen_cohort(OperationClient(channel).wait(operation.name, timeout=60))
            assert CohortClient(channel).get("mine-1") == ended
            uids = [one.study_uid for one in CohortClient(channel).members("mine-1")]
            assert ended.record_count == len(uids) >= 59
            assert ended.digest == hashlib.sha256("".join(f"{uid}\n" for uid in uids).encode()).digest()
            with pytest.raises(NotFound):
                CohortClient(channel).get("mine-2")
        server.stop(0)
        assert SqlCohorts(written).unfinished() == []
        written.close()

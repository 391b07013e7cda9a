"""Index services as processes of their own, that follow a fake archive."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from diana_client import IndexClient, connect
from diana_index.core.attributes import Level
from diana_index.stores.generations import SqliteGenerations
from tests.support.mesh import Process
from tests.unit.index.fake_archive import FakeArchive
from tests.unit.index.index_bench import IndexBench
from tests.unit.index.test_index_rebuild_equals import live

STORES = ("default", "other")


class IndexProcess(Process):
    """One that may share the records of a database with others; kill it, start it again."""

    def __init__(self, state: Path, archive: str, database_url: str = "") -> None:
        state.mkdir()
        shared = {"DIANA_INDEX_DATABASE_URL": database_url} if database_url else {}
        super().__init__("index", state, {"DIANA_INDEX_ARCHIVE__ADDRESS": archive, **shared})

    @contextmanager
    def started(self) -> Iterator[None]:
        """Started; killed at the end, unless it was before."""
        try:
            self.start()
            yield
        finally:
            self.kill()

    @contextmanager
    def client(self) -> Iterator[IndexClient]:
        """A client of it."""
        with connect(self.address, timeout=60) as channel:
            yield IndexClient(channel)

    def follows(self) -> bool:
        """Whether it hears the feed."""
        with self.client() as client:
            return client.status().following


def lives(archive: FakeArchive, chance: random.Random, changes: int) -> str:
    """Much happens; the position then."""
    for _ in range(changes):
        live(chance, archive)
    return archive.head()


@contextmanager
def busy(archive: FakeArchive, chance: random.Random) -> Iterator[None]:
    """Something happens all the time, until the end."""
    enough = threading.Event()

    def work() -> None:
        while not enough.wait(0.002):
            live(chance, archive)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        enough.set()
        worker.join()


def all_answers(client: IndexClient, position: str) -> list[object]:
    """All records of all levels, once a position is reached."""
    return [
        (one.patient_id, one.study_uid, one.series_uid, one.sop_instance_uid, one.instance_count, one.dicom_json)
        for store in STORES
        for level in Level
        for one in client.find(level.name.lower(), store=store, at_least_position=position)
    ]


def derived_answers(archive: FakeArchive, folder: Path) -> list[object]:
    """The same from records that are derived anew."""
    generations = SqliteGenerations(folder)
    bench = IndexBench(generations, archive)
    bench.catch_up()
    found = [
        (one.patient_id, one.study_uid, one.series_uid, one.sop_uid, one.instance_count, one.dicom_json)
        for store in STORES
        for level in Level
        for one in bench.find(level, store=store, size=1000).records
    ]
    generations.close()
    return list(found)

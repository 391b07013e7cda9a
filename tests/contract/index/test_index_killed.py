"""The index killed in the middle of the feed, in every store: nothing is lost, nothing is there twice."""

from __future__ import annotations

import random
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.contract.index.archive_server import serving
from tests.contract.index.index_processes import IndexProcess, all_answers, busy, derived_answers, lives
from tests.support.shared_postgres import database
from tests.unit.index.fake_archive import FakeArchive

KILLS = 3


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_an_index_that_is_killed_in_the_middle_of_the_feed_goes_on_where_it_was(tmp_path: Path, store: str) -> None:
    chance = random.Random(7)
    archive = FakeArchive(batch=2, inline=700)
    with ExitStack() as stack:
        url = stack.enter_context(database()) if store == "postgres" else ""
        process = IndexProcess(tmp_path / "index", stack.enter_context(serving(archive)), url)
        for _ in range(KILLS):
            middle = lives(archive, chance, 100)
            with process.started(), busy(archive, chance), process.client() as client:
                client.count("study", at_least_position=middle)
                process.kill()
        with process.started(), process.client() as client:
            found = all_answers(client, archive.head())
    assert found == derived_answers(archive, tmp_path / "derived")

"""Cohorts over an index in every store, and what a test does with them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from diana_common.errors import DianaError, Reason
from diana_index.core.attributes import Level
from diana_index.core.cohort_store import Cohort
from diana_index.core.cohorts import Cohorts
from diana_index.core.members import Member
from diana_index.core.paging import PageTokens
from diana_index.core.question import Asked
from diana_index.core.store import Generations
from diana_index.stores.cohorts import SqlCohorts
from diana_index.stores.databases import open_database
from diana_index.stores.sorting import Sorter
from diana_index.stores.written import WRITTEN
from tests.unit.index.index_bench import NO_WAIT, IndexBench, as_keys


class CohortBench(IndexBench):
    """Cohorts by name; `url` is where they are kept, a SQLite file if it is empty."""

    def __init__(self, generations: Generations, url: str, directory: Path, run: int = 7) -> None:
        super().__init__(generations)
        self._directory = directory
        self._url = url
        self._run = run
        self.open()

    def open(self) -> None:
        """As after a restart."""
        self.database = open_database(self._url, self._directory / "written.sqlite", WRITTEN)
        self.store = SqlCohorts(self.database)
        sorter = Sorter(self._directory, self._run)
        self.cohorts = Cohorts(self.store, self.index, PageTokens(bytes(32)), sorter)

    def create(
        self,
        name: str,
        level: Level = Level.STUDY,
        keys: Mapping[str, str | Sequence[str]] | None = None,
        store: str = "default",
        **more: object,
    ) -> Cohort:
        """Save a question."""
        return self.cohorts.create(name, "", Asked(store, level, as_keys(keys), **more))  # type: ignore[arg-type]

    def freeze(
        self, name: str, frozen: str, operation: str = "", reached: Callable[[int, int], None] = lambda *_: None
    ) -> Cohort:
        """Freeze."""
        return self.cohorts.freeze(name, frozen, operation or uuid.uuid4().hex, NO_WAIT, reached)

    def members(self, name: str, size: int = 3) -> list[Member]:
        """All members, by small pages."""
        found: list[Member] = []
        token = ""
        while True:
            page = self.cohorts.members(name, size, token, lambda: True)
            found += page.members
            token = page.next_token
            if not token:
                return found


def fill(bench: CohortBench, studies: int = 12) -> None:
    """Studies of a CT and an MR series each, with two instances each."""
    for number in range(studies):
        for series, modality in enumerate(("CT", "MR")):
            for instance in range(2):
                bench.archive.store(
                    f"1.{number}.{series}.{instance}",
                    study=f"1.{number}",
                    series=f"1.{number}.{series}",
                    PatientID=f"P{number % 5}",
                    IssuerOfPatientID="H",
                    Modality=modality,
                )
    bench.catch_up()


def refused(reason: Reason) -> pytest.RaisesExc[DianaError]:
    """A refusal for this reason."""
    return pytest.raises(DianaError, check=lambda error: error.reason is reason)

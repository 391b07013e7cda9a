"""What an index answers and keeps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

from diana_endpoints.items import Item
from diana_endpoints.protocol.endpoint import Endpoint, OnProgress, Working
from diana_endpoints.protocol.query import Query


@dataclass(frozen=True, slots=True)
class ReportText:
    """A radiology report: its name within the store, its words, and what it is of: a study, an accession number."""

    name: str
    text: str
    study_uid: str = ""
    accession_number: str = ""


@runtime_checkable
class Counter(Endpoint, Protocol):
    """It can say how many records a question finds."""

    def count(self, query: Query) -> int:
        """How many records match."""


@runtime_checkable
class Aggregator(Endpoint, Protocol):
    """It counts and measures in groups."""

    def aggregate(
        self, query: Query, by: Sequence[str], measures: Sequence[str], by_count: bool = False, limit: int = 0
    ) -> Iterator[Item]:
        """The groups of the records that match: `meta` has their keys and measurements as they were asked for, and
        `count`.

        `by` are attributes, with ":month" (year, day, hour) or the width of bins behind them; `measures` kinds with
        ":" and an attribute behind them.
        """


@runtime_checkable
class Exporter(Endpoint, Protocol):
    """It writes tables of records."""

    def export(self, query: Query, file_format: str, to: BinaryIO | Path) -> None:
        """Write all records that match, with `query.return_keys` for columns, as csv, jsonl or parquet."""


@runtime_checkable
class FolderIndexer(Working, Protocol):
    """It knows files where they lie, by kind of collection: accession_number, study or patient."""

    def start_folder(self, path: str, read_all: bool = False) -> str:
        """Start to index a directory of its own host; the name of the operation."""

    def folders(self) -> Iterator[Item]:
        """The folders that are indexed, by path."""

    def forget_folder(self, path: str) -> None:
        """Forget a folder; its files stay."""

    def collections(self, kind: str, prefix: str = "") -> Iterator[Item]:
        """What the files belong to, by value, with how many files each has."""

    def collected(self, kind: str, value: str, with_content: bool = True) -> Iterator[Item]:
        """The files of a collection, by path; one that cannot be read comes with its failure."""


@runtime_checkable
class CohortKeeper(Endpoint, Protocol):
    """It keeps questions by name, and freezes their answers."""

    def create_cohort(self, name: str, query: Query, description: str = "") -> Item:
        """Save a question under a name."""

    def cohort(self, name: str) -> Item:
        """A cohort, with how many records it has."""

    def cohorts(self) -> Iterator[Item]:
        """The cohorts, by name."""

    def start_freeze(self, name: str, frozen: str, at_least_position: str = "") -> str:
        """Start to write a cohort's records down under another name; the name of the operation."""

    def await_freeze(self, operation: str, on_progress: OnProgress | None = None) -> Item:
        """Wait for its end: the frozen cohort, or why there is none."""

    def compare_cohorts(self, first: str, second: str, samples: int = 0) -> Iterator[Item]:
        """How many records two cohorts share, and how many only one has; then so many of either."""

    def export_cohort(
        self,
        name: str,
        file_format: str,
        to: BinaryIO | Path,
        columns: Sequence[str] = (),
        order_by: Sequence[str] = (),
    ) -> None:
        """Write a cohort's records as they are now as one table: csv, jsonl or parquet."""

    def delete_cohort(self, name: str) -> None:
        """Forget a cohort; its records stay."""

    def cohort_members(self, name: str) -> Iterator[Item]:
        """A cohort's records, named as those are that a question finds."""


@runtime_checkable
class KeyKeeper(Working, Protocol):
    """It can make attributes searchable."""

    def start_key(self, name: str, path: str, level: str = "instance", vr: str = "") -> str:
        """Make an attribute searchable by a name; the name of the operation that fills the key."""

    def search_keys(self) -> Iterator[Item]:
        """The search keys by name."""

    def delete_key(self, name: str) -> None:
        """Forget a search key."""


@runtime_checkable
class ReportKeeper(Endpoint, Protocol):
    """It takes radiology reports, and reads what they find."""

    def put_reports(self, reports: Iterable[ReportText]) -> Iterator[Item]:
        """Put reports; each with what it finds, or with its failure."""

    def report(self, name: str) -> Item:
        """A report with its text."""

    def study_reports(self, study_uid: str) -> Iterator[Item]:
        """A study's reports, the newest first, without their texts."""

    def delete_report(self, name: str) -> None:
        """Forget a plain report."""

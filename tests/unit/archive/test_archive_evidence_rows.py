"""Evidence in the catalogue: catalogues of the first version, and entries that are large by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from diana_archive.core.model import (
    CompletionReason,
    Evidence,
    Fact,
    Newcomer,
    Origin,
    ProcedureStep,
    SessionEnded,
    SourceCount,
    StepStatus,
    StudyCompleted,
)
from diana_archive.stores import schema
from diana_archive.stores.catalogue import SqliteCatalogue

STORE = "default"
STUDY = "1.2"
UIDS = tuple(f"1.2.826.0.1.3680043.8.498.{number:038d}" for number in range(10_000))


def add(catalogue: SqliteCatalogue, number: int) -> None:
    one = Newcomer(STORE, STUDY, "1.3", f"1.4.{number}", "1.5", "1.2", 9, 0, b"d", b"p", b"", 0, Origin())
    with catalogue.transaction() as changes:
        changes.add(one, number, "")


def complete(catalogue: SqliteCatalogue, *evidence: Evidence) -> None:
    with catalogue.transaction() as changes:
        changes.complete(STORE, STUDY, CompletionReason.DECLARED, Origin(), evidence)


def test_a_catalogue_of_the_first_version_learns_to_keep_evidence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "catalogue.sqlite"
    monkeypatch.setattr(schema, "OLDEST", 1)
    with monkeypatch.context() as before:
        before.setattr(schema, "STEPS", schema.STEPS[:1])
        before.setattr(schema, "VERSION", 1)
        catalogue = SqliteCatalogue(path, [STORE])
        add(catalogue, 1)
        complete(catalogue)
        catalogue.close()
    catalogue = SqliteCatalogue(path, [STORE])
    facts: tuple[Fact, ...] = (
        SessionEnded("a", True, 3),
        SourceCount(4),
        ProcedureStep("1.9", StepStatus.DISCONTINUED, ("1.4.1", "1.4.2")),
    )
    kept = [Evidence(fact, Origin("dimse", source="CT01"), at, at == 1) for at, fact in enumerate(facts)]
    with catalogue.transaction() as changes:
        changes.set_evidence(STORE, STUDY, kept)
    with catalogue.snapshot() as snapshot:
        assert snapshot.evidence(STORE, STUDY) == kept
        assert snapshot.evidence(STORE, "1.7") == []
        assert [one.study_uid for one in snapshot.resting(STORE, 1 << 60, (0, ""), 5)] == [STUDY]
    catalogue.close()


def test_an_entry_of_the_first_version_is_told_without_evidence(tmp_path: Path) -> None:
    catalogue = SqliteCatalogue(tmp_path / "catalogue.sqlite", [STORE])
    with catalogue.transaction() as changes:
        changes._append(STORE, 5, Origin(), '["1.2", 1, 3, {}]')  # type: ignore[arg-type]
    with catalogue.snapshot() as snapshot:
        (entry,), _ = snapshot.feed(0, 1, (), True, 1 << 20)
    assert entry.event == StudyCompleted(STUDY, CompletionReason.QUIET_PERIOD, 3)
    catalogue.close()


def test_entries_with_much_evidence_do_not_share_a_page(tmp_path: Path) -> None:
    catalogue = SqliteCatalogue(tmp_path / "catalogue.sqlite", [STORE])
    add(catalogue, 1)
    for number in range(3):
        complete(catalogue, Evidence(ProcedureStep(f"1.9.{number}", StepStatus.COMPLETED, UIDS), Origin(), number))
    with catalogue.snapshot() as snapshot:
        page, reached = snapshot.feed(0, 4, (), True, 1 << 20)
        rest, _ = snapshot.feed(reached, 4, (), True, 1 << 20)
    assert [len(page), len(rest)] == [3, 1]
    catalogue.close()

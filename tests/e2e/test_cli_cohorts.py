"""Cohorts from the shell: saved, frozen, compared, and handed to archive, anon and notify by their names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from diana_client import AnonClient, CohortClient, OperationClient, connect, study_result
from tests.support.dicom_files import ROOT
from tests.support.local_mesh import LocalMesh, until, write_study

NOTIFY = """
channels: {news: News}
subscribers:
  - {name: Ada, file: news.jsonl, channels: [news]}
templates:
  cohort: {subject: "Cohort {{ values.cohort }}", body: "{{ values.records }} studies, {{ values.digest }}"}
"""
STUDIES = [f"{ROOT}.9.{number}" for number in (1, 2, 3)]


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    """A mesh with three studies of three instances, of which a cohort has been frozen."""
    room = tmp_path_factory.mktemp("mesh")
    (room / "state" / "config").mkdir(parents=True)
    (room / "state" / "config" / "notify.yaml").write_text(NOTIFY)
    running = LocalMesh.start(room)
    for number in (1, 2, 3):
        write_study(room / f"in{number}", number)
        stored = running.items("dgetall", f"path:{room / f'in{number}'}", "put", "archive:")
    running.run(
        "cohort", "create", "mine", "-m", f"StudyInstanceUID={STUDIES[0]}", "-m", f"StudyInstanceUID={STUDIES[1]}"
    )
    running.run("cohort", "freeze", "mine", "mine-1", "--at-least", stored[-1]["position"])
    yield running
    assert running.stop() == 0


def test_a_cohort_is_shown_listed_and_compared(mesh: LocalMesh) -> None:
    [shown] = mesh.items("cohort", "show", "mine-1")
    digest = hashlib.sha256("".join(f"{uid}\n" for uid in sorted(STUDIES[:2])).encode()).hexdigest()
    assert (shown["records"], shown["frozen"], shown["digest"]) == (2, True, digest)
    assert [one["cohort"] for one in mesh.items("cohort", "list")] == ["mine", "mine-1"]
    mesh.run("cohort", "create", "all", "--description", "whatever there is")
    assert mesh.run("cohort", "compare", "mine-1", "all") == "2 in both, 0 only in mine-1, 1 only in all\n"
    counts, third = mesh.items("cohort", "compare", "mine-1", "all", "--sample", "5")
    assert counts == {"both": 2, "first": 0, "second": 1}
    assert third == {"only_in": "all", "study_uid": STUDIES[2]}
    mesh.run("cohort", "delete", "all")
    mesh.run("cohort", "show", "all", status=1)
    mesh.run("cohort", "create", "bad", "-m", "PixelData=1", status=2)
    mesh.run("cohort", "create", "mine", "--level", "series", status=1)
    mesh.run("cohort", "members", "mine", "cohort", "list", status=2)


def test_a_cohort_is_written_as_a_table(mesh: LocalMesh, tmp_path: Path) -> None:
    columns = ["--columns", "StudyInstanceUID,NumberOfStudyRelatedInstances", "--order", "StudyInstanceUID"]
    wanted = [{"StudyInstanceUID": uid, "NumberOfStudyRelatedInstances": 3} for uid in sorted(STUDIES[:2])]
    mesh.run("cohort", "create", "first", "--filter", f'StudyInstanceUID = "{STUDIES[0]}"')
    for name, expected in (("mine-1", wanted), ("mine", wanted), ("first", wanted[:1])):
        text = mesh.run("cohort", "export", name, "--format", "jsonl", *columns)
        assert [json.loads(line) for line in text.splitlines()] == expected
    for file_format in ("csv", "parquet"):
        file = tmp_path / f"mine.{file_format}"
        mesh.run("cohort", "export", "mine-1", "--format", file_format, *columns, "--out", file)
        select = f"SELECT StudyInstanceUID FROM read_{file_format}(?)"
        assert duckdb.execute(select, [str(file)]).fetchall() == [(one["StudyInstanceUID"],) for one in wanted]
    mesh.run("cohort", "delete", "first")


def test_the_archive_gives_a_cohort_by_its_name(mesh: LocalMesh, tmp_path: Path) -> None:
    assert mesh.run("cohort", "members", "mine-1", "get", "--out", tmp_path) == "6 stored\n"
    assert {path.name for path in tmp_path.iterdir()} == set(STUDIES[:2])


def test_anon_deidentifies_a_cohort_by_its_name(mesh: LocalMesh) -> None:
    made = mesh.items("cohort", "members", "mine-1", "anonymize", "--to", "deid")
    assert [one["source_study_uid"] for one in made] == sorted(STUDIES[:2])
    assert all(one["complete"] for one in made)


def test_a_program_hands_a_cohort_to_anon_by_its_name(mesh: LocalMesh) -> None:
    addresses = {name: service["address"] for name, service in mesh.services().items()}
    with connect(addresses["index"]) as index, connect(addresses["anon"]) as anon:
        for uid in CohortClient(index).study_uids("mine-1"):
            operation = AnonClient(anon).anonymize_study(uid, "deid")
            ended = OperationClient(anon).wait(operation.name, timeout=60)
            assert study_result(ended).instance_count == 3


def test_notify_tells_of_a_cohort_by_its_name(mesh: LocalMesh) -> None:
    [shown] = mesh.items("cohort", "show", "mine-1")
    [sent] = mesh.items("cohort", "show", "mine-1", "dispatch", "news", "--template", "cohort")
    assert (sent["channel"], sent["recipient"]) == ("news", "file:news.jsonl")
    [told] = mesh.items("cohort", "members", "mine-1", "count")
    assert told == {"count": 2}
    until(lambda: bool(list(mesh.state.rglob("news.jsonl"))))
    [file] = mesh.state.rglob("news.jsonl")
    message = json.loads(file.read_text().splitlines()[0])
    assert (message["subject"], message["body"]) == ("Cohort mine-1", f"2 studies, {shown['digest']}")


def test_a_frozen_cohort_outlives_its_studies(mesh: LocalMesh) -> None:
    before = mesh.items("cohort", "show", "mine-1")
    mesh.run("cohort", "members", "mine-1", "delete", "--yes")
    until(lambda: mesh.items("cohort", "show", "mine")[0]["records"] == 0)
    assert mesh.items("cohort", "show", "mine-1") == before
    mesh.run("cohort", "members", "mine-1", "undelete")
    until(lambda: mesh.items("cohort", "show", "mine")[0]["records"] == 2)

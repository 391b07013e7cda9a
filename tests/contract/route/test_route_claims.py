"""Whose a study is that comes from folders, while other rules take on what is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from grpc import StatusCode

from diana.type.v1.origin_pb2 import Origin
from diana_client import ArchiveClient, Channel, NotFound, Unavailable
from diana_common.attempts import Postponed, Refused, Unreachable
from diana_common.errors import DianaError, Reason
from diana_route.core.model import State
from diana_route.core.rules import Delete, Put
from diana_route.peers.claims import Claims
from diana_route.peers.putting import PutFiles
from tests.contract.route.files_mesh import FileIntake, archive_channel, file_intake, held, instance, rule_of, study_uid
from tests.support.hostile_zips import zipped

PUT, DELETE = Put("inbox"), Delete()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Channel]:
    with archive_channel(tmp_path_factory.mktemp("archive")) as channel:
        yield channel


def test_a_study_of_one_folder_is_not_redirected_by_another(archive: Channel, tmp_path: Path) -> None:
    with file_intake(tmp_path, archive, [PUT, DELETE], layout="{site}/{trial}") as intake:
        intake.write({"basel/heart/1.dcm": instance(19, 1)})
        intake.ended(1)
        intake.write({"bern/heart/2.dcm": instance(19, 2), "basel/lung/3.zip": zipped({"a": instance(19, 3)})})
        jobs = intake.ended(3)
    for path in ("bern/heart/2.dcm", "basel/lung/3.zip"):
        assert jobs[path].state is State.DEAD
        assert f"study {study_uid(19)} came from another folder already" in jobs[path].steps[0].last_error
        assert (intake.path / path).exists()
    attributes = ArchiveClient(archive).study(study_uid(19), store="inbox").attributes
    assert dict(attributes) == {"site": "basel", "trial": "heart"}
    assert held(archive, 19) == {f"{study_uid(19)}.1"}


def test_a_study_that_was_moved_on_stays_its_folders(archive: Channel, tmp_path: Path) -> None:
    client = ArchiveClient(archive)
    with file_intake(tmp_path, archive, [PUT, DELETE], layout="{site}") as intake:
        intake.write({"basel/1.dcm": instance(31, 1)})
        intake.ended(1)
        client.delete(study_uid(31), store="inbox", origin=Origin(rule="move", operation="jobs/1"))
        intake.write({"bern/2.dcm": instance(31, 2), "basel/3.dcm": instance(31, 3)})
        jobs = intake.ended(3)
    assert jobs["bern/2.dcm"].state is State.DEAD
    assert "came from another folder already; nothing of this file" in jobs["bern/2.dcm"].steps[0].last_error
    assert jobs["basel/3.dcm"].state is State.DONE
    assert held(archive, 31) == {f"{study_uid(31)}.3"}


def test_of_two_folders_that_look_before_either_has_put_anything_one_may(archive: Channel, tmp_path: Path) -> None:
    intake = FileIntake(tmp_path, archive, rule_of(tmp_path / "incoming", [PUT], "{site}"))
    intake.write({"basel/1.dcm": instance(32, 1), "bern/2.dcm": instance(32, 2)})
    basel, bern = (intake.task(path, 0) for path in ("basel/1.dcm", "bern/2.dcm"))
    uploads = [Claims(ArchiveClient(archive), "inbox", intake.journal) for _ in range(2)]
    assert uploads[0].look(basel, study_uid(32)) is None
    assert isinstance(uploads[1].look(bern, study_uid(32)), Refused)
    intake.actions[0].carry_out(basel)
    with pytest.raises(Refused, match="nothing of this file"):
        intake.actions[0].carry_out(bern)
    assert held(archive, 32) == {f"{study_uid(32)}.1"}
    intake.stop()


def test_a_journal_that_cannot_be_written_puts_a_file_off(
    archive: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> bool:
        raise DianaError(Reason.DISK_FULL, "Full.")

    intake = FileIntake(tmp_path, archive, rule_of(tmp_path / "incoming", [PUT], "{site}"))
    intake.write({"basel/1.dcm": instance(33, 1)})
    monkeypatch.setattr(intake.journal, "claim", full)
    with pytest.raises(Postponed, match="DISK_FULL"):
        intake.actions[0].carry_out(intake.task("basel/1.dcm", 0))
    with pytest.raises(NotFound):
        held(archive, 33)
    intake.stop()


def test_of_two_folders_that_bring_a_study_at_once_one_has_it(
    archive: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake = FileIntake(tmp_path, archive, rule_of(tmp_path / "incoming", [PUT], "{site}"))
    intake.write({"basel/1.dcm": instance(23, 1), "bern/2.dcm": instance(23, 2)})
    tasks = [intake.task(path, 0) for path in ("basel/1.dcm", "bern/2.dcm")]
    monkeypatch.setattr(Claims, "look", lambda *args: None)  # as if there was nothing when they looked
    intake.actions[0].carry_out(tasks[0])
    with pytest.raises(Refused, match="at the same time; some of this file is in it"):
        intake.actions[0].carry_out(tasks[1])
    assert dict(ArchiveClient(archive).study(study_uid(23), store="inbox").attributes) == {"site": "basel"}
    intake.stop()


def test_a_study_that_a_rule_takes_on_while_its_zip_is_stored_is_no_failure(
    archive: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = ArchiveClient.update_attributes

    def taken_on(self: ArchiveClient, study: str, *args: object, **options: object) -> object:
        self.delete(study, store="inbox", origin=Origin(rule="move", operation="jobs/1"))
        return really(self, study, *args, **options)  # type: ignore[arg-type]

    intake = FileIntake(tmp_path, archive, rule_of(tmp_path / "incoming", [PUT, DELETE], "{site}"))
    intake.write({"basel/a.zip": zipped({"1": instance(27, 1)})})
    tasks = [intake.task("basel/a.zip", step) for step in range(2)]
    with monkeypatch.context() as patch:
        patch.setattr(ArchiveClient, "update_attributes", taken_on)
        intake.actions[0].carry_out(tasks[0])
    intake.actions[1].carry_out(tasks[1])
    assert not list(intake.path.rglob("*.zip"))
    intake.stop()


def test_an_archive_that_is_away_is_asked_about_one_study_not_about_all(
    archive: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def away(self: ArchiveClient, study_uid: str, **options: object) -> object:
        asked.append(study_uid)
        raise Unavailable(StatusCode.UNAVAILABLE, "Away.")

    monkeypatch.setattr(ArchiveClient, "study", away)
    intake = FileIntake(tmp_path, archive, rule_of(tmp_path / "incoming", [PUT], "{site}"))
    intake.write({f"basel/{study}.dcm": instance(study, 1) for study in (24, 25, 26)})
    tasks = [intake.task(f"basel/{study}.dcm", 0) for study in (24, 25, 26)]
    assert [type(one) for one in PutFiles.carry_out_all(intake.actions[0], tasks)] == [Unreachable] * 3  # type: ignore[arg-type]
    assert len(asked) == 1
    intake.stop()

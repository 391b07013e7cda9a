"""Files of a watched folder, put into the real archive and deleted once they are there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from diana.archive.v1.feed_pb2 import CompletionReason, FeedEntry
from diana.type.v1.origin_pb2 import Origin
from diana_client import ArchiveClient, Channel, connect
from diana_common.attempts import Postponed, Refused, Unreachable
from diana_common.fence import Place
from diana_route.adapters.contents import SMALL
from diana_route.core.files import Folder, Part
from diana_route.core.model import FileItem, State
from diana_route.core.rules import Delete, Put
from diana_route.peers.putting import PutFiles
from tests.contract.route.files_mesh import FileIntake, archive_channel, file_intake, held, instance, rule_of, study_uid
from tests.support.awaiting import awaited
from tests.support.dicom_files import make_ct
from tests.support.hostile_zips import altered, bomb, zipped

PUT, DELETE = Put("inbox"), Delete()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Channel]:
    with archive_channel(tmp_path_factory.mktemp("archive")) as channel:
        yield channel


def test_hundreds_of_files_are_stored_and_deleted(archive: Channel, tmp_path: Path) -> None:
    with file_intake(tmp_path, archive, [PUT, DELETE]) as intake:
        intake.write({f"{number % 7}/{number}.dcm": instance(1, number) for number in range(300)})
        jobs = intake.ended(300)
    assert {job.state for job in jobs.values()} == {State.DONE}
    assert {(job.stored_count, job.refused_count) for job in jobs.values()} == {(1, 0)}
    assert len(held(archive, 1)) == 300
    assert not [path for path in intake.path.rglob("*") if path.is_file()]


def test_a_zips_study_is_complete_at_once_with_the_attributes_of_its_place(archive: Channel, tmp_path: Path) -> None:
    members = {f"DICOM/{number}": instance(2, number) for number in range(5)}
    members |= {"DICOMDIR": b"index", "viewer/start.exe": b"MZ"}
    with file_intake(tmp_path, archive, [PUT, DELETE], layout="{site}/{trial}") as intake:
        intake.write({"basel/heart/upload.zip": zipped(members)})
        job = intake.ended(1)["basel/heart/upload.zip"]
    assert (job.state, job.stored_count, job.refused_count) == (State.DONE, 5, 0)
    assert not (intake.path / "basel/heart/upload.zip").exists()
    told = _told(archive, 2)
    completed = told["study_completed"]
    assert completed.study_completed.reason == CompletionReason.COMPLETION_REASON_COUNTED_AGAINST_SOURCE
    assert dict(ArchiveClient(archive).study(study_uid(2), store="inbox").attributes) == {
        "site": "basel",
        "trial": "heart",
    }


def test_what_is_stored_says_which_job_of_which_rule_brought_it(archive: Channel, tmp_path: Path) -> None:
    with file_intake(tmp_path, archive, [PUT], layout="{site}") as intake:
        intake.write({"basel/a.dcm": instance(3, 1)})
        job = intake.ended(1)["basel/a.dcm"]
    origin = _told(archive, 3)["instance_stored"].origin
    assert (origin.door, origin.rule, origin.operation, origin.source) == ("folder", "intake", job.name, "basel")


def test_what_is_neither_an_instance_nor_a_zip_is_told_and_stays(archive: Channel, tmp_path: Path) -> None:
    files = {
        "letter.pdf": b"%PDF-1.7",
        "empty": b"",
        "cut.dcm": instance(4, 1)[:3000],
        "cut.zip": zipped({"a": instance(4, 2)})[:2000],
        "bomb.zip": bomb(1 << 40),
        "nothing.zip": zipped({"DICOMDIR": b"x"}),
        "good.dcm": instance(4, 3),
    }
    with file_intake(tmp_path, archive, [PUT, DELETE]) as intake:
        intake.write(files)
        jobs = intake.ended(len(files))
    why = {path: job.steps[0].last_error for path, job in jobs.items() if job.state is State.DEAD}
    assert why == {
        "letter.pdf": "NOT_PART10",
        "empty": "NOT_PART10",
        "cut.dcm": "DATA_SET_TRUNCATED",
        "cut.zip": "CONTAINER_INVALID",
        "bomb.zip": "CONTAINER_LIMIT",
        "nothing.zip": "there is no instance in it that the rule wants",
    }
    assert sorted(path.name for path in intake.path.iterdir()) == sorted(why)


def test_a_zip_with_refused_members_is_kept_and_says_which(archive: Channel, tmp_path: Path) -> None:
    members = {
        "PATIENT^NAME/1": instance(5, 1),
        "PATIENT^NAME/2": instance(5, 2)[:2000],
        "3.txt": b"some text",
        "inner.zip": zipped({"a": instance(5, 4)}),
        "5": instance(5, 5),
    }
    with file_intake(tmp_path, archive, [PUT, DELETE]) as intake:
        intake.write({"some.zip": zipped(members)})
        job = intake.ended(1)["some.zip"]
    assert (job.state, job.stored_count, job.refused_count) == (State.DEAD, 2, 3)
    put, delete = job.steps
    assert put.done
    assert sorted(put.last_error.split("; ")) == [
        "CONTAINER_INVALID: member 4",
        "DATA_SET_TRUNCATED: member 2",
        "NOT_PART10: member 3",
    ]
    assert delete.last_error == "the file is kept: 3 of its instances were refused"
    assert (intake.path / "some.zip").exists()
    assert "study_completed" not in _told(archive, 5), "nobody knows whether the study is whole"


def test_encrypted_members_are_refused_and_the_zip_is_kept(archive: Channel, tmp_path: Path) -> None:
    with file_intake(tmp_path, archive, [PUT, DELETE]) as intake:
        intake.write({"secret.zip": altered(zipped({"a": instance(6, 1)}), 0, 1)})
        job = intake.ended(1)["secret.zip"]
    assert (job.state, job.steps[0].last_error) == (State.DEAD, "CONTAINER_INVALID: member 1")
    assert (intake.path / "secret.zip").exists()


def test_members_that_the_condition_leaves_out_are_not_stored_and_the_zip_is_kept(
    archive: Channel, tmp_path: Path
) -> None:
    mr = instance(7, 2, Modality="MR", series_uid="1.2.3")
    with file_intake(tmp_path, archive, [PUT, DELETE], when='Modality = "CT"') as intake:
        intake.write({"both.zip": zipped({"ct": instance(7, 1), "mr": mr})})
        job = intake.ended(1)["both.zip"]
    assert (job.stored_count, job.refused_count) == (1, 0)
    assert held(archive, 7) == {f"{study_uid(7)}.1"}
    assert job.steps[1].last_error == "the file is kept: 1 of its instances are not in inbox"
    assert (intake.path / "both.zip").exists()


def test_large_instances_are_streamed_from_files_and_zips(archive: Channel, tmp_path: Path) -> None:
    large = [
        make_ct(1600, 1600, study_uid=study_uid(8), sop_uid=f"{study_uid(8)}.{number}", PatientComments="x" * number)
        for number in (1, 2)
    ]
    assert len(large[0]) > SMALL
    with file_intake(tmp_path, archive, [PUT, DELETE]) as intake:
        intake.write({"1.dcm": large[0], "2.zip": zipped({"2": large[1]})})
        jobs = intake.ended(2)
    assert [job.state for job in jobs.values()] == [State.DONE] * 2
    assert b"".join(ArchiveClient(archive).read(f"{study_uid(8)}.2", store="inbox")) == large[1]
    assert not list(intake.path.iterdir())


def test_a_file_whose_instance_conflicts_with_another_is_kept(archive: Channel, tmp_path: Path) -> None:
    with file_intake(tmp_path, archive, [PUT, DELETE]) as intake:
        intake.write({"1.dcm": instance(9, 1)})
        intake.ended(1)
        intake.write({"2.dcm": instance(9, 1, PatientComments="other")})
        jobs = intake.ended(2)
    assert jobs["2.dcm"].state is State.DEAD
    assert "INSTANCE_CONFLICT" in jobs["2.dcm"].steps[0].last_error
    assert [path.name for path in intake.path.iterdir()] == ["2.dcm"]


def test_a_file_is_not_deleted_when_its_instance_is_not_in_the_store_any_more(archive: Channel, tmp_path: Path) -> None:
    intake = FileIntake(tmp_path, archive, rule_of(tmp_path / "incoming", [PUT, DELETE]))
    intake.write({"1.dcm": instance(10, 1), "2.dcm": instance(10, 2)})
    put, delete = intake.actions
    put.carry_out(intake.task("1.dcm", 0))
    put.carry_out(intake.task("2.dcm", 0))
    ArchiveClient(archive).delete(sop_instance_uids=f"{study_uid(10)}.1", store="inbox")
    gone = intake.task("2.dcm", 1)
    delete.carry_out(gone)
    delete.carry_out(gone)  # as after an attempt whose end was not recorded
    with pytest.raises(Refused, match="1 of its instances are not in inbox"):
        delete.carry_out(intake.task("1.dcm", 1))
    assert [path.name for path in intake.path.iterdir()] == ["1.dcm"]
    intake.stop()


def test_a_file_is_deleted_whose_instance_a_rule_took_on_meanwhile(archive: Channel, tmp_path: Path) -> None:
    intake = FileIntake(tmp_path, archive, rule_of(tmp_path / "incoming", [PUT, DELETE]))
    uid = f"{study_uid(21)}.1"
    intake.write({"1.zip": zipped({"a": instance(21, 1), "b": instance(21, 2)}), "2.dcm": instance(22, 1)})
    put, delete = intake.actions
    for name in ("1.zip", "2.dcm"):
        put.carry_out(intake.task(name, 0))
    origin = Origin(rule="move", operation="jobs/1")
    ArchiveClient(archive).delete(study_uid(21), sop_instance_uids=uid, store="inbox", origin=origin)
    delete.carry_out(intake.task("1.zip", 1))
    ArchiveClient(archive).delete(study_uid(22), store="inbox", origin=origin)
    intake.write({"2.dcm": instance(22, 1, PatientComments="another one")})
    with pytest.raises(Refused, match="1 of its instances are not in inbox"):
        delete.carry_out(intake.task("2.dcm", 1))
    assert [path.name for path in intake.path.iterdir()] == ["2.dcm"]
    intake.stop()


def test_a_file_replaced_since_is_neither_stored_nor_deleted(archive: Channel, tmp_path: Path) -> None:
    intake = FileIntake(tmp_path, archive, rule_of(tmp_path / "incoming", [PUT, DELETE]))
    intake.write({"1.dcm": instance(11, 1)})
    tasks = [intake.task("1.dcm", 0), intake.task("1.dcm", 1)]
    intake.write({"1.dcm": instance(11, 1) + b"\0\0"})
    for action, task in zip(intake.actions, tasks, strict=True):
        with pytest.raises(Refused, match="not as it was any more"):
            action.carry_out(task)
    assert (intake.path / "1.dcm").exists()
    intake.stop()


def test_what_cannot_be_read_now_is_tried_again(
    archive: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake = FileIntake(tmp_path, archive, rule_of(tmp_path / "incoming", [PUT]))
    intake.write({"1.dcm": instance(13, 1)})
    task = intake.task("1.dcm", 0)

    def broken(descriptor: int, size: int, offset: int) -> bytes:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", broken)
        with pytest.raises(Postponed, match="Input/output error"):
            intake.actions[0].carry_out(task)
    intake.actions[0].carry_out(task)
    intake.stop()


def test_a_folder_that_is_away_for_a_moment_loses_no_job(
    archive: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake = FileIntake(tmp_path, archive, rule_of(tmp_path / "incoming", [PUT, DELETE]))
    intake.write({"1.dcm": instance(17, 1)})
    put, delete = (partial(action.carry_out, intake.task("1.dcm", at)) for at, action in enumerate(intake.actions))
    intake.path.rename(tmp_path / "away")
    for _ in range(2):
        with pytest.raises(Postponed, match="The folder is away"):
            put()
        with pytest.raises(Postponed, match="The folder is away"):
            delete()
        intake.path.mkdir(exist_ok=True)  # as where a network folder is not mounted
    intake.path.rmdir()
    (tmp_path / "away").rename(intake.path)
    with monkeypatch.context() as patch:
        patch.setattr(Place, "status", _stale)
        for action in (put, delete):
            with pytest.raises(Postponed, match="Stale file handle"):
                action()
    put()
    delete()
    assert not list(intake.path.iterdir())
    intake.stop()


def _stale(place: Place) -> os.stat_result:
    raise OSError(116, "Stale file handle")


def test_a_study_has_the_attributes_of_its_place_while_its_zip_is_still_read(archive: Channel, tmp_path: Path) -> None:
    intake = FileIntake(tmp_path, archive, rule_of(tmp_path / "incoming", [PUT], "{site}"))
    intake.write({"basel/a.zip": zipped({str(number): instance(18, number) for number in range(3)})})
    seen: list[str] = []
    really = ArchiveClient.update_attributes

    def update(self: ArchiveClient, *args: object, **options: object) -> object:
        seen.append("attributes")
        return really(self, *args, **options)  # type: ignore[arg-type]

    class Slow:
        """The zip's folder, whose last member comes once the attributes are there."""

        def parts(self, item: FileItem) -> Iterator[Part]:
            *first, last = folder.parts(item)
            yield from first
            awaited(lambda: bool(seen))
            seen.append("last member")
            yield last

    folder = intake.watched.folder("intake")
    put = PutFiles(ArchiveClient(archive), cast(Folder, Slow()), intake.journal, "inbox")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ArchiveClient, "update_attributes", update)
        put.carry_out(intake.task("basel/a.zip", 0))
    assert seen == ["attributes", "last member"]
    intake.stop()


def test_what_is_removed_is_what_was_read(archive: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    intake = FileIntake(tmp_path, archive, rule_of(tmp_path / "incoming", [PUT, DELETE]))
    file = intake.path / "1.dcm"
    intake.write({"1.dcm": instance(20, 1, PatientComments="aa")})
    tasks = [intake.task("1.dcm", at) for at in range(2)]
    intake.actions[0].carry_out(tasks[0])
    really = ArchiveClient.find_missing

    def replaced_meanwhile(self: ArchiveClient, *args: object, **options: object) -> object:
        times = file.stat()
        intake.write({"1.dcm": instance(20, 1, PatientComments="bb")})
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
        return really(self, *args, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(ArchiveClient, "find_missing", replaced_meanwhile)
        with pytest.raises(Postponed, match="not the one that was read"):
            intake.actions[1].carry_out(tasks[1])
    with pytest.raises(Refused, match="1 of its instances are not in inbox"):
        intake.actions[1].carry_out(tasks[1])
    assert file.exists()
    intake.stop()


def test_an_archive_that_is_away_is_unreachable(tmp_path: Path) -> None:
    with connect("127.0.0.1:9") as nobody:
        intake = FileIntake(tmp_path, nobody, rule_of(tmp_path / "incoming", [PUT]))
        intake.write({"1.dcm": instance(14, 1)})
        with pytest.raises(Unreachable):
            intake.actions[0].carry_out(intake.task("1.dcm", 0))
        intake.stop()
    assert (intake.path / "1.dcm").exists()


def test_a_store_that_is_full_is_tried_again(archive: Channel, tmp_path: Path) -> None:
    intake = FileIntake(tmp_path, archive, rule_of(tmp_path / "incoming", [Put("full")]))
    intake.write({"1.dcm": instance(12, 1)})
    with pytest.raises(Postponed, match="QUOTA_EXCEEDED"):
        intake.actions[0].carry_out(intake.task("1.dcm", 0))
    intake.stop()


def _told(archive: Channel, study: int) -> dict[str, FeedEntry]:
    """The last entry of each kind that the feed has of a study."""
    told: dict[str, FeedEntry] = {}
    for batch in ArchiveClient(archive).watch_feed(stores=["inbox"], stop_at_head=True, omit_headers=True):
        for entry in batch.entries:
            kind = entry.WhichOneof("event")
            event = getattr(entry, kind or "instance_stored")
            uid = event.instance.study_uid if kind == "instance_stored" else event.study_uid
            if uid == study_uid(study):
                told[str(kind)] = entry
    return told

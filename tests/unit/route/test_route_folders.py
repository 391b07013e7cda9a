"""A watched folder: each file becomes a job, once it is whole, whatever its owners do with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from diana_common.errors import DianaError
from diana_route.core.folders import Settling, Status, from_text, left_alone, read_layout, to_text
from diana_route.core.model import FileItem
from tests.support.hostile_zips import zipped
from tests.unit.route.folder_bench import FolderBench, instance


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[FolderBench]:
    bench = FolderBench(tmp_path)
    yield bench
    bench.journal.close()


def test_each_file_becomes_one_job_and_another_look_makes_none(bench: FolderBench) -> None:
    bench.write("a.dcm")
    bench.write("deep/er/b.dcm")
    assert sorted(bench.look(1)) == ["a.dcm", "deep/er/b.dcm"]
    assert len(bench.look(3)) == 2


def test_what_is_hidden_partial_or_a_systems_own_is_left_alone(bench: FolderBench) -> None:
    names = (".hidden", "x.part", "x.dcm.TMP", "x.crdownload", "~lock", "x.dcm~", "Thumbs.db", "DICOMDIR", "a.filepart")
    for name in (*names, ".git/a.dcm", "upload.tmp/a.dcm", "__MACOSX/a.dcm", "ok/a.dcm"):
        bench.write(name)
    assert bench.look() == ["ok/a.dcm"]


def test_a_file_renamed_when_it_is_done_becomes_a_job_under_its_last_name(bench: FolderBench) -> None:
    partial = bench.write("a.dcm.part")
    assert bench.look() == []
    partial.rename(bench.path / "a.dcm")
    assert bench.look() == ["a.dcm"]


def test_links_lead_nowhere(bench: FolderBench, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.dcm").write_bytes(instance())
    (bench.path / "file.dcm").symlink_to(outside / "secret.dcm")
    (bench.path / "directory").symlink_to(outside)
    (bench.path / "loop").symlink_to(bench.path)
    os.mkfifo(bench.path / "pipe")
    assert bench.look() == []
    with pytest.raises(DianaError, match="not there"):
        list(bench.folder.parts(FileItem("intake", "directory/secret.dcm", "s")))


@pytest.mark.parametrize("path", ["../outside.dcm", "/etc/passwd", "a/../../b", "a//b", "\\x2e\\x2e/b", ""])
def test_no_path_leads_out_of_the_folder(bench: FolderBench, path: str) -> None:
    (bench.path.parent / "outside.dcm").write_bytes(instance())
    with pytest.raises(DianaError, match="not there"):
        bench.folder.status(path)


def test_the_layout_gives_attributes_and_passes_over_what_lies_elsewhere(tmp_path: Path) -> None:
    bench = FolderBench(tmp_path, layout="in/{site}/{trial}")
    for path in (
        "in/basel/heart/a.dcm",
        "in/basel/heart/more/b.dcm",
        "in/basel/c.dcm",
        "d.dcm",
        "out/basel/heart/e.dcm",
    ):
        bench.write(path)
    assert sorted(bench.look()) == ["in/basel/heart/a.dcm", "in/basel/heart/more/b.dcm"]
    attributes = [dict(job.item.attributes) for job in bench.jobs if isinstance(job.item, FileItem)]
    assert attributes == [{"site": "basel", "trial": "heart"}] * 2


def test_layouts_are_read_level_by_level() -> None:
    assert read_layout("", "a.dcm") == {}
    assert read_layout("{site}/{trial}", "basel/heart/a.dcm") == {"site": "basel", "trial": "heart"}
    assert read_layout("{site}/{trial}", "basel/a.dcm") is None
    assert read_layout("sites/{site}", "other/basel/a.dcm") is None


def test_names_that_are_no_utf8_or_cannot_be_seen_are_taken_and_shown_in_ascii(bench: FolderBench) -> None:
    names = [b"caf\xe9.dcm", b"line\nbreak.dcm", b"back\\x41slash.dcm", "Zürich.dcm".encode(), b"\x1b[2J.dcm"]
    for name in names:
        (bench.path / os.fsdecode(name)).write_bytes(instance())
    paths = bench.look()
    assert sorted(paths) == sorted(
        ["caf\\xe9.dcm", "line\\x0abreak.dcm", "back\\x5cx41slash.dcm", "Zürich.dcm", "\\x1b[2J.dcm"]
    )
    for path in paths:
        path.encode()
        assert bench.folder.status(path).size > 0
        assert to_text(from_text(path)) == path


def test_a_path_longer_than_answers_may_carry_is_left_alone() -> None:
    assert left_alone("d/" * 2048 + "a.dcm") == "its path is longer than 4,096 bytes"


def test_a_file_is_whole_when_neither_size_nor_time_changed_for_a_while() -> None:
    settling = Settling(2.0)
    assert not settling.is_settled("a", Status(10, 1, 1), 100.0)
    assert not settling.is_settled("a", Status(10, 1, 1), 101.9)
    assert not settling.is_settled("a", Status(20, 1, 1), 102.1)
    assert not settling.is_settled("a", Status(20, 2, 1), 104.0)
    assert not settling.is_settled("a", Status(20, 2, 1), 105.9)
    assert settling.is_settled("a", Status(20, 2, 9), 106.0)
    settling.keep_only([])
    assert not settling.is_settled("a", Status(20, 2, 9), 200.0)


def test_a_file_that_grows_waits(tmp_path: Path) -> None:
    bench = FolderBench(tmp_path, settle_seconds=3600.0)
    bench.write("a.dcm")
    assert bench.look(3) == []


def test_a_restart_neither_loses_nor_repeats(bench: FolderBench) -> None:
    bench.write("before.dcm")
    assert bench.look() == ["before.dcm"]
    bench.write("meanwhile.dcm")
    bench.restart()
    assert bench.look() == ["before.dcm", "meanwhile.dcm"]


def test_a_file_that_stays_is_no_new_one_after_its_job_was_forgotten(bench: FolderBench) -> None:
    bench.write("a.dcm")
    bench.look()
    task = bench.journal.next_for("archive", 1e12, [])
    assert task
    bench.journal.succeeded(task, 1.0)
    bench.journal.forget(2.0)
    bench.restart()
    assert bench.look() == []


def test_a_file_replaced_under_its_name_is_a_new_one(bench: FolderBench) -> None:
    bench.write("a.dcm", instance(1))
    assert len(bench.look()) == 1
    bench.write("a.dcm", instance(2) + b"\0\0")
    assert len(bench.look()) == 2
    bench.restart()
    assert len(bench.look()) == 2


def test_a_file_removed_and_put_there_again_is_a_new_one(bench: FolderBench) -> None:
    file = bench.write("a.dcm")
    assert len(bench.look()) == 1
    file.rename(bench.path.parent / "aside")
    bench.look()
    (bench.path.parent / "aside").rename(file)
    assert len(bench.look()) == 2


def test_a_file_that_an_action_removed_is_a_new_one_when_it_comes_again_at_once(bench: FolderBench) -> None:
    file = bench.write("a.dcm")
    status = file.stat()
    bench.look()
    file.unlink()
    bench.watching.forget(["a.dcm"])
    bench.write("a.dcm")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert len(bench.look()) == 2


def test_a_renamed_directory_gives_its_files_new_names(bench: FolderBench) -> None:
    bench.write("a/1.dcm")
    bench.write("a/2.dcm")
    assert len(bench.look()) == 2
    (bench.path / "a").rename(bench.path / "b")
    assert sorted(bench.look()[2:]) == ["b/1.dcm", "b/2.dcm"]


def test_files_and_directories_may_vanish_while_they_are_looked_at(
    bench: FolderBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        bench.write(f"{number}/a.dcm")
    really = os.scandir

    def vanishing(descriptor: int) -> object:
        found = really(descriptor)
        for number in range(10, 20):
            (bench.path / f"{number}/a.dcm").unlink(missing_ok=True)
            if (bench.path / f"{number}").exists():
                (bench.path / f"{number}").rmdir()
        return found

    monkeypatch.setattr(os, "scandir", vanishing)
    assert sorted(bench.look()) == sorted(f"{number}/a.dcm" for number in range(10))
    assert bench.troubles == []


def test_a_folder_that_is_not_there_is_told_and_found_again(bench: FolderBench) -> None:
    bench.write("a.dcm")
    bench.look()
    bench.path.rename(bench.path.parent / "away")
    with pytest.raises(DianaError, match="No such file or directory"):
        bench.watching.look()
    (bench.path.parent / "away").rename(bench.path)
    assert len(bench.look()) == 1, "what was known before is known again"


def test_an_empty_directory_in_a_folders_place_makes_nothing_forgotten(bench: FolderBench) -> None:
    bench.write("a.dcm")
    bench.look()
    bench.path.rename(bench.path.parent / "away")
    bench.path.mkdir()  # as where a network folder is not mounted
    bench.look()
    bench.path.rmdir()
    (bench.path.parent / "away").rename(bench.path)
    assert len(bench.look()) == 1


def test_a_folder_that_goes_away_during_a_look_makes_nothing_forgotten(
    bench: FolderBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write("a/1.dcm")
    bench.look()
    really = os.scandir

    def away(descriptor: int) -> object:
        found = really(descriptor)
        bench.path.rename(bench.path.parent / "away")
        bench.path.mkdir()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", away)
        with pytest.raises(DianaError, match="went away"):
            bench.watching.look()
    bench.path.rmdir()
    (bench.path.parent / "away").rename(bench.path)
    assert len(bench.look()) == 1


def test_the_files_of_a_directory_that_cannot_be_read_for_a_while_are_not_forgotten(
    bench: FolderBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write("a/1.dcm")
    bench.write("b.dcm")
    bench.look()
    really = os.scandir

    def unreadable(descriptor: int) -> object:
        if Path(f"/proc/self/fd/{descriptor}").readlink().name == "a":
            raise PermissionError(13, "Permission denied")
        return really(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", unreadable)
        bench.look()
        assert bench.troubles == ["1 directories below the folder cannot be read (Permission denied)."]
    assert len(bench.look()) == 2
    assert bench.troubles[-1] == ""


def test_thousands_of_files_become_jobs_in_few_commits(bench: FolderBench) -> None:
    for number in range(3000):
        (bench.path / f"{number}.dcm").write_bytes(b"x")
    assert len(bench.look()) == 3000


def test_the_condition_is_asked_of_the_instance(tmp_path: Path) -> None:
    bench = FolderBench(tmp_path, when='Modality = "MR"')
    bench.write("ct.dcm")
    bench.write("mr.dcm", instance(Modality="MR"))
    assert bench.look() == ["mr.dcm"]


def test_a_zip_fires_where_any_of_its_series_meets_the_condition(tmp_path: Path) -> None:
    bench = FolderBench(tmp_path, when='Modality = "MR"')
    bench.write("ct.zip", zipped({"a": instance(), "readme.txt": b"hello"}))
    bench.write("both.zip", zipped({"a": instance(), "b": instance(2, Modality="MR", series_uid="1.2.3")}))
    assert bench.look() == ["both.zip"]


def test_what_no_condition_can_be_asked_of_becomes_a_job_that_tells_why(tmp_path: Path) -> None:
    bench = FolderBench(tmp_path, when='Modality = "MR"')
    bench.write("letter.pdf", b"%PDF-1.7")
    bench.write("cut.dcm", instance()[:400])
    bench.write("broken.zip", b"PK\x03\x04 and no more")
    assert sorted(bench.look()) == ["broken.zip", "cut.dcm", "letter.pdf"]


def test_nothing_is_given_of_a_file_that_was_written_to_while_it_was_read(
    bench: FolderBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = bench.write("a.dcm")
    item = FileItem("intake", "a.dcm", bench.folder.status("a.dcm").stamp)
    really = os.pread

    def torn(descriptor: int, size: int, offset: int) -> bytes:
        data = really(descriptor, size, offset)
        file.write_bytes(instance(2) + b"\0\0")
        return data

    monkeypatch.setattr(os, "pread", torn)
    with pytest.raises(DianaError, match="not as it was any more"):
        next(bench.folder.parts(item))


def test_looking_goes_on_in_its_thread_whatever_goes_wrong(bench: FolderBench) -> None:
    bench.path.rename(bench.path.parent / "away")
    bench.watching.start()
    try:
        bench.await_event("The folder cannot be read (No such file or directory).")
        (bench.path.parent / "away").rename(bench.path)
        bench.await_event("")
        bench.write("a.dcm")
        bench.await_event("added")
    finally:
        bench.watching.stop()
    assert len(bench.jobs) == 1

"""Indexing folders where they lie, in every store: what is read, what is not read again, what is forgotten."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from diana_common.errors import DianaError, Reason
from diana_index.adapters import header_files
from diana_index.core.folders import indexing
from diana_index.core.folders.model import Counts, Kind
from diana_index.core.folders.ports import Wanted
from diana_index.core.folders.registry import Changes, Row
from tests.contract.index.folder_bench import FolderBench, Interrupted
from tests.support.dicom_files import make_small
from tests.support.hostile_zips import altered, bomb, crowded, overlapping, zipped


def scan(number: int, accession: str = "A1", **overrides: str) -> bytes:
    """A file of an accession number."""
    return make_small(sop_uid=f"1.2.{number}", AccessionNumber=accession, **overrides)


def fill(bench: FolderBench, count: int, directories: int = 4) -> None:
    for number in range(count):
        bench.write(f"d{number % directories}/{number:05}.dcm", scan(number))


def test_files_are_known_by_accession_number_study_and_patient(folders: FolderBench) -> None:
    folders.write("a/1.dcm", scan(1, "A1", study_uid="1.1", patient_id="P1"))
    folders.write("a/b/2.dcm", scan(2, "A1", study_uid="1.1", patient_id="P1"))
    folders.write("3.dcm", scan(3, "A2", study_uid="1.2", patient_id="P1"))
    assert folders.index() == Counts(read=3)
    assert folders.paths("A1") == ["a/1.dcm", "a/b/2.dcm"]
    assert folders.paths("1.2", Kind.STUDY) == ["3.dcm"]
    assert folders.paths("P1", Kind.PATIENT) == ["3.dcm", "a/1.dcm", "a/b/2.dcm"]
    assert folders.paths("A3") == []


def test_what_is_told_of_a_file_is_what_its_header_says(folders: FolderBench) -> None:
    content = scan(1, " A1 ", StudyDescription="Schädel^nativ", Modality="MR", SpecificCharacterSet="ISO_IR 100")
    path = folders.write("1.dcm", content)
    folders.index()
    (file,) = folders.find("A1")
    assert (file.sop_instance_uid, file.size, file.stamp.mtime_ns) == ("1.2.1", len(content), path.stat().st_mtime_ns)
    assert (file.shared.study_description, file.shared.modality) == ("Schädel^nativ", "MR")
    assert file.place.folder == os.fsencode(folders.room)


def test_unchanged_files_are_not_read_again(folders: FolderBench, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(folders, 5)
    folders.write("more.zip", zipped({"x": scan(8), "readme": b"text"}))
    folders.write("notes.txt", b"text")
    assert folders.index() == Counts(read=6, skipped=2)
    asked = _counted(monkeypatch)
    assert folders.index() == Counts(unchanged=6, skipped=2)
    assert asked == []
    assert folders.index(read_all=True) == Counts(read=6, skipped=2)
    assert sum(asked) == 7


def test_a_changed_file_is_read_again_and_its_old_values_forgotten(folders: FolderBench) -> None:
    path = folders.write("1.dcm", scan(1, "A1"))
    folders.write("2.dcm", scan(2, "A1"))
    folders.index()
    path.write_bytes(scan(1, "OTHER"))
    assert folders.index() == Counts(read=1, unchanged=1)
    assert (folders.paths("A1"), folders.paths("OTHER")) == (["2.dcm"], ["1.dcm"])


def test_a_zip_file_that_changed_is_read_anew_and_lost_members_are_forgotten(folders: FolderBench) -> None:
    folders.write("z.zip", zipped({"a": scan(1), "b": scan(2), "c": scan(3)}))
    folders.index()
    assert folders.paths("A1") == ["z.zip!a", "z.zip!b", "z.zip!c"]
    folders.write("z.zip", zipped({"c": scan(3)}))
    folders.index()
    assert folders.paths("A1") == ["z.zip!c"]


def test_files_and_directories_that_are_gone_are_forgotten(folders: FolderBench) -> None:
    fill(folders, 12)
    folders.write("z.zip", zipped({"a": scan(20), "b": scan(21)}))
    folders.index()
    (folders.room / "d0" / "00000.dcm").unlink()
    (folders.room / "z.zip").unlink()
    for path in (folders.room / "d1").iterdir():
        path.unlink()
    (folders.room / "d1").rmdir()
    assert folders.index() == Counts(unchanged=8, forgotten=6)
    assert len(folders.find("A1")) == 8
    assert folders.folders.folders()[0].file_count == 8


def test_a_directory_that_cannot_be_read_is_a_failure_and_what_is_known_of_it_stays(
    folders: FolderBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folders, 4)
    folders.write("d1/below/9.dcm", scan(9))
    folders.index()
    opened = type(folders.folders.trees.tree(str(folders.room))).open

    def refuse(tree: object, directory: bytes) -> object:
        if directory == b"d1":
            raise DianaError(Reason.SOURCE_NOT_FOUND, "no")
        return opened(tree, directory)  # type: ignore[arg-type]

    monkeypatch.setattr("diana_index.adapters.trees.HostTree.open", refuse)
    assert folders.index() == Counts(unchanged=3, failed=1)
    assert list(folders.watcher.failures) == ["d1"]
    assert "d1/below/9.dcm" in folders.paths("A1")


def test_links_are_not_followed_and_pipes_not_opened(folders: FolderBench, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "1.dcm").write_bytes(scan(1))
    (folders.room / "link").symlink_to(tmp_path / "outside")
    (folders.room / "file").symlink_to(tmp_path / "outside" / "1.dcm")
    os.mkfifo(folders.room / "pipe")
    assert folders.index() == Counts()


def test_names_that_are_not_text_are_told_and_read(folders: FolderBench) -> None:
    name = os.fsencode(folders.room) + b"/\xff\n.dcm"
    Path(os.fsdecode(name)).write_bytes(scan(1))
    folders.index()
    (file,) = folders.find("A1")
    assert file.place.name == b"\xff\n.dcm"
    assert folders.index() == Counts(unchanged=1)


def test_damaged_files_are_failures_with_their_paths_and_told_of_again(folders: FolderBench) -> None:
    folders.write("d/cut.dcm", scan(1)[:150])
    folders.write("ok.dcm", scan(2))
    assert folders.index() == Counts(read=1, failed=1)
    assert list(folders.watcher.failures) == ["d/cut.dcm"]
    assert folders.index() == Counts(unchanged=1, failed=1)
    assert list(folders.watcher.failures) == ["d/cut.dcm"]


def test_hostile_zip_files_are_refused_and_cost_nothing(folders: FolderBench) -> None:
    folders.write("bomb.zip", bomb(1 << 42))
    folders.write("crowd.zip", crowded(100_001))
    folders.write("overlap.zip", overlapping(scan(1), 100))
    folders.write("locked.zip", altered(zipped({"a": scan(1)}), 0, 1))
    folders.write("nested.zip", zipped({"in.zip": zipped({"a": scan(1)}), "../../x": scan(7)}))
    assert folders.index() == Counts(read=1, skipped=1, failed=4)
    assert sorted(folders.watcher.failures) == ["bomb.zip", "crowd.zip", "locked.zip!a", "overlap.zip"]
    assert folders.paths("A1") == ["nested.zip!../../x"]


def test_values_that_databases_cannot_take_are_made_so(folders: FolderBench) -> None:
    folders.write("1.dcm", scan(1, "A1", StudyDescription="a\0b" + "x" * 5000))
    assert folders.index() == Counts(read=1)
    (file,) = folders.find("A1")
    assert "\0" not in file.shared.study_description
    assert len(file.shared.study_description) <= 256


def test_a_run_that_is_cut_short_goes_on_where_it_was(folders: FolderBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "_WRITE_CHANGES", 10)
    monkeypatch.setattr(indexing, "_BATCH", 10)
    fill(folders, 200, directories=10)
    folders.write("d0/bad.dcm", scan(1)[:150])
    with pytest.raises(Interrupted):
        folders.index(run="one", read_all=True, end_after=100)
    kept = len(folders.find("A1"))
    assert 0 < kept < 200
    folders.reopen()
    reading = _counted(monkeypatch)
    assert folders.index(run="one", read_all=True) == Counts(read=200, failed=1)
    assert sum(reading) <= 201 - kept
    assert folders.index() == Counts(unchanged=200, failed=1)


def _counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many files readers are asked for."""
    asked: list[int] = []

    def wanted(directory: bytes, names: list[bytes]) -> Wanted:
        asked.append(len(names))
        return Wanted(directory, names)

    monkeypatch.setattr(indexing, "Wanted", wanted)
    return asked


def test_a_zip_file_that_was_cut_short_within_is_read_anew(
    folders: FolderBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "_WRITE_CHANGES", 1)
    count = 3000
    folders.write("z.zip", zipped({f"{number:05}": scan(number) for number in range(count)}))
    with pytest.raises(Interrupted):
        folders.index(run="one", end_after=1000)
    folders.write("z.zip", zipped({"only": scan(1)}))
    folders.reopen()
    assert folders.index(run="one") == Counts(read=1)
    assert folders.paths("A1") == ["z.zip!only"]


def test_a_reader_that_dies_takes_only_its_file_with_it(folders: FolderBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the kernel's out-of-memory killer would have it: the file that is its fault is named, the rest are read."""
    fill(folders, 20, directories=1)
    folders.write("d0/00007.dcm", b"deadly")
    _have_readers(monkeypatch, f"if name == b'00007.dcm': os.kill(os.getpid(), {int(signal.SIGKILL)})")
    assert folders.index() == Counts(read=19, failed=1)
    assert list(folders.watcher.failures) == ["d0/00007.dcm"]


def test_an_indexing_whose_reader_hangs_can_be_ended(folders: FolderBench, monkeypatch: pytest.MonkeyPatch) -> None:
    folders.write("1.dcm", scan(1))
    _have_readers(monkeypatch, "time.sleep(3600)")
    with pytest.raises(Interrupted):
        folders.index(end_after=0)
    monkeypatch.undo()
    assert folders.index() == Counts(read=1)


def _have_readers(monkeypatch: pytest.MonkeyPatch, statement: str) -> None:
    """Have the processes that read headers do something before each file."""
    start = subprocess.Popen
    program = (
        "import os, time, diana_index.adapters.header_worker as worker\n"
        "read = worker.read_file\n"
        "def read_file(directory, name):\n"
        f"    {statement}\n"
        "    yield from read(directory, name)\n"
        "worker.read_file = read_file\n"
        "worker.main()\n"
    )

    def started(arguments: list[str], **options: object) -> subprocess.Popen[bytes]:
        return start([arguments[0], "-c", program], **options)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr("diana_index.adapters.header_pool.subprocess.Popen", started)


def test_a_folder_that_is_forgotten_while_it_is_indexed_ends_the_indexing(
    folders: FolderBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "_WRITE_CHANGES", 1)
    fill(folders, 5)
    run = folders.registry.begin(os.fsencode(folders.room), "one")
    folders.folders.forget(str(folders.room))
    with pytest.raises(DianaError) as refused:
        run.write(Changes())
    assert refused.value.reason is Reason.SOURCE_NOT_FOUND
    assert folders.folders.folders() == []


def test_a_forgotten_folder_leaves_nothing_and_other_folders_stay(folders: FolderBench) -> None:
    folders.write("one/1.dcm", scan(1))
    folders.write("one/z.zip", zipped({"a": scan(3)}))
    folders.write("two/2.dcm", scan(2))
    folders.index("one")
    folders.index("two")
    assert [one.file_count for one in folders.folders.folders()] == [2, 1]
    folders.folders.forget(str(folders.room / "one"))
    folders.folders.forget(str(folders.room / "one"))
    assert folders.paths("A1") == ["2.dcm"]
    assert folders.registry.collections(Kind.ACCESSION_NUMBER, "", "", 10) == [("A1", 1)]
    assert folders.index("one") == Counts(read=2)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("relative", Reason.INVALID_FIELD),
        ("/", Reason.PATH_FORBIDDEN),
        ("{room}/../..", Reason.PATH_FORBIDDEN),
        ("{room}/link", Reason.PATH_FORBIDDEN),
        ("{room}/none", Reason.SOURCE_NOT_FOUND),
        ("{room}/file", Reason.SOURCE_NOT_FOUND),
    ],
)
def test_paths_that_may_not_or_cannot_be_indexed_are_refused(folders: FolderBench, path: str, reason: Reason) -> None:
    folders.write("file", b"")
    (folders.room / "link").symlink_to("/etc")
    with pytest.raises(DianaError) as refused:
        folders.folders.check(path.format(room=folders.room))
    assert refused.value.reason is reason


def test_only_so_many_members_that_cannot_be_read_are_named(
    folders: FolderBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(header_files, "_MOST_FAILURES", 2)
    content = zipped({str(number): scan(number)[:150] for number in range(4)})
    path = folders.write("z.zip", content)
    with path.open("rb") as file:
        found = list(header_files._read_zip(file.fileno(), b"z.zip", path.stat()))
    assert [one[0] for one in found if not isinstance(one, Row)] == ["z.zip!0", "z.zip!1", "", ""]

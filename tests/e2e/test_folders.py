"""The folder registry through diana-cli and the clients: indexed, found, fetched, put, anonymized, killed, resumed."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from diana.index.v1.folder_service_pb2 import IndexFolderResult
from diana.operation.v1.operation_service_pb2 import Operation
from diana_cli.app import cli
from diana_client import (
    AsyncFolderClient,
    AsyncOperationClient,
    FileUnreadable,
    FolderClient,
    InvalidRequest,
    NotFound,
    OperationClient,
    PermissionDenied,
    connect,
    connect_async,
)
from tests.support.dicom_files import make_small
from tests.support.hostile_zips import bomb, zipped
from tests.support.mesh import Mesh

FILES = 20_000


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """The directory that is open for indexing."""
    (tmp_path / "open").mkdir()
    return tmp_path / "open"


@pytest.fixture
def mesh(tmp_path: Path, room: Path) -> Iterator[Mesh]:
    with Mesh(tmp_path / "state", "index", settings={"DIANA_INDEX_FOLDER_DIRS": f"['{room}']"}) as mesh:
        yield mesh


def run(mesh: Mesh, tmp_path: Path, *args: str | Path) -> Result:
    services = tmp_path / "services.yaml"
    entries = {name: {"ctype": name, "address": one.address} for name, one in mesh.processes.items()}
    services.write_text(yaml.safe_dump(entries))
    return CliRunner().invoke(cli, ["--services", str(services), "--json", *map(str, args)])


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


def scan(number: int, accession: str = "A1", **overrides: str) -> bytes:
    return make_small(sop_uid=f"1.2.3.{number}", AccessionNumber=accession, **overrides)


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def index(mesh: Mesh, room: Path) -> None:
    with connect(mesh.index) as channel:
        ended = OperationClient(channel).wait(FolderClient(channel).index(str(room)).name, 120)
        assert ended.state == Operation.STATE_SUCCEEDED, ended


def test_a_folder_is_indexed_and_its_files_are_found_fetched_and_put(mesh: Mesh, tmp_path: Path, room: Path) -> None:
    for number in range(3):
        write(room / "site" / f"{number}.dcm", scan(number))
    write(room / "site" / "cut.dcm", scan(9)[:150])
    write(room / "site" / "more.zip", zipped({"../../x": scan(7), "readme": b"text"}))
    write(room / "other.dcm", scan(8, "A2"))
    write(room / "bomb.zip", bomb(1 << 42))
    result = run(mesh, tmp_path, "--failures", tmp_path / "failures", "findex", room)
    assert result.exit_code == 1, result.output
    (counts,) = lines(result)
    assert {"file_count": 8, "read_count": 5, "skipped_count": 1, "failed_count": 2}.items() <= counts.items()
    kept = [json.loads(line) for line in (tmp_path / "failures").read_text().splitlines()]
    assert sorted((one["path"], one["reason"]) for one in kept) == [
        ("bomb.zip", "CONTAINER_LIMIT"),
        ("site/cut.dcm", "FILE_META_INVALID"),
    ]
    assert [(one["value"], one["files"]) for one in lines(run(mesh, tmp_path, "findex-list"))] == [("A1", 4), ("A2", 1)]
    (folder,) = lines(run(mesh, tmp_path, "findex-list", "--folders"))
    assert (folder["path"], folder["files"]) == (str(room), 5)
    found = lines(run(mesh, tmp_path, "findex-find", "A1"))
    assert [one["sop_instance_uid"] for one in found] == ["1.2.3.0", "1.2.3.1", "1.2.3.2", "1.2.3.7"]
    put = run(mesh, tmp_path, "findex-get", "A1", "put", "archive:")
    assert [one["outcome"] for one in lines(put)] == ["stored"] * 4, put.output
    assert run(mesh, tmp_path, "findex-get", "A2", "--out", tmp_path / "out").exit_code == 0
    (copy,) = (tmp_path / "out").rglob("*.dcm")
    assert copy.read_bytes() == (room / "other.dcm").read_bytes()
    assert run(mesh, tmp_path, "findex-forget", room).exit_code == 0
    assert lines(run(mesh, tmp_path, "findex-list")) == []
    assert str(room) not in mesh.processes["index"].log()


def test_a_collection_is_anonymized_by_its_accession_number(tmp_path: Path, room: Path) -> None:
    settings = {"DIANA_INDEX_FOLDER_DIRS": f"['{room}']"}
    write(room / "1.dcm", scan(1, PatientID="SECRET1"))
    with Mesh(tmp_path / "state", "index", "anon", settings=settings) as mesh:
        index(mesh, room)
        result = run(mesh, tmp_path, "findex-get", "A1", "anonymize", "--out", tmp_path / "out")
        assert result.exit_code == 0, result.output
    (made,) = (tmp_path / "out").rglob("*.dcm")
    assert b"SECRET1" not in made.read_bytes()


def test_what_cannot_be_indexed_or_found_is_told_by_its_reason(mesh: Mesh, tmp_path: Path, room: Path) -> None:
    (room / "out").symlink_to("/etc")
    for args, reason in (
        (("findex", "/etc"), "PATH_FORBIDDEN"),
        (("findex", room / "out"), "PATH_FORBIDDEN"),
        (("findex", room / "missing"), "SOURCE_NOT_FOUND"),
        (("findex", "relative"), "INVALID_FIELD"),
        (("findex-get", "A1"), "COLLECTION_NOT_FOUND"),
    ):
        result = run(mesh, tmp_path, *args)
        assert result.exit_code in (1, 2)
        assert reason in result.stderr


def test_pages_and_kinds_and_repeated_requests(mesh: Mesh, room: Path) -> None:
    for number in range(5):
        write(room / f"{number}.dcm", scan(number, f"A{number % 2}", patient_id=f"P{number}"))
    with connect(mesh.index) as channel:
        client = FolderClient(channel)
        first = client.index(str(room), request_id="same")
        assert client.index(str(room), request_id="same").name == first.name
        assert OperationClient(channel).wait(first.name, 60).state == Operation.STATE_SUCCEEDED
        assert client.index(str(room), request_id="same").name == first.name
        assert [one.collection.value for one in client.collections("patient", prefix="P")] == [
            f"P{n}" for n in range(5)
        ]
        assert [one.path for one in client.find("A1")] == ["1.dcm", "3.dcm"]
        assert [one.read() for one in client.read("A1")] == [(room / f"{n}.dcm").read_bytes() for n in (1, 3)]
        assert [one.file.path for one in client.read("A1", sop_instance_uids=["1.2.3.3"])] == ["3.dcm"]
        (room / "1.dcm").unlink()
        gone, there = client.read("A1")
        with pytest.raises(FileUnreadable):
            for one in client.read("A1"):
                one.read()
        assert (gone.file.path, there.file.path) == ("1.dcm", "3.dcm")
        with pytest.raises(InvalidRequest):
            client.find("A1", kind="colour")
        with pytest.raises(NotFound):
            list(client.read("NONE"))


async def test_folders_from_asyncio(mesh: Mesh, room: Path) -> None:
    write(room / "one.dcm", scan(1))
    async with connect_async(mesh.index) as channel:
        client = AsyncFolderClient(channel)
        ended = await AsyncOperationClient(channel).wait((await client.index(str(room))).name, 60)
        assert ended.state == Operation.STATE_SUCCEEDED
        assert [one.file_count async for one in client.collections()] == [1]
        assert [one.path async for one in client.find("A1")] == ["one.dcm"]
        assert [await one.read() async for one in client.read("A1")] == [(room / "one.dcm").read_bytes()]
        assert [one.path for one in await client.folders()] == [str(room)]
        await client.forget(str(room))
        assert await client.folders() == []
        with pytest.raises(PermissionDenied):
            await client.index("/etc")


def test_an_indexing_killed_in_the_middle_goes_on_and_counts_all_once(mesh: Mesh, room: Path) -> None:
    links(room)
    write(room / "0" / "bad.dcm", scan(1)[:150])
    index_service = mesh.processes["index"]
    with connect(mesh.index) as channel:
        name = FolderClient(channel).index(str(room)).name
        operations = OperationClient(channel)
        until(lambda: operations.get(name).progress.done > 0)
        until(lambda: kept(mesh) > 0)
        assert FolderClient(channel).index(str(room), read_all=True).name == name
    index_service.kill()
    assert 0 < kept(mesh) < FILES
    index_service.start()
    with connect(mesh.index) as channel:
        operations = OperationClient(channel)
        ended = operations.wait(name, 120)
        assert ended.state == Operation.STATE_SUCCEEDED, ended
        result = IndexFolderResult()
        assert ended.result.Unpack(result)
        assert result == IndexFolderResult(file_count=FILES + 1, read_count=FILES, failed_count=1)
        assert [failure.item for failure in operations.failures(name)] == ["0/bad.dcm"]
        assert sum(one.file_count for one in FolderClient(channel).collections()) == FILES


def links(room: Path) -> None:
    """Many files that are links to a few: what they hold does not matter."""
    source = write(room / "source", scan(1))
    for directory in range(100):
        (room / str(directory)).mkdir()
        for number in range(FILES // 100):
            os.link(source, room / str(directory) / f"{number}.dcm")
    source.unlink()


def kept(mesh: Mesh) -> int:
    """How many files the registry has written down."""
    path = mesh.processes["index"].state / "index" / "folders.sqlite"
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("SELECT count(*) FROM file").fetchone()[0])

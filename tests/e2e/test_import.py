"""Imports through diana-cli against a real archive, killed in the middle and gone on with."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from diana.operation.v1.operation_service_pb2 import Operation
from diana_cli.app import cli
from diana_client import (
    ArchiveClient,
    AsyncArchiveClient,
    AsyncOperationClient,
    OperationClient,
    PermissionDenied,
    connect,
    connect_async,
)
from tests.support.dicom_files import make_small
from tests.support.hostile_zips import bomb, zipped
from tests.support.mesh import Mesh

FILES = 1500


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """The directory that is open for imports."""
    (tmp_path / "open").mkdir()
    return tmp_path / "open"


@pytest.fixture
def mesh(tmp_path: Path, room: Path) -> Iterator[Mesh]:
    with Mesh(tmp_path / "state", "archive", settings={"DIANA_ARCHIVE_IMPORT_DIRS": f"['{room}']"}) as mesh:
        yield mesh


def run(mesh: Mesh, tmp_path: Path, *args: str | Path) -> Result:
    services = tmp_path / "services.yaml"
    services.write_text(yaml.safe_dump({"archive": {"ctype": "archive", "address": mesh.archive}}))
    return CliRunner().invoke(cli, ["--services", str(services), "--json", *map(str, args)])


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_a_folder_is_imported_verified_and_its_failures_kept(mesh: Mesh, tmp_path: Path, room: Path) -> None:
    for number in range(3):
        write(room / "site" / f"{number}.dcm", make_small(sop_uid=f"1.2.3.{number}"))
    write(room / "site" / "cut.dcm", make_small()[:5000])
    write(room / "site" / "more.zip", zipped({"../../x": make_small(sop_uid="1.2.3.9"), "readme": b"text"}))
    write(room / "bomb.zip", bomb(1 << 42))
    result = run(mesh, tmp_path, "--failures", tmp_path / "failures", "import", room)
    assert result.exit_code == 1, result.output
    (counts,) = lines(result)
    wanted = {"file_count": 7, "stored_count": 4, "refused_count": 2, "skipped_count": 1, "outcome": "imported"}
    assert wanted.items() <= counts.items()
    kept = [json.loads(line) for line in (tmp_path / "failures").read_text().splitlines()]
    assert [(one["path"], one["reason"]) for one in kept] == [
        ("bomb.zip", "CONTAINER_LIMIT"),
        ("site/cut.dcm", "DATA_SET_TRUNCATED"),
    ]
    verified = run(mesh, tmp_path, "verify-store")
    assert verified.exit_code == 0, verified.output
    assert lines(verified)[0]["instance_count"] == 4
    assert str(room) not in mesh.processes["archive"].log()


def test_what_cannot_be_imported_is_told_by_its_reason(mesh: Mesh, tmp_path: Path, room: Path) -> None:
    (room / "out").symlink_to("/etc")
    for path, reason in (
        ("/etc/passwd", "PATH_FORBIDDEN"),
        (room / "out" / "passwd", "PATH_FORBIDDEN"),
        (room / "missing", "SOURCE_NOT_FOUND"),
        (write(room / "text", b"no DICOM"), "CONTAINER_INVALID"),
        ("relative", "INVALID_FIELD"),
    ):
        result = run(mesh, tmp_path, "import", path)
        assert result.exit_code in (1, 2)
        assert reason in result.stderr


async def test_an_import_is_started_and_waited_for_from_asyncio_too(mesh: Mesh, room: Path) -> None:
    write(room / "one.dcm", make_small())
    async with connect_async(mesh.archive) as channel:
        started = await AsyncArchiveClient(channel).import_instances(str(room / "one.dcm"))
        ended = await AsyncOperationClient(channel).wait(started.name, 60)
        assert ended.state == Operation.STATE_SUCCEEDED
        assert (await AsyncArchiveClient(channel).statistics()).instance_count == 1
        with pytest.raises(PermissionDenied):
            await AsyncArchiveClient(channel).import_instances("/etc")


def test_a_backup_without_a_place_is_refused(mesh: Mesh, tmp_path: Path) -> None:
    result = run(mesh, tmp_path, "backup")
    assert result.exit_code != 0
    assert "CONFIG_INVALID" in result.stderr


def test_an_import_killed_in_the_middle_goes_on_and_stores_all(mesh: Mesh, tmp_path: Path, room: Path) -> None:
    for number in range(FILES):
        data = make_small(sop_uid=f"1.2.3.{number}")
        write(room / f"{number % 10}" / f"{number:05d}", data if number % 100 else data[:5000])
    archive = mesh.processes["archive"]
    with connect(mesh.archive) as channel:
        name = ArchiveClient(channel).import_instances(str(room)).name
        operations = OperationClient(channel)
        until(lambda: operations.get(name).progress.done > 200)
    archive.kill()
    assert "operation ended" not in archive.log()
    archive.start()
    with connect(mesh.archive) as channel:
        operations = OperationClient(channel)
        ended = operations.wait(name, 120)
        assert ended.state == Operation.STATE_SUCCEEDED, ended
        failed = [failure.item for failure in operations.failures(name)]
        held = ArchiveClient(channel).statistics()
    (counts,) = lines(run(mesh, tmp_path, "import", room))
    assert held.instance_count == counts["already_stored_count"] == FILES - 15
    assert sorted(failed) == sorted(f"0/{number:05d}" for number in range(0, FILES, 100))
    assert ended.progress.done == ended.progress.total == FILES

"""Exit statuses, configuration, and how errors are told."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from diana_cli.app import cli
from diana_cli.mesh.state import StateLock, running_mesh, service_entries, write_mesh
from diana_common.errors import DianaError


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _run(*args: str) -> Result:
    return CliRunner().invoke(cli, args)


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_without_services_the_remedy_is_to_start_a_mesh() -> None:
    result = _run("find")
    assert result.exit_code == 4
    assert "diana-cli up" in result.stderr
    assert "Traceback" not in result.output


def test_a_bad_services_file_ends_with_status_4(tmp_path: Path) -> None:
    (tmp_path / "services.yaml").write_text("x: [1]")
    result = _run("ls")
    assert result.exit_code == 4
    assert "must be a mapping with a ctype" in result.stderr


def test_a_service_of_an_unknown_kind_keeps_no_other_from_its_work(tmp_path: Path) -> None:
    (tmp_path / "services.yaml").write_text("x: {ctype: archiv}\ngood: {ctype: csv, path: t.csv}")
    (tmp_path / "t.csv").write_text("id\n1\n")
    result = _run("ls")
    assert result.exit_code == 3
    assert "did you mean 'archive'" in result.stdout
    assert _run("dgetall", "good").exit_code == 0
    assert _run("dgetall", "x").exit_code == 4


def test_a_services_file_that_is_named_and_not_there_ends_with_status_4() -> None:
    assert _run("--services", "missing.yaml", "ls").exit_code == 4


def test_a_service_that_does_not_answer_ends_with_status_3(tmp_path: Path) -> None:
    port = _closed_port()
    (tmp_path / "services.yaml").write_text(f"archive: {{ctype: archive, address: '127.0.0.1:{port}'}}")
    for command in (["check", "archive:"], ["get", "--study", "1.2"]):
        assert _run(*command).exit_code == 3, command


def test_debug_shows_where_an_error_came_from() -> None:
    assert "Traceback" in _run("--debug", "dgetall", "path:missing").stderr
    assert "Traceback" not in _run("dgetall", "path:missing").stderr


def test_a_bad_option_ends_with_status_2() -> None:
    assert _run("find", "--levle", "study").exit_code == 2
    assert _run("find", "--level", "frame").exit_code == 2
    assert _run("fnd").exit_code == 2


def test_every_command_has_help_with_an_example() -> None:
    for name in cli.commands:
        result = _run(name, "--help")
        assert result.exit_code == 0
        assert "Example: diana-cli" in result.output, name


def test_the_help_lists_the_exit_statuses() -> None:
    assert "Exit status" in _run("--help").output


def test_folders_are_listed_with_their_health(tmp_path: Path) -> None:
    (tmp_path / "services.yaml").write_text("here: {ctype: folder, path: .}\ngone: {ctype: folder, path: gone}")
    result = _run("--json", "ls")
    assert result.exit_code == 3
    assert {line["endpoint"]: line["health"] for line in map(json.loads, result.stdout.splitlines())} == {
        "here": "ok",
        "gone": "down",
    }


def test_a_mesh_counts_as_running_only_while_its_supervisor_lives(tmp_path: Path) -> None:
    mesh = {"pid": 1, "services": {"archive": {"address": "127.0.0.1:5", "pid": 2}}}
    lock = StateLock(tmp_path)
    write_mesh(tmp_path, mesh)
    assert running_mesh(tmp_path) == mesh
    assert service_entries(mesh) == {"archive": {"ctype": "archive", "address": "127.0.0.1:5"}}
    lock.release()
    assert running_mesh(tmp_path) is None


def test_one_state_folder_takes_one_mesh(tmp_path: Path) -> None:
    lock = StateLock(tmp_path)
    with pytest.raises(DianaError, match="already runs"):
        StateLock(tmp_path)
    lock.release()
    StateLock(tmp_path).release()


def test_a_second_up_is_refused_and_leaves_the_first_ones_addresses(tmp_path: Path) -> None:
    lock = StateLock(tmp_path / "state")
    write_mesh(tmp_path / "state", {"services": {}})
    result = _run("--state", "state", "up")
    assert result.exit_code == 4
    assert "already runs" in result.stderr
    assert (tmp_path / "state" / "mesh.json").exists()
    lock.release()

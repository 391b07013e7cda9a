"""diana-cli against a mesh that it runs itself: real processes, real files, real signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.dicom_files import ROOT, make_ct
from tests.support.local_mesh import CLI, LocalMesh, run_cli, until, write_study


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    """A mesh for all tests of this file; each uses a patient of its own."""
    running = LocalMesh.start(tmp_path_factory.mktemp("mesh"))
    yield running
    assert running.stop() == 0


def test_a_folder_is_put_found_and_fetched_back_byte_for_byte(mesh: LocalMesh, tmp_path: Path) -> None:
    files = write_study(tmp_path / "in", 1)
    put = mesh.items("dgetall", f"path:{tmp_path / 'in'}", "put", "archive:")
    assert [item["outcome"] for item in put] == ["stored"] * 3
    last = max((item["position"] for item in put), key=lambda position: int(position.split("-")[1]))

    [study] = mesh.items("find", "-m", "PatientID=E2E1", "-r", "StudyDescription", "--at-least", last)
    assert (study["study_uid"], study["instances"]) == (f"{ROOT}.9.1", 3)
    assert study["StudyDescription"] == "CT Thorax/Abdomen"

    assert mesh.run("find", "-m", "PatientID=E2E1", "get", "--out", tmp_path / "out") == "3 stored\n"
    fetched = {path.stem: path.read_bytes() for path in (tmp_path / "out").rglob("*.dcm")}
    assert fetched == files


def test_a_zip_file_is_put_and_putting_it_again_changes_nothing(mesh: LocalMesh, tmp_path: Path) -> None:
    files = write_study(tmp_path / "in", 2)
    with zipfile.ZipFile(tmp_path / "study.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for uid, data in files.items():
            archive.writestr(f"../{uid}", data)
    assert mesh.run("dgetall", f"zip:{tmp_path / 'study.zip'}", "put", "archive:") == "3 stored\n"
    assert mesh.run("dgetall", f"zip:{tmp_path / 'study.zip'}", "put", "archive:") == "3 already stored\n"


def test_a_refused_file_is_told_by_number_and_the_rest_are_stored(mesh: LocalMesh, tmp_path: Path) -> None:
    write_study(tmp_path / "in", 3)
    (tmp_path / "in" / "Doe^John.dcm").write_bytes(bytes(128) + b"DICM")
    done = run_cli(["--state", mesh.state, "dgetall", f"path:{tmp_path / 'in'}", "put", "archive:"], tmp_path)
    assert done.returncode == 1
    assert done.stdout == "3 stored, 1 failed\n"
    assert "FILE_META_INVALID" in done.stderr
    assert "Doe" not in done.stderr


def test_a_large_instance_comes_back_whole(mesh: LocalMesh, tmp_path: Path) -> None:
    data = make_ct(rows=2048, cols=1200, study_uid=f"{ROOT}.9.4", series_uid=f"{ROOT}.9.4.0", sop_uid=f"{ROOT}.9.4.1")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "large").write_bytes(data)
    mesh.run("dgetall", f"path:{tmp_path / 'in'}", "put", "archive:")
    mesh.run("get", "--study", f"{ROOT}.9.4", "--out", tmp_path / "out")
    [path] = (tmp_path / "out").rglob("*.dcm")
    assert path.read_bytes() == data


def test_what_is_deleted_is_gone_until_it_is_undeleted(mesh: LocalMesh, tmp_path: Path) -> None:
    write_study(tmp_path / "in", 5)
    mesh.run("dgetall", f"path:{tmp_path / 'in'}", "put", "archive:")
    assert mesh.run("delete", "--study", f"{ROOT}.9.5", "--yes") == "3 deleted\n"
    mesh.run("get", "--study", f"{ROOT}.9.5", "--out", tmp_path / "out", status=1)
    assert mesh.run("undelete", "--study", f"{ROOT}.9.5") == "3 restored\n"
    assert mesh.run("get", "--study", f"{ROOT}.9.5", "--out", tmp_path / "out") == "3 stored\n"


def test_counts_come_from_the_index_or_from_the_chain(mesh: LocalMesh, tmp_path: Path) -> None:
    write_study(tmp_path / "in", 6)
    put = mesh.items("dgetall", f"path:{tmp_path / 'in'}", "put", "archive:")
    last = max((item["position"] for item in put), key=lambda position: int(position.split("-")[1]))
    question = ["count", "--level", "instance", "-m", "PatientID=E2E6", "--at-least", last]
    assert mesh.run(*question) == "3\n"
    assert mesh.items(*question) == [{"count": 3}]
    assert mesh.run("find", "--level", "instance", "-m", "PatientID=E2E6", "count") == "3\n"


def test_identities_are_minted_for_a_subject_and_for_the_patients_of_items(mesh: LocalMesh, tmp_path: Path) -> None:
    write_study(tmp_path / "in", 7)
    [given] = mesh.items("guid", "--patient-id", "E2E7", "--birth-date", "1961-04-04", "--sex", "F")
    read = mesh.items("dgetall", f"path:{tmp_path / 'in'}", "guid")
    assert {item["id"] for item in read} == {given["id"]}
    assert "E2E7" not in json.dumps(read)


def test_the_feed_is_shown_from_the_beginning_to_the_head(mesh: LocalMesh, tmp_path: Path) -> None:
    files = write_study(tmp_path / "in", 8)
    mesh.run("dgetall", f"path:{tmp_path / 'in'}", "put", "archive:")
    changes = mesh.items("watch", "--from-beginning", "--stop-at-head")
    assert set(files) <= {change.get("sop_instance_uid") for change in changes}
    assert [change["position"] for change in changes] == sorted(
        (change["position"] for change in changes), key=lambda position: int(position.split("-")[1])
    )


def test_a_follower_sees_what_happens_and_ends_cleanly_on_ctrl_c(mesh: LocalMesh, tmp_path: Path) -> None:
    files = write_study(tmp_path / "in", 9)
    mesh.run("dgetall", f"path:{tmp_path / 'in'}", "put", "archive:")
    command = [*CLI, "--state", str(mesh.state), "--json", "watch", "--from-beginning"]
    follower = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert follower.stdout is not None
    while json.loads(follower.stdout.readline()).get("sop_instance_uid") not in files:
        pass
    follower.send_signal(signal.SIGINT)
    _, errors = follower.communicate(timeout=60)
    assert (follower.returncode, errors) == (0, "")


def test_all_services_are_listed_as_well(mesh: LocalMesh) -> None:
    assert {item["endpoint"]: item["health"] for item in mesh.items("ls")} == {
        "anon": "ok",
        "archive": "ok",
        "dimse": "ok",
        "guid": "ok",
        "index": "ok",
        "notify": "ok",
        "route": "ok",
    }
    assert "archive" in mesh.run("check", "archive:")


def test_tables_show_what_was_found(mesh: LocalMesh, tmp_path: Path) -> None:
    write_study(tmp_path / "in", 10)
    put = mesh.items("dgetall", f"path:{tmp_path / 'in'}", "put", "archive:")
    last = max((item["position"] for item in put), key=lambda position: int(position.split("-")[1]))
    for level in ("patient", "study", "series", "instance"):
        table = mesh.run("find", "--level", level, "-m", "PatientID=E2E10", "--at-least", last)
        assert len(table.splitlines()) == (4 if level == "instance" else 2), table


@pytest.mark.parametrize(
    ("args", "status"),
    [
        (["find", "-m", "PixelData=x"], 2),
        (["find", "--at-least", "nonsense"], 2),
        (["get", "--study", "1.2.3.4"], 1),
        (["dgetall", "archive:nosuchstore"], 1),
        (["--store", "nosuchstore", "dgetall", "archive:"], 1),
        (["watch", "--after", "nonsense"], 2),
    ],
)
def test_a_refusal_ends_with_its_status_and_no_traceback(mesh: LocalMesh, args: list[str], status: int) -> None:
    done = run_cli(["--state", mesh.state, *args], mesh.state.parent)
    assert done.returncode == status, done.stderr
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_up_on_the_same_state_is_refused(mesh: LocalMesh) -> None:
    done = run_cli(["up", "--free-ports", "--state", mesh.state], mesh.state.parent)
    assert done.returncode == 4
    assert "already runs" in done.stderr
    assert all(map(is_alive, mesh.pids()))


def test_services_yaml_takes_the_place_of_the_running_mesh(mesh: LocalMesh, tmp_path: Path) -> None:
    address = mesh.services()["archive"]["address"]
    (tmp_path / "services.yaml").write_text("pacs: {ctype: archive, address: '${PACS}'}")
    environment = {**os.environ, "PACS": address, "DIANA_SERVICES": str(tmp_path / "services.yaml")}
    done = subprocess.run([*CLI, "--json", "ls"], env=environment, capture_output=True, text=True, timeout=60)
    assert [json.loads(line)["endpoint"] for line in done.stdout.splitlines()] == ["pacs"]


def test_every_service_that_is_killed_comes_back_where_it_was(tmp_path: Path) -> None:
    mesh = LocalMesh.start(tmp_path)
    before = mesh.services()
    for service in before.values():
        os.kill(service["pid"], signal.SIGKILL)
    until(lambda: all(mesh.services()[name]["pid"] != before[name]["pid"] for name in before))
    until(lambda: run_cli(["--state", mesh.state, "ls"], tmp_path).returncode == 0)
    assert {name: service["address"] for name, service in mesh.services().items()} == {
        name: service["address"] for name, service in before.items()
    }
    write_study(tmp_path / "in", 1)
    put = mesh.items("dgetall", f"path:{tmp_path / 'in'}", "put", "archive:")
    last = max((item["position"] for item in put), key=lambda position: int(position.split("-")[1]))
    assert mesh.run("count", "--at-least", last) == "1\n"
    assert mesh.stop() == 0


def test_a_clean_stop_leaves_no_process_and_the_data_is_there_at_the_next_start(tmp_path: Path) -> None:
    mesh = LocalMesh.start(tmp_path)
    write_study(tmp_path / "in", 1)
    mesh.run("dgetall", f"path:{tmp_path / 'in'}", "put", "archive:")
    pids = mesh.pids()
    assert mesh.stop() == 0
    assert not any(map(is_alive, pids))
    assert not (mesh.state / "mesh.json").exists()
    assert run_cli(["--state", mesh.state, "ls"], tmp_path).stdout == ""

    mesh = LocalMesh.start(tmp_path)
    assert mesh.run("dgetall", "archive:", "count") == "3\n"
    assert mesh.stop() == 0


def test_services_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    mesh = LocalMesh.start(tmp_path)
    pids = mesh.pids()
    mesh.process.kill()
    mesh.process.communicate()
    until(lambda: not any(map(is_alive, pids)))
    assert run_cli(["--state", mesh.state, "find"], tmp_path).returncode == 4


def test_a_service_that_cannot_be_configured_ends_up_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "state" / "config").mkdir(parents=True)
    (tmp_path / "state" / "config" / "guid.yaml").write_text("domain: {}")
    done = run_cli(["up", "--free-ports", "--state", tmp_path / "state"], tmp_path)
    assert done.returncode == 3
    assert "did you mean 'domains'" in done.stderr
    assert not (tmp_path / "state" / "mesh.json").exists()

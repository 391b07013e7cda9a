"""The supervisor, with services of a few lines: restarts, giving up, stopping, and what it leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from diana_cli.mesh import supervisor
from diana_cli.mesh.state import running_mesh
from diana_cli.mesh.supervisor import Mesh, MeshFailed
from diana_cli.mesh.table import ServiceSpec

SERVES = """
import os, signal, sys, time
from pathlib import Path
state = Path(os.environ["DIANA_TOY_STATE_DIR"])
state.mkdir(exist_ok=True)
starts = state / "starts"
starts.write_text(starts.read_text() + "x" if starts.exists() else "x")
count = len(starts.read_text())
print("start", count, flush=True)
{before}
Path(os.environ["DIANA_TOY_SERVER__PORT_FILE"]).write_text("127.0.0.1:1")
{after}
time.sleep(600)
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Mesh]:
    """A mesh of one service, which runs the given lines before and after it says that it serves."""

    def make(before: str = "", after: str = "") -> Mesh:
        (tmp_path / "toy_service.py").write_text(SERVES.format(before=before, after=after))
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.setattr(supervisor, "SERVICES", (ServiceSpec("toy", "toy_service", 1, "x"),))
        monkeypatch.setattr(supervisor, "_is_ready", lambda *_: True)
        return Mesh(tmp_path / "state", report=said.append)

    said: list[str] = []
    return make


def _pid(mesh: Mesh) -> int:
    return int(_services(mesh)["toy"]["pid"])


def _services(mesh: Mesh) -> dict[str, dict[str, str]]:
    services: dict[str, dict[str, str]] = (running_mesh(mesh.state) or {"services": {}})["services"]
    return services


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_a_child_that_is_killed_is_started_again_at_the_same_address(toy: Callable[..., Mesh]) -> None:
    with toy() as mesh:
        first = _pid(mesh)

        def watch() -> None:
            os.kill(first, signal.SIGKILL)
            _until(lambda: _pid(mesh) != first)
            mesh.request_stop()

        watcher = Thread(target=watch)
        watcher.start()
        mesh.supervise()
        watcher.join()
        assert _services(mesh)["toy"]["address"] == "127.0.0.1:1"
        assert _alive(_pid(mesh))


def test_a_child_that_calls_another_is_told_where_that_is(
    toy: Callable[..., Mesh], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy(before="time.sleep(0.3)")  # so that the other would start before this one has told
    told = "(state / 'told').write_text(os.environ['DIANA_CALLER_TOY__ADDRESS'])"
    caller = SERVES.format(before=told, after="").replace("DIANA_TOY_", "DIANA_CALLER_")
    (tmp_path / "caller_service.py").write_text(caller)
    spec = ServiceSpec("caller", "caller_service", 2, "x", calls=("toy",))
    assert spec.peers({}) == {}
    monkeypatch.setattr(supervisor, "SERVICES", (ServiceSpec("toy", "toy_service", 1, "x"), spec))
    with Mesh(tmp_path / "state") as mesh:
        assert (mesh.state / "caller" / "told").read_text() == "127.0.0.1:1"


def test_a_child_that_keeps_dying_is_given_up_with_the_end_of_its_log(
    toy: Callable[..., Mesh], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_FIRST_BACKOFF", 0.01)
    with toy(after="print('the reason', flush=True); time.sleep(0.5); sys.exit(7)") as mesh:
        with pytest.raises(MeshFailed, match=r"died 6 times in a row(.|\n)*the reason"):
            mesh.supervise()


def test_deaths_of_a_child_that_served_in_between_are_not_in_a_row(
    toy: Callable[..., Mesh], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_FIRST_BACKOFF", 0.01)
    monkeypatch.setattr(supervisor, "SERVED_SECONDS", 0.0)
    with toy(after="if count < 8: sys.exit(7)") as mesh:

        def watch() -> None:
            _until(lambda: len((mesh.state / "toy" / "starts").read_text()) == 8)
            mesh.request_stop()

        watcher = Thread(target=watch)
        watcher.start()
        mesh.supervise()
        watcher.join()


def test_deaths_before_a_child_serves_are_in_a_row(toy: Callable[..., Mesh], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_FIRST_BACKOFF", 0.01)
    monkeypatch.setattr(supervisor, "SERVED_SECONDS", 0.0)
    with toy(before="if count > 1: sys.exit(7)") as mesh:
        os.kill(_pid(mesh), signal.SIGKILL)
        with pytest.raises(MeshFailed, match="died 6 times in a row"):
            mesh.supervise()


def test_a_child_that_does_not_come_up_ends_the_start_with_its_log(toy: Callable[..., Mesh], tmp_path: Path) -> None:
    mesh = toy(before="sys.exit('no key')")
    with pytest.raises(MeshFailed, match=r"ended with status 1(.|\n)*no key"):
        with mesh:
            pass
    assert running_mesh(tmp_path / "state") is None
    assert not (tmp_path / "state" / "mesh.json").exists()


def test_a_child_that_ignores_the_request_to_end_is_killed(
    toy: Callable[..., Mesh], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "GRACE_SECONDS", 0.3)
    with toy(before="signal.signal(signal.SIGTERM, signal.SIG_IGN)") as mesh:
        pid = _pid(mesh)
    assert not _alive(pid)


def test_asking_twice_does_not_wait_for_the_grace(toy: Callable[..., Mesh]) -> None:
    with toy(before="signal.signal(signal.SIGTERM, signal.SIG_IGN)") as mesh:
        pid = _pid(mesh)
        mesh.request_stop()
        mesh.request_stop()
    assert not _alive(pid)


def test_settings_in_the_state_folder_reach_the_service(toy: Callable[..., Mesh], tmp_path: Path) -> None:
    (tmp_path / "state" / "config").mkdir(parents=True)
    (tmp_path / "state" / "config" / "toy.yaml").write_text("")
    with toy(before="print(*sys.argv[1:], flush=True)"):
        pass
    assert "--config" in (tmp_path / "state" / "logs" / "toy.log").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends orphans on Linux only")
def test_a_command_ends_with_its_parent(tmp_path: Path) -> None:
    launcher = Path(supervisor.__file__).with_name("under_parent.py")
    parent = (
        "import os, subprocess, sys, time\n"
        f"launch = [sys.executable, {str(launcher)!r}, str(os.getpid())]\n"
        "command = [*launch, sys.executable, '-c', 'import time; time.sleep(600)']\n"
        "print(subprocess.Popen(command).pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    _until(lambda: b"under_parent" not in Path(f"/proc/{child}/cmdline").read_bytes())
    process.kill()
    process.communicate()
    _until(lambda: not Path(f"/proc/{child}").exists() or not _alive(child))


def test_a_command_whose_parent_has_ended_does_not_start() -> None:
    launcher = Path(supervisor.__file__).with_name("under_parent.py")
    done = subprocess.run(
        [sys.executable, str(launcher), "1", sys.executable, "-c", "print('ran')"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stdout == ""

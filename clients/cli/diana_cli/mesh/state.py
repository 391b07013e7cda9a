"""The state folder of a local mesh: one supervisor at a time, and a file that says where the services are."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diana_common.errors import DianaError, Reason

DEFAULT_STATE = Path("diana-state")
_ATTEMPTS, _PAUSE = 10, 0.02


class StateLock:
    """Held by the supervisor of a state folder for as long as its process lives."""

    def __init__(self, state: Path) -> None:
        """Take the lock. Raises DianaError CONFIG_INVALID if another mesh runs on this state, or it cannot be made."""
        try:
            state.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(_lock_path(state), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise DianaError(Reason.CONFIG_INVALID, f"state: cannot be used ({error.strerror})") from error
        if not _take(self._descriptor):
            os.close(self._descriptor)
            raise DianaError(
                Reason.CONFIG_INVALID, "state: a mesh already runs on it; stop that one, or give another --state"
            )

    def release(self) -> None:
        """Let another supervisor have the state."""
        os.close(self._descriptor)


def write_mesh(state: Path, mesh: Mapping[str, Any]) -> None:
    """Say where the services are, at once and whole."""
    part = state / "mesh.json.part"
    part.write_text(json.dumps(mesh, indent=2) + "\n", encoding="utf-8")
    part.replace(state / "mesh.json")


def forget_mesh(state: Path) -> None:
    """The services are no more."""
    (state / "mesh.json").unlink(missing_ok=True)


def running_mesh(state: Path) -> dict[str, Any] | None:
    """What the mesh that runs on a state folder has written; None if none runs."""
    if not _is_locked(state):
        return None
    with contextlib.suppress(OSError, ValueError):
        mesh = json.loads((state / "mesh.json").read_text(encoding="utf-8"))
        if isinstance(mesh, dict):
            return mesh
    return None


def service_entries(mesh: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The services of a running mesh, as services YAML would describe them."""
    return {name: {"ctype": name, "address": service["address"]} for name, service in mesh["services"].items()}


def _take(descriptor: int) -> bool:
    """Take the lock; again and again for a moment, because `running_mesh` holds it for as long as it looks."""
    for _ in range(_ATTEMPTS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE)
        else:
            return True
    return False


def _lock_path(state: Path) -> Path:
    return state / "mesh.lock"


def _is_locked(state: Path) -> bool:
    """Whether a supervisor lives: the lock ends with its process, a file could be left over."""
    try:
        descriptor = os.open(_lock_path(state), os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False

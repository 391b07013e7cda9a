"""Long work that an Orthanc does: started, waited for, cancelled when nobody waits any more."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from diana_common.errors import DianaError
from diana_endpoints.http import Server, refused, segment
from diana_endpoints.orthanc_names import as_body, as_mapping

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 2.0


def run_job(server: Server, path: str, order: Mapping[str, Any], patience: float) -> dict[str, Any]:
    """Have Orthanc do what an order asks for, within so many seconds; what it says of its end.

    Raises DianaError: ENDPOINT_REFUSED when it fails or takes longer, and is cancelled then.
    """
    started = as_mapping(server.ask("POST", path, body=as_body({**order, "Synchronous": False})).json())
    job = f"/jobs/{segment(started.get('ID'), 'ID')}"
    try:
        return _await(server, job, patience)
    except BaseException:
        with suppress(DianaError):  # it may have ended; what matters is on its way
            server.ask("POST", f"{job}/cancel", body=b"{}")
        raise


def _await(server: Server, job: str, patience: float) -> dict[str, Any]:
    until, pause = time.monotonic() + patience, _FIRST_PAUSE
    while time.monotonic() < until:
        now = as_mapping(server.ask("GET", job).json())
        match now.get("State"):
            case "Success":
                return as_mapping(now.get("Content"))
            case "Failure" | "Paused":
                raise refused(f"could not do its work (Orthanc's error {now.get('ErrorCode')})")
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
    raise refused("took longer for its work than job_timeout allows")

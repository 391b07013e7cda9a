"""DCMTK's archive, dcmqrscp, for tests."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.smtp import free_port


@contextmanager
def dcmqrscp(folder: Path, door: int) -> Iterator[int]:
    """DCMTK's archive, which may send to us; its port."""
    port, database, config = free_port(), folder / "DCMQR", folder / "dcmqrscp.cfg"
    database.mkdir()
    config.write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        f"HostTable BEGIN\ndiana = (DIANA, localhost, {door})\nHostTable END\n"
        f"VendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nDCMQR {database} RW (200, 1024mb) ANY\nAETable END\n"
    )
    with subprocess.Popen(["dcmqrscp", "-c", config], cwd=folder) as process:
        try:
            _await_port(port)
            yield port
        finally:
            process.terminate()


def _await_port(port: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError("dcmqrscp does not listen")

"""pynetdicom's own `storescp`: it writes files, neither durable nor indexed."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.peers.dcmtk import await_port, free_port


@contextlib.contextmanager
def running(folder: Path) -> Iterator[int]:
    """Start one that keeps its files in `folder`; its port."""
    port = free_port()
    command = [sys.executable, "-m", "pynetdicom", "storescp", str(port), "-od", str(folder), "-q"]
    with subprocess.Popen(command, cwd=folder) as child:
        try:
            await_port(port)
            yield port
        finally:
            child.terminate()

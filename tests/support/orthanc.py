"""A real Orthanc for tests, with its DICOMweb plugin where that is installed: on loopback, empty at first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.peers import orthanc
from tests.support.smtp import free_port

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
SIGNATURE = "signature"
"""A name of metadata that it knows."""

needs_orthanc = pytest.mark.skipif(
    not orthanc.BINARY.exists() and "CI" not in os.environ, reason="Orthanc is not installed"
)
needs_dicomweb = pytest.mark.skipif(
    not (orthanc.BINARY.exists() and PLUGIN.exists()) and "CI" not in os.environ,
    reason="Orthanc's DICOMweb plugin is not installed: apt-get install orthanc-dicomweb",
)


@dataclass(frozen=True, slots=True)
class Served:
    """One that runs. It knows itself as the modality "itself"."""

    url: str
    port: int


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    """One that keeps everything in `folder`."""
    door = free_port()
    settings = {
        "DicomPort": door,
        "DicomModalities": {"itself": ["ORTHANC", "127.0.0.1", door]},
        "UserMetadata": {SIGNATURE: 1024},
        "Plugins": [str(PLUGIN)] if PLUGIN.exists() else [],
    }
    with orthanc.running(folder, settings) as pacs:
        yield Served(f"http://127.0.0.1:{pacs.http_port}", pacs.http_port)

"""findscu, DCMTK's and pynetdicom's, asking a DICOM door."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pydicom
from pydicom import Dataset


class Door:
    """A mesh's DICOM door, and who asks it."""

    def __init__(self, address: str, worklist: Path, answers: Path) -> None:
        self.host, _, port = address.rpartition(":")
        self.port = int(port)
        self.worklist = worklist
        self._answers = answers

    def dcmtk(self, *arguments: str, model: str = "-S", port: int = 0) -> tuple[list[Dataset], str]:
        """The answers that DCMTK's findscu gets, and what it says; `port`: of another than us."""
        folder = self._emptied()
        said = self._run(
            "findscu",
            "-v",
            "+sr",
            model,
            "-aec",
            "DIANA",
            "-X",
            "-od",
            str(folder),
            self.host,
            str(self.port),
            *arguments,
        )
        return self._read(folder), said

    def pynetdicom(self, *arguments: str, model: str = "-S") -> list[Dataset]:
        """The answers that pynetdicom's findscu gets."""
        folder = self._emptied()
        self._run(
            sys.executable, "-m", "pynetdicom", "findscu", model, "-aec", "DIANA", "-w", self.host, str(self.port),
            *arguments, folder=folder,
        )  # fmt: skip
        return self._read(folder)

    def _emptied(self) -> Path:
        shutil.rmtree(self._answers, ignore_errors=True)
        self._answers.mkdir()
        return self._answers

    @staticmethod
    def _run(*command: str, folder: Path | None = None) -> str:
        ended = subprocess.run(command, capture_output=True, timeout=60, cwd=folder)
        said = (ended.stdout + ended.stderr).decode("utf-8", "replace")
        assert ended.returncode == 0, said
        return said

    @staticmethod
    def _read(folder: Path) -> list[Dataset]:
        return [pydicom.dcmread(path, force=True) for path in sorted(folder.glob("rsp*.dcm"))]


def keys(level: str, *others: str) -> list[str]:
    """`-k` for each."""
    return [part for one in (f"QueryRetrieveLevel={level}", *others) for part in ("-k", one)]

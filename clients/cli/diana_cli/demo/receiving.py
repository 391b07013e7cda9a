"""A modality's step: a study comes over the DICOM network, sent by DCMTK where that is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pydicom
from pydicom.uid import generate_uid

from diana_cli.demo.storing import test_files
from diana_cli.demo.story import Demo, StepFailed
from diana_client import ArchiveClient, DimseClient, connect

PROGRAM = "dcmsend"

_SERIES = "dicomdirtests/77654033/CT2"
"""The folder of test files that becomes a study of its own."""
_PATIENT = "DICOM-DEMO"
_SECONDS = 60


def receive(demo: Demo) -> Iterator[str]:
    """Have DCMTK send a study as a modality would, and see whether the archive has it."""
    program = _program()
    if program is None:
        yield f"skipped, for DCMTK's {PROGRAM} is not installed; any modality that knows the address can send"
        return
    with connect(demo.mesh.addresses["dimse"]) as channel:
        door = DimseClient(channel).local_entities()
    sent = _acquire(demo.room / "modality")
    before = _held(demo)
    _send(program, door.entities[0].ae_title, door.address, demo.room / "modality")
    came = _held(demo) - before
    if came != sent:
        raise StepFailed(f"{sent} instances were sent, and {came} came")
    yield f"{PROGRAM} sent {sent} instances to AE title {door.entities[0].ae_title} at {door.address}"


def _acquire(folder: Path) -> int:
    """Write a series as a study that nobody has yet; how many files that is."""
    folder.mkdir()
    uids: dict[str, str] = {}
    files = sorted((test_files() / _SERIES).iterdir())
    for path in files:
        instance = pydicom.dcmread(path)
        instance.PatientID = _PATIENT
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            instance[keyword].value = uids.setdefault(str(instance[keyword].value), generate_uid(prefix=None))
        instance.file_meta.MediaStorageSOPInstanceUID = instance.SOPInstanceUID
        instance.save_as(folder / f"{path.name}.dcm")
    return len(files)


def _held(demo: Demo) -> int:
    with connect(demo.mesh.addresses["archive"]) as channel:
        return ArchiveClient(channel).statistics().instance_count


def _program() -> str | None:
    """DCMTK's own; what lies beside our Python may be pynetdicom's."""
    places = [one for one in os.get_exec_path() if Path(one) != Path(sys.executable).parent]
    return shutil.which(PROGRAM, path=os.pathsep.join(places))


def _send(program: str, title: str, address: str, folder: Path) -> None:
    host, _, port = address.rpartition(":")
    command = [program, "-aec", title, host, port, "--scan-directories", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise StepFailed(f"{PROGRAM} did not end") from None
    if done.returncode:
        raise StepFailed(f"{PROGRAM} ended with status {done.returncode}: {done.stderr.strip()}")

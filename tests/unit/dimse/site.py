"""What asks peers, on an archive that is a fake."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diana_common.errors import DianaError, Reason
from diana_dimse.adapters.pacs import DicomPacs
from diana_dimse.adapters.spool import DiskSpool
from diana_dimse.core.intake.receiving import Budget, Kept, Limits, Origin, Receiving
from diana_dimse.core.outbound.arrivals import Arrivals
from diana_dimse.core.outbound.asking import Match, inquiry
from diana_dimse.core.queries.finding import Level
from tests.support.dicom_files import ROOT
from tests.unit.dimse.scripted_peer import ScriptedPeer

CT = "1.2.840.10008.5.1.4.1.1.2"
STUDIES = inquiry(Level.STUDY, [Match("PatientName", ("Müller*",))])


def never() -> bool:
    return False


class FakeArchive:
    """Keeps what comes."""

    takes_files = False

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.origins: set[Origin] = set()
        self.refuses = False

    def upload(self, origin: Origin, data: bytes) -> Kept:
        if self.refuses:
            raise DianaError(Reason.DISK_FULL, "full")
        self.origins.add(origin)
        self.kept[f"{ROOT}.1.{len(self.kept)}"] = data
        return Kept("1.2", CT, "1.2.3")

    def upload_file(self, origin: Origin, name: str) -> Kept:
        raise NotImplementedError

    def adopt(self, origin: Origin, name: str) -> Kept:
        raise NotImplementedError


class Site:
    """What asks, and the archive behind it."""

    def __init__(self, folder: Path) -> None:
        self.archive, self.arrivals = FakeArchive(), Arrivals()
        limits = Limits(held_bytes=1 << 20, instance_bytes=1 << 20)
        self.receiving = Receiving(self.archive, DiskSpool(folder), Budget(1 << 24), Budget(1 << 24), limits)

    def pacs(self, peer: ScriptedPeer) -> DicomPacs:
        return DicomPacs({"pacs": peer.remote}, self.receiving, self.arrivals)


def study(number: int) -> Mapping[str, Any]:
    return {
        "0020000D": {"vr": "UI", "Value": [f"1.2.{number}"]},
        "00100010": {"vr": "PN", "Value": [name("Müller^Jörg")]},
    }


def name(text: str) -> Mapping[str, str]:
    return {"Alphabetic": text}

"""Files of a modality worklist, each with scheduled procedure steps of one patient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diana_dimse.core.intake.part10 import file_head
from diana_dimse.core.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN, MODALITY_WORKLIST_FIND
from diana_dimse.wire.datasets import encode


def step(title: str = "CT1", modality: str = "CT", start: str = "20260701") -> dict[str, Any]:
    """A scheduled procedure step."""
    return {
        "00080060": {"vr": "CS", "Value": [modality]},
        "00400001": {"vr": "AE", "Value": [title]},
        "00400002": {"vr": "DA", "Value": [start]},
        "00400009": {"vr": "SH", "Value": [f"{title}-{start}"]},
    }


def worklist_file(path: Path, patient_id: str, *steps: dict[str, Any], name: str = "Doe^Jane") -> None:
    """Write a worklist file, by renaming, as those who write them should."""
    item: dict[str, Any] = {
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": name}]},
        "00100020": {"vr": "LO", "Value": [patient_id]},
        "00400100": {"vr": "SQ", "Value": list(steps)},
    }
    head = file_head(MODALITY_WORKLIST_FIND, "1.2.3", EXPLICIT_VR_LITTLE_ENDIAN, "RIS")
    new = path.with_suffix(".new")
    new.write_bytes(head + encode(item, EXPLICIT_VR_LITTLE_ENDIAN))
    new.replace(path)

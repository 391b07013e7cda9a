"""Irradiation events: what a device's images and its dose report both say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from diana_mock.codes import Code


@dataclass(frozen=True)
class CtEvent:
    """One helical acquisition."""

    uid: str
    """Irradiation Event UID."""
    time: datetime
    protocol: str
    region: Code
    head: bool
    """Whether CTDIvol is of the head phantom of 16 cm; else of the body phantom of 32 cm."""
    kvp: float
    current_ma: float
    seconds: float
    """Exposure Time of the whole acquisition."""
    rotation_seconds: float
    pitch: float
    single_mm: float
    """Nominal Single Collimation Width."""
    total_mm: float
    """Nominal Total Collimation Width."""
    length_mm: float
    """Scanning Length."""
    ctdivol_mgy: float

    @property
    def dlp_mgycm(self) -> float:
        """Dose Length Product."""
        return round(self.ctdivol_mgy * self.length_mm / 10, 2)


@dataclass(frozen=True)
class ProjectionEvent:
    """One exposure, run or period of fluoroscopy."""

    uid: str
    """Irradiation Event UID."""
    time: datetime
    protocol: str
    region: Code
    kvp: float
    current_ma: float
    ms: float
    """Exposure Time: of all its pulses together."""
    pulses: int
    dap_gym2: float
    """Dose Area Product; 0 where none is told of (mammography)."""
    distance_mm: float
    """Source to detector."""
    sop_class_uid: str
    sop_instance_uid: str
    """Of the acquired image; empty where no image is kept (fluoroscopy)."""
    rp_gy: float = 0.0
    """Dose at the reference point; 0 where none is told of."""
    primary_angle: float = 0.0
    secondary_angle: float = 0.0
    glandular_mgy: float = 0.0
    """Average Glandular Dose of a mammogram."""
    thickness_mm: float = 0.0
    """Compression Thickness of a mammogram."""
    side: str = ""
    """L or R, of a mammogram."""

    @property
    def is_fluoroscopy(self) -> bool:
        """Whether it was only looked at."""
        return not self.sop_instance_uid

    @property
    def exposure_uas(self) -> float:
        """Exposure, in microampere seconds."""
        return round(self.current_ma * self.ms, 1)


Event = CtEvent | ProjectionEvent

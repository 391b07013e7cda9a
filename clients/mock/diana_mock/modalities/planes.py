"""Where the slices of a stack lie (PS3.3 C.7.6.2): across the body, from feet to head."""

from __future__ import annotations

from collections.abc import Callable

from diana_mock.chance import uid
from diana_mock.encoding import Attributes
from diana_mock.modalities.scan import Scan, millimetres

AXIAL = [1, 0, 0, 0, 1, 0]


def plane(scan: Scan, field_of_view: float, thickness: float) -> Attributes:
    """What all slices share; every stack of a study lies in one frame of reference."""
    return {
        "PixelSpacing": millimetres(field_of_view, scan),
        "SliceThickness": thickness,
        "SpacingBetweenSlices": thickness,
        "ImageOrientationPatient": AXIAL,
        "PatientPosition": "HFS",
        "FrameOfReferenceUID": uid(*scan.study.key, "frame of reference"),
        "PositionReferenceIndicator": "",
    }


def places(field_of_view: float, thickness: float, scan: Scan, lowest: float) -> Callable[[int], Attributes]:
    """Where each slice lies."""
    corner = round(-field_of_view / 2 + field_of_view / scan.size / 2, 4)

    def where(place: int) -> Attributes:
        height = round(lowest + place * thickness, 4)
        return {
            "ImagePositionPatient": [corner, corner, height],
            "SliceLocation": height,
            "InstanceNumber": place + 1,
        }

    return where

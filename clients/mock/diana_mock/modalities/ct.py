"""Computed tomography (PS3.3 A.3)."""

from __future__ import annotations

from datetime import timedelta

from pydicom.uid import CTImageStorage

from diana_mock.anatomy import AXIAL
from diana_mock.dose.events import CtEvent
from diana_mock.encoding import Attributes
from diana_mock.modalities.planes import places, plane
from diana_mock.modalities.scan import Scan, image_pixel
from diana_mock.phantoms import Contrast
from diana_mock.studies import Series

_HU = {"air": -1000, "lung": -820, "fat": -100, "fluid": 10, "brain": 35, "muscle": 50, "liver": 60, "spleen": 55,
       "kidney": 35, "heart": 45, "lesion": 80, "bone": 700, "marrow": 200}  # fmt: skip
_ENHANCED = {**_HU, "heart": 180, "liver": 110, "spleen": 120, "kidney": 180, "fluid": 220, "lesion": 60}
_AIR = 1024
"""Stored values are Hounsfield units and this."""

_PLAIN, _AGENT = (
    Contrast({tissue: value + _AIR for tissue, value in units.items()}, _AIR - 1000, 31) for units in (_HU, _ENHANCED)
)
_USUAL_CTDIVOL = {"HEAD": 48.0, "CHEST": 7.5, "ABDOMEN": 11.0}
"""In mGy; about what national reference levels say."""

_ROTATION, _PITCH, _SINGLE, _TOTAL = 0.5, 1.0, 0.625, 40.0
_VIEW = {"HEAD": 240.0}
_THICKNESS = 5.0


def make(scan: Scan) -> list[Series]:
    """A series without contrast; where an agent is given, that alone, or before it."""
    if not scan.study.procedure.contrast:
        return [_series(scan, 1, False)]
    both = scan.draw.random() < 0.3
    return [_series(scan, 1, False), _series(scan, 2, True)] if both else [_series(scan, 1, True)]


def _series(scan: Scan, number: int, contrast: bool) -> Series:
    region, count = scan.study.procedure.region, scan.count(24)
    view = _VIEW.get(region.name, 380.0)
    event = _event(scan, number, count)
    return Series(
        description=f"{region.name.title()} {_THICKNESS:g}mm{' +C' if contrast else ''}",
        sop_class_uid=CTImageStorage,
        attributes={**_attributes(scan, view, event), **_numbered(number, contrast)},
        count=count,
        seconds=min(0.25, 100 / count),
        instance=places(view, _THICKNESS, scan, -count * _THICKNESS / 2),
        image=scan.stack(AXIAL[region.name], _AGENT if contrast else _PLAIN, count),
        event=lambda _: event,
        events=1,
    )


def _attributes(scan: Scan, view: float, event: CtEvent) -> Attributes:
    """What all images of an acquisition say alike; `view` is the diameter that they show, in mm."""
    return {
        **image_pixel(scan),
        **plane(scan, view, _THICKNESS),
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "RescaleIntercept": -_AIR,
        "RescaleSlope": 1,
        "RescaleType": "HU",
        "WindowCenter": 40,
        "WindowWidth": 80 if event.head else 400,
        "KVP": event.kvp,
        "XRayTubeCurrent": int(event.current_ma),
        "ExposureTime": int(_ROTATION * 1000),
        "Exposure": int(event.current_ma * _ROTATION),
        "CTDIvol": event.ctdivol_mgy,
        "SpiralPitchFactor": _PITCH,
        "SingleCollimationWidth": _SINGLE,
        "TotalCollimationWidth": _TOTAL,
        "RevolutionTime": _ROTATION,
        "ConvolutionKernel": "STANDARD",
        "DataCollectionDiameter": 500,
        "ReconstructionDiameter": view,
        "GantryDetectorTilt": 0,
        "IrradiationEventUID": event.uid,
        "ProtocolName": event.protocol,
    }


def _numbered(number: int, contrast: bool) -> Attributes:
    agent = {"ContrastBolusAgent": "Iohexol 350", "ContrastBolusRoute": "IV"}
    return {"AcquisitionNumber": number, **(agent if contrast else {})}


def _event(scan: Scan, number: int, count: int) -> CtEvent:
    """A scan of what the images show and of half the beam's width at either end; dose goes by the patient's size."""
    region, head = scan.study.procedure.region, scan.study.procedure.region.name == "HEAD"
    length = count * _THICKNESS + _TOTAL
    size = 1.0 if head else scan.build**2
    dose = scan.about(_USUAL_CTDIVOL[region.name] * size)
    return CtEvent(
        uid=scan.event_uid(number),
        time=scan.start + timedelta(minutes=2 * number - 1),
        protocol=f"{region.name.title()} routine",
        region=region.code,
        head=head,
        kvp=120.0,
        current_ma=float(round(dose * (5 if head else 24))),
        seconds=round(length / (_TOTAL * _PITCH) * _ROTATION, 3),
        rotation_seconds=_ROTATION,
        pitch=_PITCH,
        single_mm=_SINGLE,
        total_mm=_TOTAL,
        length_mm=length,
        ctdivol_mgy=dose,
    )

"""Angiography and fluoroscopy (PS3.3 A.14, A.16): runs of many frames."""

from __future__ import annotations

from datetime import timedelta

from pydicom.uid import XRayAngiographicImageStorage, XRayRadiofluoroscopicImageStorage

from diana_mock.anatomy import PROJECTED
from diana_mock.dose.events import ProjectionEvent
from diana_mock.encoding import Attributes
from diana_mock.modalities.radiography import exposed
from diana_mock.modalities.scan import Scan, image_pixel, millimetres
from diana_mock.phantoms import Contrast
from diana_mock.studies import Series

_RUN = Contrast({"muscle": 150, "lung": 210, "heart": 110, "contrast": 25, "lesion": 130, "liver": 120, "air": 230,
                 "bone": 70}, 240, 15, bits=8)  # fmt: skip
_ANGLES = ((-30.0, 0.0), (40.0, 20.0), (0.0, -30.0))
_FRAMES = 8
_FRAME_MS = 66.7
_PULSE_MS = 8.0
_SECONDS = 60.0
_DISTANCE_MM = 1100.0


def make_xa(scan: Scan) -> list[Series]:
    """A run from each of several angles."""
    return [_series(scan, "Coronary run", "HEART", XRayAngiographicImageStorage)]


def make_rf(scan: Scan) -> list[Series]:
    """Runs while contrast is swallowed."""
    return [_series(scan, "Upper GI run", "ABDOMEN", XRayRadiofluoroscopicImageStorage)]


def _series(scan: Scan, description: str, region: str, sop_class_uid: str) -> Series:
    count, frames = len(_ANGLES), scan.count(_FRAMES)
    runs = [_run(scan, place, frames, description, sop_class_uid) for place in range(count)]
    events = [*runs, _fluoroscopy(scan, count)]
    shared: Attributes = {
        **image_pixel(scan, 8, 8),
        "ImageType": ["ORIGINAL", "PRIMARY", "SINGLE PLANE"],
        "PatientOrientation": "",
        "NumberOfFrames": frames,
        "FrameIncrementPointer": 0x00181063,
        "FrameTime": _FRAME_MS,
        "CineRate": 15,
        "PixelIntensityRelationship": "DISP",
        "LossyImageCompression": "00",
        "RadiationSetting": "GR",
        "PositionerMotion": "STATIC",
        "ImagerPixelSpacing": millimetres(200.0, scan),
        "DistanceSourceToDetector": _DISTANCE_MM,
        "ContrastBolusAgent": "Iodixanol 320" if region == "HEART" else "Barium sulfate",
    }

    def instance(place: int) -> Attributes:
        given = runs[place]
        return {
            **exposed(given),
            "InstanceNumber": place + 1,
            "AcquisitionNumber": place + 1,
            **_angles(given, sop_class_uid),
        }

    image = scan.frames(PROJECTED[region], _RUN, frames)
    return Series(
        description=description,
        sop_class_uid=sop_class_uid,
        attributes=shared,
        count=count,
        seconds=_SECONDS,
        instance=instance,
        image=image,
        event=lambda place: events[place],
        events=len(events),
    )


def _angles(event: ProjectionEvent, sop_class_uid: str) -> Attributes:
    if sop_class_uid == XRayRadiofluoroscopicImageStorage:
        return {"ColumnAngulation": event.primary_angle}
    return {"PositionerPrimaryAngle": event.primary_angle, "PositionerSecondaryAngle": event.secondary_angle}


def _run(scan: Scan, place: int, frames: int, description: str, sop_class_uid: str) -> ProjectionEvent:
    primary, secondary = _ANGLES[place]
    dap = scan.about(0.9e-4 * scan.build**2 * frames / _FRAMES, 0.3, 9)
    return ProjectionEvent(
        uid=scan.event_uid(place + 1),
        time=scan.start + timedelta(seconds=60 + _SECONDS * place),
        protocol=f"{description} {place + 1}",
        region=scan.study.procedure.region.code,
        kvp=scan.about(78 * scan.build, 0.05, 1),
        current_ma=scan.about(600, 0.1, 0),
        ms=round(_PULSE_MS * frames, 1),
        pulses=frames,
        dap_gym2=dap,
        distance_mm=_DISTANCE_MM,
        sop_class_uid=sop_class_uid,
        sop_instance_uid=scan.study.instance_uid(1, place),
        rp_gy=round(dap * 150, 6),
        primary_angle=primary,
        secondary_angle=secondary,
    )


def _fluoroscopy(scan: Scan, number: int) -> ProjectionEvent:
    """What was looked at and not kept: pulses of 8 ms at 15 a second, for some minutes."""
    seconds = scan.about(240, 0.6, 0)
    dap = scan.about(1.0e-5 * seconds * scan.build**2, 0.3, 9)
    return ProjectionEvent(
        uid=scan.event_uid(number + 1),
        time=scan.start + timedelta(seconds=60 + _SECONDS * number),
        protocol="Fluoroscopy",
        region=scan.study.procedure.region.code,
        kvp=scan.about(75 * scan.build, 0.05, 1),
        current_ma=scan.about(60, 0.1, 0),
        ms=seconds * 1000,
        pulses=round(seconds * 15),
        dap_gym2=dap,
        distance_mm=_DISTANCE_MM,
        sop_class_uid="",
        sop_instance_uid="",
        rp_gy=round(dap * 150, 6),
    )

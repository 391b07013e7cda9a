"""Projection radiography: CR (PS3.3 A.2), and DX for presentation (PS3.3 A.26). An exposure an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from pydicom.uid import ComputedRadiographyImageStorage, DigitalXRayImageStorageForPresentation

from diana_mock.anatomy import PROJECTED
from diana_mock.dose.events import ProjectionEvent
from diana_mock.encoding import Attributes
from diana_mock.modalities.scan import Scan, image_pixel, millimetres
from diana_mock.phantoms import Contrast
from diana_mock.studies import Series

_FILM = Contrast({"muscle": 2200, "lung": 900, "heart": 2700, "liver": 2900, "bone": 3400, "air": 700, "lesion": 2000},
                 200, 63)  # fmt: skip
_SECONDS = 30.0
_DISTANCE_MM = 1800.0


@dataclass(frozen=True)
class _View:
    position: str
    orientation: tuple[str, str]
    kvp: float
    mas: float
    dap_gycm2: float


_VIEWS = {
    "CHEST": (_View("PA", ("R", "F"), 120, 2.5, 0.10), _View("LL", ("A", "F"), 125, 6.0, 0.30)),
    "ABDOMEN": (_View("AP", ("L", "F"), 80, 20.0, 2.0),),
    "KNEE": (_View("AP", ("L", "F"), 60, 5.0, 0.05), _View("LL", ("P", "F"), 60, 5.0, 0.05)),
}


def make_cr(scan: Scan) -> list[Series]:
    """One series on imaging plates."""
    extra: Attributes = {
        "ImageType": ["ORIGINAL", "PRIMARY"],
        "PlateType": "ST",
        "CassetteOrientation": "PORTRAIT",
    }
    return [_series(scan, ComputedRadiographyImageStorage, extra)]


def make_dx(scan: Scan) -> list[Series]:
    """One series on a flat panel."""
    extra: Attributes = {
        **for_presentation(),
        "AnatomicRegionSequence": [scan.study.procedure.region.code.item()],
        "ImageLaterality": scan.study.side or "U",
        "PositionerType": "",
        "DetectorType": "SCINTILLATOR",
        "DetectorID": scan.study.device.station_name,
    }
    return [_series(scan, DigitalXRayImageStorageForPresentation, extra)]


def for_presentation() -> Attributes:
    """What the DX modules ask of an image that is ready to be looked at (PS3.3 C.8.11)."""
    return {
        "ImageType": ["ORIGINAL", "PRIMARY", ""],
        "PresentationIntentType": "FOR PRESENTATION",
        "PresentationLUTShape": "IDENTITY",
        "PixelIntensityRelationship": "LOG",
        "PixelIntensityRelationshipSign": -1,
        "RescaleIntercept": 0,
        "RescaleSlope": 1,
        "RescaleType": "US",
        "LossyImageCompression": "00",
        "BurnedInAnnotation": "NO",
        "WindowCenter": 2048,
        "WindowWidth": 4096,
        "AcquisitionContextSequence": [],
        "DetectorType": "DIRECT",
    }


def _series(scan: Scan, sop_class_uid: str, extra: Attributes) -> Series:
    region = scan.study.procedure.region
    views, count = _VIEWS[region.name], scan.count(len(_VIEWS[region.name]))
    event = exposures(scan, sop_class_uid, views, region.name)
    shared = {
        **image_pixel(scan),
        "ImagerPixelSpacing": millimetres(430.0, scan),
        "DistanceSourceToDetector": _DISTANCE_MM,
        **extra,
    }

    def instance(place: int) -> Attributes:
        view, given = views[place % len(views)], event(place)
        return {
            "InstanceNumber": place + 1,
            "AcquisitionNumber": place + 1,
            "ViewPosition": view.position,
            "PatientOrientation": view.orientation,
            **exposed(given),
        }

    picture = scan.stack(PROJECTED[region.name], _FILM, count)
    description = f"{region.name.title()} {'/'.join(view.position for view in views)}"
    return Series(
        description=description,
        sop_class_uid=sop_class_uid,
        attributes=shared,
        count=count,
        seconds=_SECONDS,
        instance=instance,
        image=picture,
        event=event,
        events=count,
    )


def exposed(event: ProjectionEvent) -> Attributes:
    """What an image says of its exposure; the dose report says the same."""
    return {
        "KVP": event.kvp,
        "XRayTubeCurrent": round(event.current_ma),
        "ExposureTime": round(event.ms),
        "Exposure": max(round(event.exposure_uas / 1000), 1),
        "ExposureInuAs": round(event.exposure_uas),
        "ImageAndFluoroscopyAreaDoseProduct": round(event.dap_gym2 * 1e5, 6),
        "IrradiationEventUID": event.uid,
    }


def exposures(
    scan: Scan, sop_class_uid: str, views: tuple[_View, ...], region: str
) -> Callable[[int], ProjectionEvent]:
    """The event of each image; dose goes by the patient's size."""
    size = [scan.build**2 * scan.draw.uniform(0.85, 1.15) for _ in views]

    def event(place: int) -> ProjectionEvent:
        view, share = views[place % len(views)], size[place % len(views)]
        return ProjectionEvent(
            uid=scan.event_uid(place + 1),
            time=scan.start + timedelta(seconds=60 + _SECONDS * place),
            protocol=f"{region.title()} {view.position}",
            region=scan.study.procedure.region.code,
            kvp=view.kvp,
            current_ma=200.0,
            ms=round(view.mas * share * 1000 / 200, 1),
            pulses=1,
            dap_gym2=round(view.dap_gycm2 * share / 1e4, 10),
            distance_mm=_DISTANCE_MM,
            sop_class_uid=sop_class_uid,
            sop_instance_uid=scan.study.instance_uid(1, place),
        )

    return event

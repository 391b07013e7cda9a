"""Digital mammography, for presentation (PS3.3 A.27): two views of each breast."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation

from diana_mock.anatomy import PROJECTED
from diana_mock.codes import Code, sct
from diana_mock.dose.events import ProjectionEvent
from diana_mock.encoding import Attributes
from diana_mock.modalities.radiography import exposed, for_presentation
from diana_mock.modalities.scan import Scan, image_pixel, millimetres
from diana_mock.phantoms import Contrast
from diana_mock.studies import Series

_BREAST = Contrast({"fat": 900, "gland": 2100, "lesion": 3000}, 40, 63)
_SECONDS, _DISTANCE_MM = 40.0, 660.0


@dataclass(frozen=True)
class _View:
    side: str
    position: str
    code: Code
    orientation: tuple[str, str]


_CC, _MLO = sct("399162004", "cranio-caudal"), sct("399368009", "medio-lateral oblique")
_VIEWS = (
    _View("R", "CC", _CC, ("P", "L")),
    _View("L", "CC", _CC, ("A", "R")),
    _View("R", "MLO", _MLO, ("P", "FL")),
    _View("L", "MLO", _MLO, ("A", "FR")),
)


def make(scan: Scan) -> list[Series]:
    """One series of four images."""
    count = scan.count(len(_VIEWS))
    events = [_event(scan, place) for place in range(count)]
    shared: Attributes = {
        **image_pixel(scan),
        **for_presentation(),
        "ImagerPixelSpacing": millimetres(240.0, scan),
        "PositionerType": "MAMMOGRAPHIC",
        "OrganExposed": "BREAST",
        "AnatomicRegionSequence": [scan.study.procedure.region.code.item()],
        "BreastImplantPresent": "NO",
        "PartialView": "NO",
        "DetectorID": scan.study.device.station_name,
        "AnodeTargetMaterial": "TUNGSTEN",
        "FilterMaterial": "RHODIUM",
        "CompressionForce": 100,
        "DistanceSourceToDetector": _DISTANCE_MM,
        "DistanceSourceToPatient": _DISTANCE_MM,
        "EstimatedRadiographicMagnificationFactor": 1,
    }
    image = scan.stack(PROJECTED["BREAST"], _BREAST, count)
    return [
        Series(
            description="Mammography 4 views",
            sop_class_uid=DigitalMammographyXRayImageStorageForPresentation,
            attributes=shared,
            count=count,
            seconds=_SECONDS,
            instance=lambda place: _instance(events[place], place),
            image=image,
            event=lambda place: events[place],
            events=count,
        )
    ]


def _instance(event: ProjectionEvent, place: int) -> Attributes:
    view = _VIEWS[place % len(_VIEWS)]
    dose = exposed(event)
    return {
        **{name: value for name, value in dose.items() if name != "ImageAndFluoroscopyAreaDoseProduct"},
        "InstanceNumber": place + 1,
        "AcquisitionNumber": place + 1,
        "ImageLaterality": view.side,
        "ViewPosition": view.position,
        "PatientOrientation": view.orientation,
        "ViewCodeSequence": [{**view.code.item(), "ViewModifierCodeSequence": []}],
        "BodyPartThickness": event.thickness_mm,
        "OrganDose": round(event.glandular_mgy / 100, 6),
    }


def _event(scan: Scan, place: int) -> ProjectionEvent:
    view = _VIEWS[place % len(_VIEWS)]
    thickness = scan.about(55 * scan.build, 0.08, 0)
    return ProjectionEvent(
        uid=scan.event_uid(place + 1),
        time=scan.start + timedelta(seconds=60 + _SECONDS * place),
        protocol=f"{view.side} {view.position}",
        region=scan.study.procedure.region.code,
        kvp=28.0,
        current_ma=100.0,
        ms=scan.about(8.5 * thickness, 0.08, 1),
        pulses=1,
        dap_gym2=0.0,
        distance_mm=_DISTANCE_MM,
        sop_class_uid=DigitalMammographyXRayImageStorageForPresentation,
        sop_instance_uid=scan.study.instance_uid(1, place),
        glandular_mgy=scan.about(1.4 * thickness / 55, 0.1, 3),
        thickness_mm=thickness,
        side=view.side,
    )

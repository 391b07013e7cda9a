"""The content of a Projection X-Ray Radiation Dose SR (PS3.16 TID 10001): radiography, mammography, fluoroscopy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from diana_mock.codes import Code, Content, coded, container, dcm, image, moment, number, reference, sct, text, ucum
from diana_mock.dose.common import CURRENT, EVENT_UID, EXPOSURE_TIME, KVP, PROTOCOL, TARGET_REGION, head, source
from diana_mock.dose.events import ProjectionEvent
from diana_mock.studies import Study

_GYM2, _GY, _MGY, _MM, _DEGREES = ucum("Gy.m2"), ucum("Gy"), ucum("mGy"), ucum("mm"), ucum("deg")
_POINT = dcm("113780", "Reference Point Definition")
_PLANE = dcm("113764", "Acquisition Plane")
_SINGLE = dcm("113622", "Single Plane")
_STATIONARY, _FLUOROSCOPY = dcm("113611", "Stationary Acquisition"), sct("44491008", "Fluoroscopy")
_TOTALS = {"Acquisition": ("113727", "113729", "113855"), "Fluoro": ("113726", "113728", "113730")}
"""Concepts of the totals of area, point and time."""

_BREASTS = {"L": sct("80248007", "Left breast"), "R": sct("73056007", "Right breast")}


def content(study: Study, events: Sequence[ProjectionEvent]) -> list[Content]:
    """The content tree below the document's title."""
    breast = any(event.side for event in events)
    procedure = sct("71651007", "Mammography") if breast else dcm("113704", "Projection X-Ray")
    yes = sct("373066001", "Yes")
    return [
        *head(study, procedure, [event.time for event in events]),
        coded(dcm("113944", "X-Ray Mechanical Data Available"), yes),
        coded(dcm("113943", "X-Ray Source Data Available"), yes),
        coded(dcm("113945", "X-Ray Detector Data Available"), sct("373067005", "No")),
        container(dcm("113702", "Accumulated X-Ray Dose Data"), _plane(), *_accumulated(events)),
        *(_event(event) for event in events),
        source(),
    ]


def _plane() -> Content:
    return coded(_PLANE, _SINGLE, relation="HAS CONCEPT MOD")


def _accumulated(events: Sequence[ProjectionEvent]) -> Iterator[Content]:
    for side, breast in _BREASTS.items():
        if dose := sum(event.glandular_mgy for event in events if event.side == side):
            where = coded(sct("272741003", "Laterality"), breast, relation="HAS CONCEPT MOD")
            yield number(dcm("111637", "Accumulated Average Glandular Dose"), round(dose, 3), _MGY, where)
    yield from _totals("Acquisition", [event for event in events if not event.is_fluoroscopy])
    yield from _totals("Fluoro", [event for event in events if event.is_fluoroscopy])
    if area := sum(event.dap_gym2 for event in events):
        yield number(dcm("113722", "Dose Area Product Total"), area, _GYM2)
    if point := sum(event.rp_gy for event in events):
        yield number(dcm("113725", "Dose (RP) Total"), point, _GY)
    pulses = sum(event.pulses for event in events if not event.is_fluoroscopy)
    yield number(dcm("113731", "Total Number of Radiographic Frames"), pulses, ucum("1", "no units"))
    yield _point(events[0])


def _totals(kind: str, events: Sequence[ProjectionEvent]) -> Iterator[Content]:
    """Of acquisitions, or of fluoroscopy, if there were any."""
    area, point, time = _TOTALS[kind]
    if given := sum(event.dap_gym2 for event in events):
        yield number(dcm(area, f"{kind} Dose Area Product Total"), given, _GYM2)
    if given := sum(event.rp_gy for event in events):
        yield number(dcm(point, f"{kind} Dose (RP) Total"), given, _GY)
    if events:
        seconds = round(sum(event.ms for event in events) / 1000, 4)
        yield number(dcm(time, f"Total {kind} Time"), seconds, ucum("s"))


def _event(event: ProjectionEvent) -> Content:
    return container(
        dcm("113706", "Irradiation Event X-Ray Data"),
        _plane(),
        reference(EVENT_UID, event.uid),
        moment(dcm("111526", "DateTime Started"), event.time),
        coded(dcm("113721", "Irradiation Event Type"), _FLUOROSCOPY if event.is_fluoroscopy else _STATIONARY),
        text(PROTOCOL, event.protocol),
        coded(TARGET_REGION, event.region, *_side(event)),
        _point(event),
        *_dose(event),
        number(KVP, event.kvp, ucum("kV")),
        number(CURRENT, event.current_ma, ucum("mA")),
        number(EXPOSURE_TIME, event.ms, ucum("ms")),
        number(dcm("113736", "Exposure"), event.exposure_uas, ucum("uA.s")),
        number(dcm("113768", "Number of Pulses"), event.pulses, ucum("1", "no units")),
        number(dcm("113750", "Distance Source to Detector"), event.distance_mm, _MM),
        *_angles(event),
        *_image(event),
    )


def _dose(event: ProjectionEvent) -> Iterator[Content]:
    if event.side:
        yield number(dcm("111631", "Average Glandular Dose"), event.glandular_mgy, _MGY)
        yield number(dcm("111633", "Compression Thickness"), event.thickness_mm, _MM)
    if event.dap_gym2:
        yield number(dcm("122130", "Dose Area Product"), event.dap_gym2, _GYM2)
    if event.rp_gy:
        yield number(dcm("113738", "Dose (RP)"), event.rp_gy, _GY)


def _side(event: ProjectionEvent) -> Iterator[Content]:
    sides: dict[str, Code] = {"L": sct("7771000", "Left"), "R": sct("24028007", "Right")}
    if event.side:
        yield coded(sct("272741003", "Laterality"), sides[event.side], relation="HAS CONCEPT MOD")


def _angles(event: ProjectionEvent) -> Iterator[Content]:
    if event.rp_gy:
        yield number(dcm("112011", "Positioner Primary Angle"), event.primary_angle, _DEGREES)
        yield number(dcm("112012", "Positioner Secondary Angle"), event.secondary_angle, _DEGREES)


def _image(event: ProjectionEvent) -> Iterator[Content]:
    if not event.is_fluoroscopy:
        yield image(dcm("113795", "Acquired Image"), event.sop_class_uid, event.sop_instance_uid)


def _point(event: ProjectionEvent) -> Content:
    if event.side:
        return coded(_POINT, dcm("113865", "4.2cm above Breast Support Surface"))
    if event.rp_gy:
        return coded(_POINT, dcm("113860", "15cm from Isocenter toward Source"))
    return text(_POINT, "Unknown")

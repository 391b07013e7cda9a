"""The content of a CT Radiation Dose SR (PS3.16 TID 10011)."""

from __future__ import annotations

from collections.abc import Sequence

from diana_mock.codes import Content, coded, container, dcm, number, reference, sct, text, ucum
from diana_mock.dose.common import CURRENT, EVENT_UID, EXPOSURE_TIME, KVP, PROTOCOL, TARGET_REGION, head, source
from diana_mock.dose.events import CtEvent
from diana_mock.studies import Study

_MGY, _MGYCM, _MM = ucum("mGy"), ucum("mGy.cm"), ucum("mm")
_SECONDS, _MA, _KV = ucum("s"), ucum("mA"), ucum("kV")


def content(study: Study, events: Sequence[CtEvent]) -> list[Content]:
    """The content tree below the document's title."""
    total = round(sum(event.dlp_mgycm for event in events), 2)
    return [
        *head(study, sct("77477000", "Computed Tomography X-Ray"), [event.time for event in events]),
        container(
            dcm("113811", "CT Accumulated Dose Data"),
            number(dcm("113812", "Total Number of Irradiation Events"), len(events), ucum("{events}", "events")),
            number(dcm("113813", "CT Dose Length Product Total"), total, _MGYCM),
        ),
        *(_acquisition(event) for event in events),
        source(),
    ]


def _acquisition(event: CtEvent) -> Content:
    return container(
        dcm("113819", "CT Acquisition"),
        text(PROTOCOL, event.protocol),
        coded(TARGET_REGION, event.region),
        coded(dcm("113820", "CT Acquisition Type"), sct("116152004", "Spiral Acquisition")),
        reference(EVENT_UID, event.uid),
        _parameters(event),
        _dose(event),
    )


def _parameters(event: CtEvent) -> Content:
    return container(
        dcm("113822", "CT Acquisition Parameters"),
        number(EXPOSURE_TIME, event.seconds, _SECONDS),
        number(dcm("113825", "Scanning Length"), event.length_mm, _MM),
        number(dcm("113826", "Nominal Single Collimation Width"), event.single_mm, _MM),
        number(dcm("113827", "Nominal Total Collimation Width"), event.total_mm, _MM),
        number(dcm("113828", "Pitch Factor"), event.pitch, ucum("{ratio}", "ratio")),
        number(dcm("113823", "Number of X-Ray Sources"), 1, ucum("{X-Ray sources}", "X-Ray sources")),
        container(
            dcm("113831", "CT X-Ray Source Parameters"),
            text(dcm("113832", "Identification of the X-Ray Source"), "A"),
            number(KVP, event.kvp, _KV),
            number(dcm("113833", "Maximum X-Ray Tube Current"), round(event.current_ma * 1.2), _MA),
            number(CURRENT, event.current_ma, _MA),
            number(dcm("113834", "Exposure Time per Rotation"), event.rotation_seconds, _SECONDS),
        ),
    )


def _dose(event: CtEvent) -> Content:
    phantom = dcm("113690", "IEC Head Dosimetry Phantom") if event.head else dcm("113691", "IEC Body Dosimetry Phantom")
    return container(
        dcm("113829", "CT Dose"),
        number(dcm("113830", "Mean CTDIvol"), event.ctdivol_mgy, _MGY),
        coded(dcm("113835", "CTDIw Phantom Type"), phantom),
        number(dcm("113838", "DLP"), event.dlp_mgycm, _MGYCM),
    )

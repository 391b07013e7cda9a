"""What every X-Ray Radiation Dose SR has (PS3.3 A.35.8, PS3.16 TID 10001 and 10011)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from diana_mock.chance import uid
from diana_mock.codes import Code, Content, coded, dcm, moment, reference, sct, text
from diana_mock.studies import Study

KVP, CURRENT, EXPOSURE_TIME = dcm("113733", "KVP"), dcm("113734", "X-Ray Tube Current"), dcm("113824", "Exposure Time")
EVENT_UID, PROTOCOL = dcm("113769", "Irradiation Event UID"), dcm("125203", "Acquisition Protocol")
TARGET_REGION = dcm("123014", "Target Region")
_CONTEXT = "HAS OBS CONTEXT"


def head(study: Study, procedure: Code, times: Sequence[datetime]) -> list[Content]:
    """What was reported, who observed it, and over what is accumulated."""
    intent = coded(sct("363703001", "Has Intent"), sct("261004008", "Diagnostic Intent"), relation="HAS CONCEPT MOD")
    study_uid = reference(dcm("110180", "Study Instance UID"), study.uid, "HAS PROPERTIES")
    return [
        coded(dcm("121058", "Procedure reported"), procedure, intent, relation="HAS CONCEPT MOD"),
        coded(dcm("121005", "Observer Type"), dcm("121007", "Device"), relation=_CONTEXT),
        reference(dcm("121012", "Device Observer UID"), uid(*study.device.key, "device"), _CONTEXT),
        text(dcm("121013", "Device Observer Name"), study.device.station_name, _CONTEXT),
        text(dcm("121014", "Device Observer Manufacturer"), study.device.service.manufacturer, _CONTEXT),
        text(dcm("121015", "Device Observer Model Name"), f"Mock {study.device.service.modality.value}", _CONTEXT),
        text(dcm("121016", "Device Observer Serial Number"), f"{study.device.number:06d}", _CONTEXT),
        moment(dcm("113809", "Start of X-Ray Irradiation"), times[0], _CONTEXT),
        moment(dcm("113810", "End of X-Ray Irradiation"), times[-1] + timedelta(seconds=1), _CONTEXT),
        coded(dcm("113705", "Scope of Accumulation"), dcm("113014", "Study"), study_uid, relation=_CONTEXT),
    ]


def source() -> Content:
    """Where the numbers are from."""
    return coded(dcm("113854", "Source of Dose Information"), dcm("113856", "Automated Data Collection"))

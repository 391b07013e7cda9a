"""Positron emission tomography (PS3.3 A.21)."""

from __future__ import annotations

from datetime import timedelta

from pydicom.uid import PositronEmissionTomographyImageStorage

from diana_mock.anatomy import AXIAL
from diana_mock.codes import sct
from diana_mock.encoding import Attributes
from diana_mock.modalities.planes import places, plane
from diana_mock.modalities.scan import Scan, day_and_time, image_pixel
from diana_mock.phantoms import Contrast
from diana_mock.studies import Series

_UPTAKE = Contrast(
    {"fat": 300, "muscle": 700, "lung": 350, "heart": 3500, "fluid": 1400, "bone": 800, "lesion": 9000}, 20, 127
)
_VIEW, _THICKNESS, _FRAME_MS = 500.0, 4.0, 150_000


def make(scan: Scan) -> list[Series]:
    """One static series, an hour after the injection."""
    count = scan.count(24)
    place = places(_VIEW, _THICKNESS, scan, -count * _THICKNESS / 2)

    def instance(number: int) -> Attributes:
        return {**place(number), "ImageIndex": number + 1, "FrameReferenceTime": _FRAME_MS / 2}

    shared = {**image_pixel(scan, stored=16), **plane(scan, _VIEW, _THICKNESS), **_series(scan, count)}
    del shared["PatientPosition"]  # Patient Orientation Code Sequence says it
    picture = scan.stack(AXIAL["CHEST"], _UPTAKE, count)
    return [
        Series(
            description="PET AC",
            sop_class_uid=PositronEmissionTomographyImageStorage,
            attributes=shared,
            count=count,
            seconds=100 / count,
            instance=instance,
            image=picture,
        )
    ]


def _series(scan: Scan, count: int) -> Attributes:
    day, time = day_and_time(scan.start + timedelta(minutes=1))
    return {
        "ImageType": ["ORIGINAL", "PRIMARY"],
        "SeriesDate": day,
        "SeriesTime": time,
        "Units": "BQML",
        "CountsSource": "EMISSION",
        "SeriesType": ["STATIC", "IMAGE"],
        "NumberOfSlices": count,
        "CorrectedImage": ["DECY", "ATTN", "SCAT", "NORM"],
        "DecayCorrection": "START",
        "CollimatorType": "NONE",
        "RadiopharmaceuticalInformationSequence": [_tracer(scan)],
        "PatientOrientationCodeSequence": [
            {**sct("102538003", "recumbent").item(),
             "PatientOrientationModifierCodeSequence": [sct("40199007", "supine").item()]}
        ],
        "PatientGantryRelationshipCodeSequence": [sct("102540008", "headfirst").item()],
        "RescaleIntercept": 0,
        "RescaleSlope": 1,
        "ActualFrameDuration": _FRAME_MS,
        "DecayFactor": 1,
        "AcquisitionNumber": 1,
        "WindowCenter": 4000,
        "WindowWidth": 8000,
    }  # fmt: skip


def _tracer(scan: Scan) -> Attributes:
    injected = scan.start - timedelta(minutes=60)
    return {
        "Radiopharmaceutical": "Fluorodeoxyglucose F^18^",
        "RadiopharmaceuticalStartTime": f"{injected:%H%M%S}",
        "RadiopharmaceuticalStartDateTime": f"{injected:%Y%m%d%H%M%S}",
        "RadionuclideTotalDose": round(scan.study.patient.weight_kg * 3.7e6),
        "RadionuclideHalfLife": 6586.2,
        "RadionuclidePositronFraction": 0.97,
        "RadionuclideCodeSequence": [sct("77004003", "^18^Fluorine").item()],
        "RadiopharmaceuticalCodeSequence": [sct("35321007", "Fluorodeoxyglucose F^18^").item()],
    }

"""Magnetic resonance (PS3.3 A.4)."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.uid import MRImageStorage

from diana_mock.anatomy import AXIAL
from diana_mock.encoding import Attributes
from diana_mock.modalities.planes import places, plane
from diana_mock.modalities.scan import Scan, image_pixel
from diana_mock.phantoms import Contrast
from diana_mock.studies import Series

_T1 = Contrast({"fat": 900, "bone": 60, "brain": 420, "muscle": 350, "marrow": 700, "fluid": 120, "lesion": 250}, 0, 31)
_T2 = Contrast({"fat": 650, "bone": 50, "brain": 360, "muscle": 180, "marrow": 500, "fluid": 980, "lesion": 800}, 0, 31)
_FLAIR = Contrast({"fat": 500, "bone": 50, "brain": 400, "muscle": 200, "fluid": 60, "lesion": 900}, 0, 31)
_PD = Contrast({"fat": 600, "bone": 60, "muscle": 480, "marrow": 550, "fluid": 900, "lesion": 850}, 0, 31)
_THICKNESS = 4.0


@dataclass(frozen=True)
class _Sequence:
    name: str
    contrast: Contrast
    repetition: float
    echo: float
    scanning: str = "SE"
    inversion: float = 0.0


_SEQUENCES = {
    "HEAD": (
        _Sequence("Ax T1", _T1, 550, 12),
        _Sequence("Ax T2", _T2, 4200, 98),
        _Sequence("Ax FLAIR", _FLAIR, 9000, 120, "IR", 2500),
    ),
    "KNEE": (_Sequence("Ax PD", _PD, 2600, 30), _Sequence("Ax T1", _T1, 600, 11)),
}


def make(scan: Scan) -> list[Series]:
    """A series for each sequence of the body part."""
    region = scan.study.procedure.region.name
    return [_series(scan, one, 180.0 if region == "KNEE" else 230.0) for one in _SEQUENCES[region]]


def _series(scan: Scan, sequence: _Sequence, view: float) -> Series:
    count = scan.count(16)
    shared: Attributes = {
        **image_pixel(scan),
        **plane(scan, view, _THICKNESS),
        "ImageType": ["ORIGINAL", "PRIMARY", "M", sequence.scanning],
        "ScanningSequence": sequence.scanning,
        "SequenceVariant": "SK",
        "ScanOptions": "",
        "MRAcquisitionType": "2D",
        "RepetitionTime": sequence.repetition,
        "EchoTime": sequence.echo,
        "EchoTrainLength": 1,
        **({"InversionTime": sequence.inversion} if sequence.inversion else {}),
        "MagneticFieldStrength": 1.5,
        "ImagingFrequency": 63.87,
        "ImagedNucleus": "1H",
        "FlipAngle": 90,
        "NumberOfAverages": 1,
        "SAR": scan.about(0.8),
        "ProtocolName": sequence.name,
        "AcquisitionNumber": 1,
        "WindowCenter": 450,
        "WindowWidth": 900,
    }
    shapes = AXIAL[scan.study.procedure.region.name]
    where = places(view, _THICKNESS, scan, -count * _THICKNESS / 2)
    return Series(
        description=sequence.name,
        sop_class_uid=MRImageStorage,
        attributes=shared,
        count=count,
        seconds=100 / count,
        instance=where,
        image=scan.stack(shapes, sequence.contrast, count),
    )

"""Nuclear medicine (PS3.3 A.5): a planar bone scan, from the front and from the back."""

from __future__ import annotations

from datetime import timedelta

from pydicom.uid import NuclearMedicineImageStorage

from diana_mock.anatomy import PROJECTED
from diana_mock.chance import uid
from diana_mock.codes import sct
from diana_mock.encoding import Attributes
from diana_mock.modalities.scan import Scan, image_pixel, millimetres
from diana_mock.phantoms import Contrast
from diana_mock.studies import Series

_COUNTS = Contrast({"muscle": 40, "bone": 160, "kidney": 220, "fluid": 300, "lesion": 400}, 2, 31)
_VIEWS = (("255549009", "Anterior"), ("255551008", "Posterior"))
_LENGTH_MM = 2000.0


def make(scan: Scan) -> list[Series]:
    """One instance with a frame a view."""
    shared: Attributes = {
        **image_pixel(scan, stored=16),
        "ImageType": ["ORIGINAL", "PRIMARY", "WHOLE BODY", "EMISSION"],
        "PixelSpacing": millimetres(_LENGTH_MM, scan),
        "NumberOfFrames": len(_VIEWS),
        "FrameIncrementPointer": [0x00540010, 0x00540020],
        "EnergyWindowVector": [1] * len(_VIEWS),
        "DetectorVector": [1, 2],
        "NumberOfEnergyWindows": 1,
        "NumberOfDetectors": len(_VIEWS),
        "CountsAccumulated": int(scan.about(2_000_000)),
        "ActualFrameDuration": 900_000,
        "AcquisitionTerminationCondition": "TIME",
        "WholeBodyTechnique": "1PS",
        "ScanVelocity": 2.2,
        "ScanLength": int(_LENGTH_MM),
        "EnergyWindowInformationSequence": [_window()],
        "RadiopharmaceuticalInformationSequence": [_tracer(scan)],
        "DetectorInformationSequence": [_detector(*view) for view in _VIEWS],
        "PatientOrientationCodeSequence": [_lying()],
        "PatientGantryRelationshipCodeSequence": [sct("102540008", "headfirst").item()],
        "FrameOfReferenceUID": uid(*scan.study.key, "frame of reference"),
        "PositionReferenceIndicator": "",
        "WindowCenter": 150,
        "WindowWidth": 300,
    }
    picture = scan.frames(PROJECTED["WHOLEBODY"], _COUNTS, len(_VIEWS))
    instance = _numbered
    return [
        Series(
            description="Whole body",
            sop_class_uid=NuclearMedicineImageStorage,
            attributes=shared,
            count=scan.count(1),
            seconds=900.0,
            instance=instance,
            image=picture,
        )
    ]


def _numbered(place: int) -> Attributes:
    return {"InstanceNumber": place + 1}


def _lying() -> Attributes:
    supine = sct("40199007", "supine").item()
    return {**sct("102538003", "recumbent").item(), "PatientOrientationModifierCodeSequence": [supine]}


def _window() -> Attributes:
    limits = {"EnergyWindowLowerLimit": 126, "EnergyWindowUpperLimit": 154}
    return {"EnergyWindowName": "Tc99m", "EnergyWindowRangeSequence": [limits]}


def _detector(code: str, meaning: str) -> Attributes:
    return {
        "CollimatorGridName": "LEHR",
        "CollimatorType": "PARA",
        "ImagePositionPatient": "",
        "ImageOrientationPatient": "",
        "ViewCodeSequence": [sct(code, meaning).item()],
    }


def _tracer(scan: Scan) -> Attributes:
    injected = scan.start - timedelta(hours=3)
    return {
        "Radiopharmaceutical": "Technetium Tc^99m^ medronate",
        "RadiopharmaceuticalStartTime": f"{injected:%H%M%S}",
        "RadionuclideTotalDose": 740,
        "RadionuclideCodeSequence": [sct("72454003", "^99m^Technetium").item()],
    }

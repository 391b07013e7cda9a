"""What is done at each kind of device, and what a reader finds there."""

from __future__ import annotations

from dataclasses import dataclass

from diana_mock.codes import Code, sct
from diana_mock.description import Modality


@dataclass(frozen=True)
class Region:
    """A part of the body."""

    name: str
    """Body Part Examined (PS3.16 annex L)."""
    code: Code
    normal: tuple[str, ...]
    """What is said where there is nothing to find."""
    finding: str
    """What is said of a lesion; {size} millimetres."""
    impression: str


@dataclass(frozen=True)
class Procedure:
    """What was asked for."""

    description: str
    region: Region
    reason: str
    """Why it is asked for."""
    contrast: bool = False
    """Whether an agent is given."""
    sex: str = ""
    """Of whom it is done; empty for both."""


HEAD = Region(
    "HEAD",
    sct("69536005", "Head"),
    ("No intracranial hemorrhage or mass effect.", "Ventricles and sulci are normal for age."),
    "There is a {size} mm lesion in the right frontal lobe.",
    "Right frontal lesion. MRI with contrast is recommended.",
)
CHEST = Region(
    "CHEST",
    sct("51185008", "Chest"),
    ("The lungs are clear.", "No pleural effusion or pneumothorax.", "Heart size is normal."),
    "There is a {size} mm nodule in the right upper lobe.",
    "Right upper lobe nodule. Follow-up in 3 months is recommended.",
)
ABDOMEN = Region(
    "ABDOMEN",
    sct("818983003", "Abdomen"),
    ("Liver, spleen and pancreas are unremarkable.", "No hydronephrosis.", "No free fluid."),
    "There is a {size} mm lesion in the right lobe of the liver.",
    "Indeterminate liver lesion.",
)
KNEE = Region(
    "KNEE",
    sct("72696002", "Knee"),
    ("No fracture.", "Joint spaces are preserved.", "No effusion."),
    "There is a {size} mm lesion in the distal femur.",
    "Lesion of the distal femur. Correlation with the history is recommended.",
)
BREAST = Region(
    "BREAST",
    sct("76752008", "Breast"),
    ("The breasts are heterogeneously dense.", "No suspicious mass or calcification."),
    "There is a {size} mm mass in the upper outer quadrant of the right breast.",
    "BI-RADS 4: suspicious. Biopsy is recommended.",
)
HEART = Region(
    "HEART",
    sct("80891009", "Heart"),
    ("The left main coronary artery is normal.", "Left ventricular function is normal."),
    "There is a narrowing of 70 % over {size} mm of the left anterior descending artery.",
    "Significant stenosis of the left anterior descending artery.",
)
WHOLE_BODY = Region(
    "WHOLEBODY",
    sct("38266002", "Entire body"),
    ("Physiologic uptake in kidneys and bladder.", "No focal abnormal uptake."),
    "There is focal uptake over {size} mm in the right fifth rib.",
    "Focal uptake in a rib. Correlation with radiographs is recommended.",
)

PROCEDURES: dict[Modality, tuple[Procedure, ...]] = {
    Modality.CT: (
        Procedure("CT Head without contrast", HEAD, "Headache"),
        Procedure("CT Chest with contrast", CHEST, "Suspected pulmonary embolism", contrast=True),
        Procedure("CT Abdomen and pelvis with contrast", ABDOMEN, "Abdominal pain", contrast=True),
    ),
    Modality.MR: (
        Procedure("MR Brain without contrast", HEAD, "Seizure"),
        Procedure("MR Knee without contrast", KNEE, "Knee pain after a fall"),
    ),
    Modality.CR: (
        Procedure("XR Chest PA and lateral", CHEST, "Cough"),
        Procedure("XR Knee two views", KNEE, "Knee pain"),
    ),
    Modality.DX: (
        Procedure("XR Chest PA and lateral", CHEST, "Shortness of breath"),
        Procedure("XR Abdomen", ABDOMEN, "Constipation"),
    ),
    Modality.US: (Procedure("US Abdomen complete", ABDOMEN, "Right upper quadrant pain"),),
    Modality.MG: (Procedure("MG Screening bilateral", BREAST, "Screening", sex="F"),),
    Modality.NM: (Procedure("NM Bone scan whole body", WHOLE_BODY, "Known prostate cancer", sex="M"),),
    Modality.PT: (Procedure("PET Chest FDG", CHEST, "Staging of lung cancer"),),
    Modality.XA: (Procedure("XA Coronary angiography", HEART, "Chest pain", contrast=True),),
    Modality.RF: (Procedure("RF Upper GI series", ABDOMEN, "Dysphagia", contrast=True),),
}

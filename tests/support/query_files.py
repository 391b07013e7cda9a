"""Nine small studies of six people who never were: what docs/queries.md asks about.

`python tests/support/query_files.py FOLDER` writes them. Needs pydicom only.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

ROOT = "2.999"
"""The arc of object identifiers that is kept for examples."""

_MUELLER = {"PatientID": "P1", "PatientName": "Müller^Jörg", "PatientSex": "M", "PatientBirthDate": "19611104"}
_JANE = {"PatientID": "P2", "PatientName": "Doe^Jane", "PatientSex": "F", "PatientBirthDate": "19840630"}
_JOHN = {"PatientID": "P3", "PatientName": "Doe^John", "PatientSex": "M", "PatientBirthDate": "20140301"}
_YAMADA = {
    "PatientID": "P4",
    "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "PatientSex": "M",
    "PatientBirthDate": "19720815",
}
_SMYTH = {"PatientID": "P5", "PatientName": "Smyth^Anne", "PatientSex": "F", "PatientBirthDate": "19550122"}
_OBRIEN = {"PatientID": "P6", "PatientName": "O'Brien^Pat", "PatientSex": "O"}

# Patient, date, time, description; of each series modality, description, body part, instances, and what else it has.
_STUDIES: list[tuple[dict[str, Any], str, str, str, list[tuple[str, str, str, int, dict[str, Any]]]]] = [
    (
        _MUELLER,
        "20260105",
        "091500",
        "CT Thorax",
        [("CT", "Thorax 1.0", "CHEST", 2, {}), ("CT", "Lung 5.0", "CHEST", 1, {})],
    ),
    (_MUELLER, "20260220", "143000", "CT Thorax low dose", [("CT", "Thorax 1.0", "CHEST", 2, {})]),
    (_JANE, "20260112", "100500", "Screening", [("MG", "R CC", "BREAST", 1, {}), ("MG", "L CC", "BREAST", 1, {})]),
    (_JANE, "20260119", "160000", "US Breast left", [("US", "", "BREAST", 1, {})]),
    (_JOHN, "20260112", "113000", "Hand left", [("CR", "", "HAND", 1, {})]),
    (
        _YAMADA,
        "20260203",
        "083000",
        "PET/CT whole body",
        [
            ("PT", "Whole body", "", 2, {"steps": [("S1", "RP1"), ("S2", "RP2")]}),
            ("CT", "Low dose", "", 2, {"steps": [("S1", "RP1")]}),
        ],
    ),
    (_SMYTH, "20251218", "120000", "MR Head", [("MR", "T1", "HEAD", 1, {}), ("MR", "T2", "HEAD", 1, {})]),
    (_SMYTH, "20260302", "", "MR Head", [("MR", "T1", "HEAD", 1, {})]),
    (_OBRIEN, "20260302", "170000", "CT Abdomen", [("CT", "Abdomen 3.0", "ABDOMEN", 1, {})]),
]
_SOP_CLASSES = {"CT": "2", "MG": "1.2", "US": "6.1", "CR": "1", "PT": "128", "MR": "4"}
_DOSES = {1: 8.2, 2: 2.1, 6: 4.5, 9: 11.3}
"""CTDIvol in mGy, by study."""


def write_files(folder: Path) -> None:
    """Write all files, a folder a study."""
    for number, (patient, date, time, description, series) in enumerate(_STUDIES, 1):
        study = {
            **patient,
            "SpecificCharacterSet": "ISO_IR 192",
            "StudyInstanceUID": f"{ROOT}.{number}",
            "StudyDate": date,
            "StudyTime": time,
            "StudyDescription": description,
            "AccessionNumber": f"A00{number}",
            "StudyID": str(number),
        }
        for place, (modality, said, part, count, more) in enumerate(series, 1):
            for instance in range(1, count + 1):
                uid = f"{ROOT}.{number}.{place}.{instance}"
                own: dict[str, Any] = {
                    "Modality": modality,
                    "SeriesDescription": said,
                    "BodyPartExamined": part,
                    "SeriesNumber": place,
                    "SeriesInstanceUID": f"{ROOT}.{number}.{place}",
                    "SOPClassUID": f"1.2.840.10008.5.1.4.1.1.{_SOP_CLASSES[modality]}",
                    "SOPInstanceUID": uid,
                    "InstanceNumber": instance,
                }
                data_set = _data_set({**study, **own}, _DOSES.get(number) if modality == "CT" else None, more)
                _write(folder / f"study{number}" / f"{place}-{instance}.dcm", data_set)


def _data_set(values: dict[str, Any], dose: float | None, more: dict[str, Any]) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    if dose is not None:
        made.CTDIvol = dose
        block = made.private_block(0x0019, "DIANA EXAMPLE", create=True)
        block.add_new(0x01, "LO", "helical" if dose > 4 else "low dose")
    if steps := more.get("steps"):
        made.RequestAttributesSequence = [_step(*one) for one in steps]
    return made


def _step(step: str, procedure: str) -> Dataset:
    made = Dataset()
    made.ScheduledProcedureStepID = step
    made.RequestedProcedureID = procedure
    return made


def _write(path: Path, data_set: Dataset) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = data_set.SOPClassUID
    meta.MediaStorageSOPInstanceUID = data_set.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset(str(path), data_set, file_meta=meta, preamble=bytes(128))
    file.save_as(path, enforce_file_format=True)


if __name__ == "__main__":
    write_files(Path(sys.argv[1]))

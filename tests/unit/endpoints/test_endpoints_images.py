"""The folder of images: PNG of what is put, under its UIDs, and images of any program as items."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file

from diana_common.errors import DianaError
from diana_endpoints.images import Images
from diana_endpoints.items import BytesContent, FileContent, Item, chunks
from diana_endpoints.services import Services
from tests.support.dicom_files import ROOT, make_small


def _images(path: Path, **settings: Any) -> Images:
    made = Services({"images": {"ctype": "ImageDir", "path": str(path), **settings}}, {}).endpoint("images")
    assert isinstance(made, Images)
    return made


def _bundled(name: str) -> Item:
    path = Path(str(get_testdata_file(name)))
    return Item(content=FileContent(path, path.stat().st_size))


def _files(path: Path) -> list[str]:
    return sorted(str(one.relative_to(path)) for one in path.rglob("*") if one.is_file())


def test_an_instance_becomes_an_image_under_its_uids_and_nothing_says_whose(tmp_path: Path) -> None:
    images = _images(tmp_path, window="40/400")
    [put] = images.put([Item(content=BytesContent(make_small(PatientName="DOE^JANE", PatientID="SECRET")))])
    assert (put.meta["outcome"], put.meta["images"]) == ("stored", 1)
    assert _files(tmp_path) == [f"{ROOT}.2.1/{ROOT}.3.1/{ROOT}.4.1.png"]
    [item] = images.list()
    assert (item.meta["study_uid"], item.meta["media_type"]) == (f"{ROOT}.2.1", "image/png")
    assert item.content
    png = b"".join(chunks(item.content))
    assert Image.open(io.BytesIO(png)).size == (64, 64)
    assert b"DOE" not in png
    assert b"SECRET" not in png


@pytest.mark.parametrize(("frames", "numbers"), [("all", range(1, 16)), ("first", [1]), ("middle", [8])])
def test_frames_of_several_are_numbered(tmp_path: Path, frames: str, numbers: Any) -> None:
    [put] = _images(tmp_path, frames=frames).put([_bundled("rtdose.dcm")])
    assert put.meta["images"] == len(numbers)
    uid = put.meta["sop_instance_uid"]
    assert sorted(path.name for path in tmp_path.rglob("*.png")) == [f"{uid}-{number:04}.png" for number in numbers]


def test_one_without_pixels_fails_and_the_rest_go_on(tmp_path: Path) -> None:
    items = [_bundled("rtplan.dcm"), Item(), _bundled("MR_small.dcm")]
    reasons = [item.failure.reason if item.failure else "" for item in _images(tmp_path).put(items)]
    assert reasons[2] == ""
    assert all(reasons[:2])
    assert len(_files(tmp_path)) == 1


def test_images_are_got_and_deleted_by_path_or_uid(tmp_path: Path) -> None:
    images = _images(tmp_path)
    list(images.put([_bundled("MR_small.dcm"), _bundled("rtdose.dcm"), _bundled("CT_small.dcm")]))
    (tmp_path / "photo.JPG").write_bytes(b"x")
    (tmp_path / "notes.txt").write_bytes(b"x")
    dose, scan = (dcmread(str(get_testdata_file(f"{name}.dcm"))) for name in ("rtdose", "MR_small"))
    assert len(list(images.list())) == 18
    assert images.passed_over == {"files that are not images": 1}
    for meta, count in (
        ({"id": "photo.JPG"}, 1),
        ({"study_uid": dose.StudyInstanceUID}, 15),
        ({"sop_instance_uid": scan.SOPInstanceUID}, 1),
    ):
        assert sum(1 for _ in images.get(Item(dict(meta)))) == count
        assert images.delete(Item(dict(meta))) == count
        with pytest.raises(DianaError, match="no image"):
            list(images.get(Item(dict(meta))))
    assert len(list(images.list())) == 1


def test_nothing_outside_the_folder_is_read_or_deleted(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    (tmp_path / "x.png").write_bytes(b"x")
    (inside / "link.png").symlink_to(tmp_path / "x.png")
    for name in ("../x.png", str(tmp_path / "x.png"), "link.png", "none.png"):
        with pytest.raises(DianaError, match="no image"):
            _images(inside).delete(Item({"id": name}))
    with pytest.raises(DianaError):
        list(_images(inside).get(Item({"study_uid": ".."})))
    assert list(_images(inside).list()) == []


def test_a_folder_that_is_not_there_is_made_by_putting_and_refused_for_listing(tmp_path: Path) -> None:
    images = Services({}, {}).endpoint(f"ipath:{tmp_path / 'new'}")
    assert isinstance(images, Images)
    assert images.check().ok
    with pytest.raises(DianaError, match="path: is not a folder"):
        list(images.list())
    with pytest.raises(DianaError, match="window"):
        _images(tmp_path, window="brian")

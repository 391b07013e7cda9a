"""Every storable file of the corpus under every shipped profile, examined by the standard's table alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from pydicom import Dataset

from diana_common.header import scan
from tests.deid import examine
from tests.deid.corpus_files import storable
from tests.deid.pipeline import Pipeline
from tests.deid.profiles import OPTIONS, PUBLIC
from tests.deid.score import can_read_text, pixel_cleaner
from tests.deid.scoring import forgiving
from tests.support.corpus import needs_corpus

pytestmark = needs_corpus

PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_identifying_is_left_and_every_action_is_right(part: int) -> None:
    """No file is refused, or held back as one in which something was left."""
    pipelines = {profile: Pipeline(profile) for profile in OPTIONS}
    with forgiving():
        faults = [fault for path in storable()[part::PARTS] for fault in _examined(path, pipelines)]
    assert not faults, "\n".join(faults)


def _examined(path: Path, pipelines: dict[str, Pipeline]) -> Iterator[str]:
    data = path.read_bytes()
    source = examine.read(data)
    for profile, pipeline in pipelines.items():
        (made,) = pipeline.study([data])
        if not isinstance(made, bytes):
            yield f"{path.name}, {profile}: {made.message}"
            continue
        for fault in examine.faults(source, examine.read(made), made, OPTIONS[profile]):
            yield f"{path.name}, {profile}: {fault}"


@pytest.mark.parametrize("profile", ["basic", PUBLIC])
def test_references_within_the_set_still_resolve(profile: str) -> None:
    pipeline = Pipeline(profile, released=True)
    files = {scan(path.read_bytes()).sop_instance_uid: path.read_bytes() for path in storable()}
    with forgiving():
        referring = [data for data in files.values() if b"\x08\x00\x55\x11" in data]
        pairs = [(examine.read(data), examine.read(pipeline.one(data))) for data in referring]
    kept = {found for pair in pairs for found in _references(*pair) if found[0] in files}
    assert len(kept) > 10
    assert [old for old, new in kept if scan(pipeline.one(files[old])).sop_instance_uid != new] == []


def _references(old: Dataset, new: Dataset) -> Iterator[tuple[str, str]]:
    """The Referenced SOP Instance UIDs of both, where both have one at the same place."""
    for element in old:
        other = new.get(element.tag)
        if other is None:
            continue
        if element.VR == "SQ" and other.VR == "SQ" and len(element.value) == len(other.value):
            for items in zip(element.value, other.value, strict=True):
                yield from _references(*items)
        elif element.tag == 0x00081155:
            yield str(element.value), str(other.value)


@pytest.mark.skipif(not can_read_text(), reason="the pixels extra is not installed")
def test_a_dozen_images_with_their_text_read_and_masked() -> None:
    _check_pixels([path for path in _images() if path.stat().st_size < 200_000][::9][:12])


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not can_read_text(), reason="the pixels extra is not installed")
def test_all_images_with_their_text_read_and_masked() -> None:
    _check_pixels(_images())


def _images() -> list[Path]:
    """Images that are small enough to be read in a test's time."""
    return [path for path in storable() if path.stat().st_size < 2_000_000 and b"\xe0\x7f\x10\x00" in path.read_bytes()]


def _check_pixels(paths: Sequence[Path]) -> None:
    """What comes out is as it must be but for pixels; what is in doubt is held back."""
    faults = []
    with pixel_cleaner() as pixels, forgiving():
        pipeline = Pipeline(PUBLIC, pixels)
        for path in paths:
            data = path.read_bytes()
            (made,) = pipeline.study([data])
            if isinstance(made, bytes):
                source, new = examine.read(data), examine.read(made)
                found = examine.faults(source, new, made, OPTIONS[PUBLIC])
                faults += [f"{path.name}: {fault}" for fault in found if not fault.endswith("pixels changed")]
                assert new.get("BurnedInAnnotation", "NO") == "NO"
            else:
                assert made.reason.name in ("INSTANCE_QUARANTINED", "PIXELS_UNREADABLE"), f"{path.name}: {made.message}"
    assert not faults, "\n".join(faults)

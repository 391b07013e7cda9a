"""dciodvfy finds nothing wrong in what came out that it did not find in what went in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.deid.corpus_files import storable
from tests.deid.dciodvfy import errors, program
from tests.deid.pipeline import Pipeline
from tests.deid.profiles import OPTIONS
from tests.support.corpus import needs_corpus

DCIODVFY = program()
EVERY = {"basic": 1, "trial": 8, "research-longitudinal": 8, "public-release": 5}
"""Under the profiles with options, which keep more of an object, one file in so many is a fair sample."""

pytestmark = [needs_corpus, pytest.mark.skipif(DCIODVFY is None, reason="dicom3tools is not installed")]


def test_no_new_errors(tmp_path: Path) -> None:
    assert DCIODVFY is not None
    pipelines = {profile: Pipeline(profile, released=True) for profile in OPTIONS}
    new: list[str] = []
    for number, path in enumerate(storable()):
        before = errors(DCIODVFY, path)
        if before is None:
            continue
        for place, (profile, pipeline) in enumerate(pipelines.items()):
            if (number + place) % EVERY[profile] == 0:
                (tmp_path / "made.dcm").write_bytes(pipeline.one(path.read_bytes()))
                after = errors(DCIODVFY, tmp_path / "made.dcm")
                found = {"it cannot be read"} if after is None else after - before
                new += [f"{path.name}, {profile}: {error}" for error in sorted(found)]
    assert not new, "\n".join(new)

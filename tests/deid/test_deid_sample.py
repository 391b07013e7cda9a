"""The shared sample of planted values under every shipped profile, held against its answer key by its own checker."""

from __future__ import annotations

import io
import json
import runpy
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from diana_anon.core.text.identifiers import gathered
from diana_anon.core.text.words import words
from diana_common.dicomjson import texts
from diana_common.header import scan
from tests.deid.pipeline import Mint, Pipeline
from tests.deid.profiles import OPTIONS
from tests.deid.standard import DEVICE, MODIFIED_DATES, SAFE_PRIVATE
from tests.support.corpus import CORPUS, needs_corpus

SAMPLE = CORPUS / "deid_sample"

pytestmark = needs_corpus


@pytest.mark.parametrize("profile", OPTIONS)
def test_no_planted_value_is_left_and_every_action_is_right(
    profile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = Pipeline(profile, mint=Mint(seconds=True))
    for file in sorted(SAMPLE.glob("*.dcm")):
        (tmp_path / file.name).write_bytes(pipeline.one(file.read_bytes()))
    totals = _checked(profile, tmp_path, monkeypatch)
    assert totals.pop("rows") > 2500
    # One safe private text of each file goes, though the checker would keep it: see the test below.
    assert totals == ({"action wrong (K)": 3} if SAFE_PRIVATE in OPTIONS[profile] else {})


def test_the_safe_private_text_that_goes_has_the_given_name_of_people_in_its_header() -> None:
    """Internal Pulse Sequence Name says "ZQA9013 CANARY": to keep it were to leak a name that goes everywhere else.

    Table E.1-1 has what is kept of private attributes cleaned (C).
    """
    for file in sorted(SAMPLE.glob("*.dcm")):
        header = json.loads(scan(file.read_bytes()).dicom_json)
        creators = {tag[6:]: texts(header, tag)[0] for tag in header if tag.startswith("001900")}
        (block,) = (block for block, creator in creators.items() if f"0019{block}9E" in header)
        assert creators[block] == "GEMS_ACQU_01"
        said = {word.text for word in words(texts(header, f"0019{block}9E")[0])}
        assert said & gathered(header).people == {"canary"}


def _checked(profile: str, made: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The checker's counts."""
    # It lets the last option that has an action for a row decide; moved dates win over those that devices keep.
    options = sorted(OPTIONS[profile], key=lambda option: (option == MODIFIED_DATES, option != DEVICE))
    key = str(SAMPLE / "answer_key.json")
    monkeypatch.setattr(sys, "argv", ["check.py", key, str(SAMPLE), str(made), "--options", ",".join(options)])
    output = io.StringIO()
    with redirect_stdout(output), pytest.raises(SystemExit):
        runpy.run_path(str(SAMPLE / "check.py"), run_name="__main__")
    counts: dict[str, int] = json.loads(output.getvalue().partition("TOTAL ")[2])
    return counts

"""The planted values of the shared sample, held against its answer key by its own checker."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.corpus import CORPUS, needs_corpus
from tests.unit.anon.engine_files import Dates, new_file

SAMPLE = CORPUS / "deid_sample"
OPTIONS = {Dates.REMOVE: "", Dates.SHIFT: "rtn_long_modif_dates"}

pytestmark = needs_corpus


@pytest.mark.parametrize("dates", Dates)
def test_no_planted_value_survives_and_every_attribute_got_its_action(dates: Dates, tmp_path: Path) -> None:
    # Planted dates lie whole weeks apart and all times have one clock: an odd offset keeps them from meeting.
    offset = timedelta(days=-81, seconds=12345)
    for source in SAMPLE.glob("*.dcm"):
        (tmp_path / source.name).write_bytes(new_file(source.read_bytes(), dates, offset))
    command = [sys.executable, *map(str, (SAMPLE / "check.py", SAMPLE / "answer_key.json", SAMPLE, tmp_path))]
    done = subprocess.run([*command, "--options", OPTIONS[dates]], capture_output=True, text=True)
    total = json.loads(done.stdout.partition("TOTAL ")[2])
    assert done.returncode == 0
    assert total.pop("rows") > 2500
    # Words that stand in attributes the Basic Profile keeps (a device's model) are not the table's affair.
    total.pop("identity words left (any attribute)", None)
    assert total == {}

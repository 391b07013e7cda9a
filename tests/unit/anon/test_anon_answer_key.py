"""The planted values of the shared sample, held against its answer key by its own checker, under every option."""

from __future__ import annotations

import csv
import json
import runpy
from datetime import timedelta
from pathlib import Path

import pydicom
import pytest

from diana_anon.core.planning.tables import Option
from tests.support.corpus import CORPUS, needs_corpus
from tests.unit.anon.engine_files import profile, under

SAMPLE = CORPUS / "deid_sample"
COLUMNS = {
    Option.CLEAN_GRAPHICS: "clean_graph",
    Option.CLEAN_STRUCTURED_CONTENT: "clean_struct_cont",
    Option.CLEAN_DESCRIPTORS: "clean_desc",
    Option.RETAIN_PATIENT_CHARACTERISTICS: "rtn_pat_chars",
    Option.RETAIN_DEVICE_IDENTITY: "rtn_dev_id",
    Option.RETAIN_UIDS: "rtn_uids",
    Option.RETAIN_SAFE_PRIVATE: "rtn_safe_priv",
    Option.RETAIN_INSTITUTION_IDENTITY: "rtn_inst_id",
    Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_FULL_DATES: "rtn_long_full_dates",
    Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED_DATES: "rtn_long_modif_dates",
}
"""The checker's names. It lets the last of several options have its way, so that dates come last."""

FULL, MODIFIED = list(COLUMNS)[-2:]
ALL = frozenset(COLUMNS)
CHOICES = {
    "basic": frozenset[Option](),
    **{column: frozenset({option}) for option, column in COLUMNS.items()},
    "all with modified dates": ALL - {FULL},
    "all with full dates": ALL - {MODIFIED},
    "all but UIDs": ALL - {FULL, Option.RETAIN_UIDS},
    "all that clean, and modified dates": frozenset(
        {Option.CLEAN_GRAPHICS, Option.CLEAN_STRUCTURED_CONTENT, Option.CLEAN_DESCRIPTORS, MODIFIED}
    ),
    "all that retain but UIDs, and full dates": frozenset(
        option for option in ALL if option.name.startswith("RETAIN") and option not in (MODIFIED, Option.RETAIN_UIDS)
    ),
}

pytestmark = needs_corpus


@pytest.mark.parametrize("options", CHOICES.values(), ids=CHOICES)
def test_no_planted_value_survives_and_every_attribute_got_its_action(
    options: frozenset[Option], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Planted dates lie whole weeks apart and all times have one clock: an odd offset keeps them from meeting.
    offset = timedelta(days=-81, seconds=12345)
    for source in SAMPLE.glob("*.dcm"):
        (tmp_path / source.name).write_bytes(under(source.read_bytes(), profile(*options), offset=offset))
    total, wrong = checked(options, tmp_path, capsys, monkeypatch)
    assert total.pop("rows") > 2500
    # Words that stand in attributes the Basic Profile keeps (a device's model) are not the table's affair.
    for unasked in ("identity words left (any attribute)", "container removed"):
        total.pop(unasked, None)
    if Option.RETAIN_UIDS in options:
        # The checker wants no UID left in a sequence that is cleaned; but the UIDs within are what the option retains.
        assert all(row["vr"] == "SQ" and row["state"] == "present" for row in wrong)
        assert not [row for row in wrong if row["action"] not in "CD"]
    else:
        assert total == {}


def checked(
    options: frozenset[Option], made: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, int], list[dict[str, str]]]:
    """The checker's totals, and the rows that it finds wrong."""
    report = made / "report.csv"
    chosen = ",".join(column for option, column in COLUMNS.items() if option in options)
    check = SAMPLE / "check.py"
    arguments = [check, SAMPLE / "answer_key.json", SAMPLE, made, "--options", chosen, "--csv", report]
    monkeypatch.setattr("sys.argv", [str(argument) for argument in arguments])
    settings = pydicom.config.settings
    monkeypatch.setattr(settings, "reading_validation_mode", settings.reading_validation_mode)
    with pytest.raises(SystemExit):
        runpy.run_path(str(check))
    with report.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return json.loads(capsys.readouterr().out.partition("TOTAL ")[2]), rows

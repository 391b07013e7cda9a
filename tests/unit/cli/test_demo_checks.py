"""The demonstration's own checks notice what they are there to notice."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pydicom
import pytest

from diana_cli.demo import deidentifying, receiving, telling
from diana_cli.demo.story import Demo, StepFailed
from diana_endpoints.items import BytesContent, Item
from tests.support.dicom_files import ROOT, make_small

NEW = "2.25.1"


def _item(**overrides: Any) -> Item:
    return Item(content=BytesContent(make_small(**overrides)))


def test_names_dates_numbers_and_uids_identify_nested_ones_too() -> None:
    values = deidentifying._identifying(_item())
    assert {"Phantom^Petra", "19610404", "PHANTOM01", "ACC0001", "Teaching Hospital", f"{ROOT}.2.1"} <= values
    assert f"{ROOT}.2.9" in values, "of an item of Referenced Study Sequence"
    assert not any(value.startswith("1.2.840.10008.") for value in values)
    assert all(len(value) >= 4 for value in values)


def test_one_value_that_is_left_fails_the_search() -> None:
    values = deidentifying._identifying(_item())
    clean = Item(content=BytesContent(b"nothing of anybody"))
    assert deidentifying._search(clean, values) == 18
    left = Item(content=BytesContent(b"....19610404...."))
    with pytest.raises(StepFailed, match="1 values"):
        deidentifying._search(left, values)


def test_rows_show_what_changed_what_stayed_and_leave_out_what_neither_has() -> None:
    before = _item(InstitutionName=None)
    after = _item(PatientName="NEW^NAME", StudyDate="", InstitutionName=None)
    rows = {line[2:24].strip(): (line[0], line[24:].split()) for line in deidentifying._rows(before, after)}
    assert rows["PatientName"] == (" ", ["Phantom^Petra", "NEW^NAME"])
    assert rows["StudyDate"] == (" ", ["20260114", "(empty)"])
    assert rows["Modality"] == ("=", ["CT", "CT"])
    assert "InstitutionName" not in rows
    assert rows["private elements"] == (" ", ["13", "13"])


@pytest.mark.parametrize(
    "mail",
    [
        None,
        f"To: somebody@else.example\r\n\r\n{NEW}\r\n".encode(),
        b"To: ada@reading-room.example\r\n\r\nanother study\r\n",
        f"To: ada@reading-room.example\r\n\r\n{NEW} of patient 98890234\r\n".encode(),
    ],
)
def test_no_mail_and_a_wrong_mail_fail_the_step(mail: bytes | None) -> None:
    demo = SimpleNamespace(mailbox=SimpleNamespace(next_mail=lambda _: mail), new_study=Item({"study_uid": NEW}))
    with pytest.raises(StepFailed):
        list(telling.read_mail(cast(Demo, demo)))


def test_the_notifiers_settings_lie_where_the_mesh_looks_for_them(tmp_path: Path) -> None:
    mailbox = SimpleNamespace(open=lambda: None, port=2525)
    demo = SimpleNamespace(mailbox=mailbox, room=tmp_path, mesh=SimpleNamespace(state=tmp_path / "state"))
    told = "\n".join(telling.configure(cast(Demo, demo)))
    assert "state/config/notify.yaml" in told
    assert "port: 2525" in (tmp_path / "state" / "config" / "notify.yaml").read_text()


def test_without_dcmtk_the_step_that_needs_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (told,) = receiving.receive(cast(Demo, None))
    assert "skipped" in told and "dcmsend is not installed" in told


def test_a_modality_that_fails_fails_the_step(tmp_path: Path) -> None:
    modality = tmp_path / "dcmsend"
    modality.write_text("#!/bin/sh\necho no association >&2\nexit 3\n")
    modality.chmod(0o755)
    with pytest.raises(StepFailed, match="status 3: no association"):
        receiving._send(str(modality), "DIANA", "127.0.0.1:11112", tmp_path)


def test_what_the_modality_sends_is_a_study_that_nobody_has(tmp_path: Path) -> None:
    count = receiving._acquire(tmp_path / "modality")
    sent = [pydicom.dcmread(path) for path in (tmp_path / "modality").iterdir()]
    assert count == len({one.SOPInstanceUID for one in sent}) == 4
    assert len({one.StudyInstanceUID for one in sent}) == 1
    assert all(one.StudyInstanceUID.startswith("2.25.") for one in sent)

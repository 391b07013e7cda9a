"""Every file of the shared corpus and of pydicom: our DICOM JSON agrees with pydicom's, or the refusal is typed.

Where the two differ and why, so that the comparison can pass over it:

- pydicom keeps group lengths and pads; DICOM JSON needs neither.
- Available Transfer Syntax UID is ours to set.
- A NUL inside text is U+FFFD with us.
- pydicom writes an empty person name as an empty object, we as null.
- US or OW and the like (LUT Data in Implicit VR) is OW with us, US with pydicom when the table has one entry.
- pydicom leaves the escapes of ISO 2022 IR 58 in names.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pydicom.data
import pytest
from pydicom import config

from diana_common.errors import DianaError, Reason
from diana_common.header import check_complete, read_header, scan
from tests.support.corpus import CORPUS, needs_corpus

pytestmark = pytest.mark.filterwarnings("ignore")
REFUSALS = {
    Reason.NOT_PART10,
    Reason.FILE_META_INVALID,
    Reason.DICOMDIR_REFUSED,
    Reason.DATA_SET_TRUNCATED,
    Reason.DATA_SET_INVALID,
    Reason.DATA_SET_LIMIT,
    Reason.UID_MISSING,
    Reason.UID_INVALID,
}
# Not get_testdata_files: it would download what the package leaves out.
BUNDLED = sorted(Path(pydicom.data.__file__).parent.rglob("*.dcm"))

DROPPED = {"badVR.dcm": ["00280008"]}
"""What pydicom cannot write even when lenient: an IS of `1A`, for us a string."""


@pytest.fixture(autouse=True)
def lenient_pydicom(monkeypatch: pytest.MonkeyPatch) -> None:
    """pydicom drops values it finds invalid (a UID with a leading zero, 65 letters of LO); we keep them."""
    monkeypatch.setattr(config.settings, "_reading_validation_mode", config.IGNORE)
    monkeypatch.setattr(config.settings, "_writing_validation_mode", config.IGNORE)


def ours(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(scan(path.read_bytes()).dicom_json)
    loaded.pop("00083002")
    return loaded


def theirs(path: Path) -> dict[str, Any]:
    data_set = pydicom.dcmread(path, stop_before_pixels=True)
    for tag in DROPPED.get(path.name, []):
        del data_set[tag]
    loaded = data_set.to_json_dict(1 << 40, lambda _: "")
    return {tag: element for tag, element in loaded.items() if tag < "7FE00008" and tag != "00083002"}


def normal(elements: dict[str, Any]) -> dict[str, Any]:
    return {tag: _element(element) for tag, element in elements.items() if tag[4:] != "0000"}


def _element(element: dict[str, Any]) -> tuple[object, ...]:
    vr = element["vr"]
    if "InlineBinary" in element:
        return vr, len(base64.b64decode(element["InlineBinary"]))
    if "BulkDataURI" in element:
        return vr, int(element["BulkDataURI"].rpartition("-")[2])
    values = [_value(vr, value) for value in element.get("Value", [])]
    return (vr, values) if any(value is not None for value in values) else (vr,)


def _value(vr: str, value: Any) -> Any:
    if vr == "SQ":
        return normal(value or {})
    if vr == "PN":
        return {part: text.rstrip(" \0") for part, text in (value or {}).items() if text} or None
    if isinstance(value, str):
        return value.rstrip(" \0").replace("\0", "\ufffd") or None
    return value


def differences(a: dict[str, Any], b: dict[str, Any], path: str = "") -> Iterator[str]:
    for tag in sorted(a.keys() | b.keys()):
        x, y = a.get(tag), b.get(tag)
        if x == y:
            continue
        if x and y and x[0] == y[0] == "SQ" and len(x) == len(y) == 2 and len(x[1]) == len(y[1]):
            for index, (item, other) in enumerate(zip(x[1], y[1], strict=True)):
                yield from differences(item, other, f"{path}{tag}[{index}].")
        else:
            yield f"{path}{tag}: {x} / {y}"


def _files() -> list[Path]:
    return sorted(path for path in (CORPUS / "dicom").rglob("*") if path.is_file()) if CORPUS.is_dir() else []


def _check(path: Path) -> bool:
    """Whether the file is storable; if so, both readings of it agree."""
    file = path.read_bytes()
    try:
        header = scan(file)
        check_complete(file, header)
    except DianaError as error:
        assert error.reason in REFUSALS
        return False
    assert read_header(path) == scan(memoryview(file)) == header
    check_complete(memoryview(file), header)
    mine = normal(ours(path))
    for tag in DROPPED.get(path.name, []):
        del mine[tag]
    found = list(differences(mine, normal(theirs(path))))
    assert not found, f"{path.name}: ours / pydicom's: {found}"
    return True


@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.name)
def test_pydicoms_own_files(path: Path) -> None:
    _check(path)


@needs_corpus
def test_every_file_of_the_corpus_agrees_with_pydicom_or_is_refused_with_a_reason() -> None:
    stored = [path for path in _files() if _check(path)]
    assert len(stored) >= 390


HOSTILE = {
    "deflate_bomb_256MiB.dcm": Reason.DATA_SET_LIMIT,
    "huge_declared_ob_4gb.dcm": Reason.DATA_SET_TRUNCATED,
    "nested_200_undef.dcm": Reason.DATA_SET_LIMIT,
    "nested_900_defined.dcm": Reason.DATA_SET_LIMIT,
    "preamble_only.dcm": Reason.FILE_META_INVALID,
    "text_named.dcm": Reason.NOT_PART10,
    "truncated_at_330.dcm": Reason.FILE_META_INVALID,
    "uid_traversal.dcm": Reason.UID_INVALID,
    "unknown_transfer_syntax.dcm": None,
    "zero_bytes.dcm": Reason.NOT_PART10,
}


@needs_corpus
@pytest.mark.parametrize("name", list(HOSTILE))
def test_each_hostile_file_gets_the_answer_it_deserves(name: str) -> None:
    file = (CORPUS / "dicom/generated/hostile" / name).read_bytes()
    try:
        check_complete(file, scan(file))
        reason = None
    except DianaError as error:
        reason = error.reason
    assert reason == HOSTILE[name]

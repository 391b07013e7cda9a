"""Data sets that are not objects: DICOM JSON to bytes and back, as pydicom writes and reads them."""

from __future__ import annotations

import random
from base64 import b64encode
from io import BytesIO
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from diana_common.errors import DianaError, Reason
from diana_dimse.core.sop_classes import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from diana_dimse.wire.datasets import decode, encode

SYNTAXES = (IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN)
NAMES: dict[str, dict[str, str]] = {
    r"\ISO 2022 IR 87": {"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"},
    r"ISO 2022 IR 13\ISO 2022 IR 87": {"Alphabetic": "ﾔﾏﾀﾞ^ﾀﾛｳ", "Ideographic": "山田^太郎"},
    r"\ISO 2022 IR 149": {"Alphabetic": "Hong^Gildong", "Ideographic": "洪^吉洞", "Phonetic": "홍^길동"},
    "GB18030": {"Alphabetic": "Wang^XiaoDong", "Ideographic": "王^小东"},
    "ISO_IR 100": {"Alphabetic": "Buc^Jérôme"},
    "ISO_IR 126": {"Alphabetic": "Διονυσιος"},
    "ISO_IR 144": {"Alphabetic": "Люкceмбypг"},
    r"ISO 2022 IR 100\ISO 2022 IR 126\ISO 2022 IR 144": {"Alphabetic": "Bücκ^Люк"},
}
_WORDS = ("", "A", "CT", "a longer text", "Zürich", "山田", "Ж", "x" * 63)


def _value(chance: random.Random, vr: str) -> Any:
    if vr == "PN":
        groups = ("Alphabetic", "Ideographic", "Phonetic")[: chance.randint(1, 3)]
        return {group: chance.choice(("Doe^Jane", "山田^太郎", "Müller")) for group in groups}
    if vr == "IS":
        return chance.randint(-(2**31), 2**31 - 1)
    if vr == "DS":
        return chance.choice((0.5, -2.25, 1.25e-7, 123456.789))
    if vr in ("FL", "FD"):
        return chance.choice((0.5, -1.25, 3.0))
    bits = {"US": 16, "UL": 32, "UV": 64}.get(vr)
    if bits:
        return chance.randrange(2**bits)
    if vr in ("SS", "SL", "SV"):
        return chance.randint(-(2**15), 2**15 - 1)
    known = {
        "DA": "20260131",
        "TM": "101112.5",
        "DT": "20260131101112",
        "UI": "1.2.840.3",
        "AS": "042Y",
        "AT": "00100010",
    }
    return known.get(vr) or chance.choice(_WORDS[1:3] if vr in ("CS", "AE", "UR") else _WORDS[1:])


_TAGS = {
    "00080008": "CS", "00080054": "AE", "00080018": "UI", "00080020": "DA", "00080030": "TM", "0008002A": "DT",
    "00081030": "LO", "00100010": "PN", "00100020": "LO", "00101010": "AS", "00101030": "DS", "00104000": "LT",
    "00200013": "IS", "00280010": "US", "00720078": "UL", "0072007C": "SL", "0072007E": "SS", "00720082": "SV",
    "00720083": "UV", "00189074": "DT", "00089459": "FL", "00189307": "FD", "00720060": "AT", "00720071": "UR",
    "00080119": "UC", "0040A160": "UT", "00081115": "SQ", "00081140": "SQ", "00420011": "OB", "00281201": "OW",
}  # fmt: skip
_MANY = frozenset(["CS", "UI", "LO", "PN", "DS", "IS", "US", "UL", "SL", "SS", "FL", "FD", "AT"])


def _data_set(chance: random.Random, depth: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for tag in sorted(chance.sample(sorted(_TAGS), chance.randint(1, 12))):
        vr = _TAGS[tag]
        found[tag] = {"vr": vr}
        if vr == "SQ":
            if depth < 2 and (items := [_data_set(chance, depth + 1) for _ in range(chance.randint(0, 2))]):
                found[tag]["Value"] = items
        elif vr in ("OB", "OW"):
            found[tag]["InlineBinary"] = b64encode(chance.randbytes(2 * chance.randint(1, 20))).decode()
        elif chance.random() < 0.8:
            found[tag]["Value"] = [_value(chance, vr) for _ in range(chance.randint(1, 3) if vr in _MANY else 1)]
    return found


def _by_pydicom(data_set: dict[str, Any], syntax: str) -> bytes:
    made = Dataset.from_json(data_set)
    if not str(data_set).isascii():
        made.SpecificCharacterSet = "ISO_IR 192"
    file = DicomBytesIO()
    file.is_little_endian = syntax != EXPLICIT_VR_BIG_ENDIAN
    file.is_implicit_VR = syntax == IMPLICIT_VR_LITTLE_ENDIAN
    write_dataset(file, made, "ISO_IR 192")
    return file.getvalue()


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_what_is_written_is_what_pydicom_writes(syntax: str) -> None:
    chance = random.Random(7)
    for _ in range(150):
        data_set = _data_set(chance)
        if syntax == EXPLICIT_VR_BIG_ENDIAN and "OW" in str(data_set):
            continue  # pydicom does not swap words that came by JSON
        assert encode(data_set, syntax) == _by_pydicom(data_set, syntax), data_set


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_what_was_written_is_read_again(syntax: str) -> None:
    chance = random.Random(8)
    for _ in range(150):
        data_set = _data_set(chance)
        found = decode(encode(data_set, syntax), syntax)
        assert found.pop("00080005", {"Value": ["ISO_IR 192"]})["Value"] == ["ISO_IR 192"]
        assert found == data_set


@pytest.mark.parametrize("terms", NAMES)
def test_a_preferred_character_set_is_kept_to_where_it_has_all_the_characters(terms: str) -> None:
    data = encode({"00100010": {"vr": "PN", "Value": [NAMES[terms]]}}, EXPLICIT_VR_LITTLE_ENDIAN, terms)
    found = decode(data, EXPLICIT_VR_LITTLE_ENDIAN)
    assert found["00100010"]["Value"] == [NAMES[terms]]
    assert [one or "" for one in found["00080005"]["Value"]] == terms.split("\\")
    seen = read_dataset(BytesIO(data), is_implicit_VR=False, is_little_endian=True)
    seen.decode()
    assert seen.PatientName.alphabetic == NAMES[terms]["Alphabetic"]
    assert seen.PatientName.ideographic == NAMES[terms].get("Ideographic", "")


def test_names_are_written_as_the_standard_writes_them() -> None:
    """PS3.5 sections H.3.1 and I.2."""
    tarou, gildong = (
        encode({"00100010": {"vr": "PN", "Value": [NAMES[terms]]}}, EXPLICIT_VR_LITTLE_ENDIAN, terms)
        for terms in (r"\ISO 2022 IR 87", r"\ISO 2022 IR 149")
    )
    assert b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B" in tarou
    assert b"=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf" in gildong


@pytest.mark.parametrize("terms", ["ISO_IR 100", "ISO_IR 6", "", "nonsense", r"ISO_IR 192\ISO_IR 100", "ISO_IR 149"])
def test_where_the_preferred_character_set_does_not_serve_it_is_utf_8(terms: str) -> None:
    data = encode({"00100020": {"vr": "LO", "Value": ["山田"]}}, IMPLICIT_VR_LITTLE_ENDIAN, terms)
    assert decode(data, IMPLICIT_VR_LITTLE_ENDIAN)["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}


def test_ascii_alone_declares_no_character_set() -> None:
    data_set = {"00080005": {"vr": "CS", "Value": ["ISO_IR 100"]}, "00100020": {"vr": "LO", "Value": ["A"]}}
    assert decode(encode(data_set, IMPLICIT_VR_LITTLE_ENDIAN), IMPLICIT_VR_LITTLE_ENDIAN).keys() == {"00100020"}


def test_a_wrong_character_set_gives_replacement_characters() -> None:
    bad = b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 192\x10\x00\x20\x00LO\x02\x00\xff\xfe"
    assert decode(bad, EXPLICIT_VR_LITTLE_ENDIAN)["00100020"]["Value"] == ["\ufffd\ufffd"]


def test_a_text_too_long_for_its_vr_is_written_as_unknown() -> None:
    data = encode({"00104000": {"vr": "LT", "Value": ["x" * 70_000]}}, EXPLICIT_VR_LITTLE_ENDIAN)
    assert data[4:6] == b"UN"
    assert data[8:12] == (70_000).to_bytes(4, "little")
    assert data[12:] == b"x" * 70_000


def test_long_decimals_are_shortened_to_sixteen_characters() -> None:
    data = encode({"00101030": {"vr": "DS", "Value": [-0.12345678901234567]}}, EXPLICIT_VR_LITTLE_ENDIAN)
    assert data[8:] == b"-0.1234567890123"


def test_elements_without_a_vr_have_the_dictionarys_and_bulk_data_is_left_empty() -> None:
    data_set: dict[str, Any] = {"00100020": {"Value": ["A"]}, "00420011": {"vr": "OB", "BulkDataURI": "range:1-2"}}
    found = decode(encode(data_set, EXPLICIT_VR_LITTLE_ENDIAN), EXPLICIT_VR_LITTLE_ENDIAN)
    assert found == {"00100020": {"vr": "LO", "Value": ["A"]}, "00420011": {"vr": "OB"}}


@pytest.mark.parametrize(
    "element",
    [{"vr": "US", "Value": [70_000]}, {"vr": "US", "Value": ["a"]}, {"vr": "AT", "Value": ["1"]},
     {"vr": "ZZ", "Value": [1]},
     {"vr": "OB", "InlineBinary": "a"}, {"vr": "SQ", "Value": ["a"]}],
)  # fmt: skip
def test_what_does_not_fit_its_vr_is_refused(element: dict[str, Any]) -> None:
    with pytest.raises(DianaError) as refused:
        encode({"00280010": element}, EXPLICIT_VR_LITTLE_ENDIAN)
    assert refused.value.reason is Reason.INVALID_FIELD


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_damaged_bytes_are_refused_or_read_but_never_crash(syntax: str) -> None:
    chance = random.Random(9)
    for _ in range(150):
        data = bytearray(encode(_data_set(chance), syntax))
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            found = decode(bytes(data[: chance.randint(1, len(data))]), syntax)
        except DianaError as error:
            assert error.reason.name.startswith("DATA_SET_")
        else:
            encode(found, syntax)

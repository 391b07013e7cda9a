"""Text in the character sets DICOM knows, as the examples of PS3.5 annexes H to K write it."""

from __future__ import annotations

import pytest

from diana_common.dicom.charset import repertoire

NAMES = [
    (b"ISO_IR 100", b"Buc^J\xe9r\xf4me", "Buc^Jérôme"),
    (b"ISO_IR 101", b"W\xe6\xb3\xb1", "Wćłą"),
    (b"ISO_IR 144", b"\xbb\xee\xda\x63\x65\xdc\xd1\x79\x70\xd3", "Люкceмбypг"),
    (b"ISO_IR 126", b"\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2", "Διονυσιος"),
    (b"ISO_IR 166", b"\xb9\xd2", "นา"),
    (b"ISO_IR 192", "Wang^XiaoDong=王^小東=".encode(), "Wang^XiaoDong=王^小東="),
    (b"GB18030", "Wang^XiaoDong=王^小东=".encode("gb18030"), "Wang^XiaoDong=王^小东="),
    (b"GBK", "Wang=王=".encode("gbk"), "Wang=王="),
    (
        b"\\ISO 2022 IR 87",
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
    ),
    (
        b"ISO 2022 IR 13\\ISO 2022 IR 87",
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J",
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎",
    ),
    (
        b"\\ISO 2022 IR 149",
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
        "Hong^Gildong=洪^吉洞=홍^길동",
    ),
    (
        b"\\ISO 2022 IR 58",
        b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=",
        "Zhang^XiaoDong=张^小东=",
    ),
    (b"ISO 2022 IR 100\\ISO 2022 IR 144", b"\xe9^\x1b-L\xbb^\xe9", "é^Л^é"),
]


@pytest.mark.parametrize(("declared", "data", "text"), NAMES)
def test_names_of_the_standard(declared: bytes, data: bytes, text: str) -> None:
    assert repertoire(declared).decode(data, name=True) == text


@pytest.mark.parametrize("declared", [b"ISO-IR 192", b"ISO IR 192", b"iso_ir_192 ", b"UTF-8", b"ISO 2022 IR 192"])
def test_misspelt_terms_are_understood(declared: bytes) -> None:
    assert repertoire(declared).decode("é".encode()) == "é"


@pytest.mark.parametrize("declared", [b"", b"ISO_IR 6", b"KLINGON", b"\xff\xfe"])
def test_unknown_and_default_sets_are_read_as_latin_1(declared: bytes) -> None:
    assert repertoire(declared).decode(b"M\xfcller") == "Müller"


@pytest.mark.parametrize(
    "declared", [b"ISO_IR 192", b"GB18030", b"\\ISO 2022 IR 87", b"\\ISO 2022 IR 149", b"ISO_IR 13"]
)
def test_bytes_that_mean_nothing_never_fail(declared: bytes) -> None:
    for data in (b"\xff\xfe\x80", b"\x1b$B\x80", b"\x1b$)C\xff", b"\x1b", b"\x1b$B", bytes(range(256))):
        assert isinstance(repertoire(declared).decode(data, name=True), str)


def test_a_backslash_inside_a_two_byte_character_is_no_delimiter() -> None:
    assert repertoire(b"GBK").decode(b"\x81\x5c") == "乗"
    assert repertoire(b"\\ISO 2022 IR 87").decode(b"\x1b$B\x3b\x5c\x1b(B").count("\\") == 0


@pytest.mark.parametrize(
    ("declared", "raw", "explained"),
    [
        (b"", b"plain", True),
        (b"\\ISO 2022 IR 87", b"\x1b$B;3ED\x1b(B", True),
        (b"\\ISO 2022 IR 87", b"\x1b$B;3ED\x1b(J", True),
        (b"ISO 2022 IR 13\\ISO 2022 IR 87", b"\x1b)I\xd4\xcf", True),
        (b"\\ISO 2022 IR 149", b"\x1b$)C\xfb\xf3", True),
        (b"\\ISO 2022 IR 58", b"\x1b$)A\xd0\xa1", True),
        (b"ISO 2022 IR 6\\ISO 2022 IR 100", b"\x1b-A\xe9", True),
        (b"\\ISO 2022 IR 149", b"\x1b$B;3ED\x1b(B", False),
        (b"", b"\x1b(B", False),
        (b"ISO_IR 192", b"\x1b$B;3ED\x1b(B", False),
        (b"\\ISO 2022 IR 87", b"\x1b$B;3ED\x1b(B\x1b", False),
        (b"\\ISO 2022 IR 87", b"\x1b%G", False),
    ],
)
def test_escapes_are_explained_by_declared_character_sets_only(declared: bytes, raw: bytes, explained: bool) -> None:
    assert repertoire(declared).explains(raw) is explained

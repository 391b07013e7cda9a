"""The scan of chosen tags on hostile bytes: values or a typed error, the same ones whatever was read before."""

from __future__ import annotations

import json
import random
import struct
import tracemalloc
from pathlib import Path

import pytest

from diana_common.dicomjson import texts
from diana_common.errors import DianaError, Reason
from diana_common.header import Limits, TagScan, Values, scan
from diana_common.tags import tag_hex
from tests.support.dicom_files import make_small
from tests.unit.common import builder as b
from tests.unit.common.test_header_refusals import deflated, mutated, seeds

pytestmark = pytest.mark.filterwarnings("ignore")
TAGS = [0x00020010, 0x00080016, 0x00080018, 0x00080060, 0x00081155, 0x00100010, 0x00100020, 0x0020000D, 0x0020000E]
SMALL = Limits(max_elements=1000, max_header_bytes=1 << 20, max_window_bytes=1 << 20, max_inflated_bytes=1 << 20)


def outcome(tags: TagScan, file: bytes | memoryview) -> Values | Reason:
    try:
        return tags.scan(file)
    except DianaError as error:
        assert error.reason.code.name == "INVALID_ARGUMENT"
        return error.reason


def refusal(file: bytes, limits: Limits = SMALL) -> Reason:
    found = outcome(TagScan([*TAGS, 0x00284000], limits), file)
    assert isinstance(found, Reason), found
    return found


def check_against_the_whole_header(file: bytes, values: Values | Reason) -> None:
    """Where the header as a whole can be read, its DICOM JSON says the same; both have gone to the pixels."""
    try:
        header = scan(file)
    except DianaError:
        return
    data_set = json.loads(header.dicom_json)
    assert not isinstance(values, Reason)
    assert values[0] == header.transfer_syntax_uid
    for tag, value in zip(TAGS[1:], values[1:], strict=False):
        assert (value or "") == "\\".join(texts(data_set, tag_hex(tag))), tag_hex(tag)


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (b"", Reason.NOT_PART10),
        (b"DICM" + bytes(200), Reason.NOT_PART10),
        (b.meta()[:-3], Reason.FILE_META_INVALID),
        (b.meta(syntax="../etc") + b.data_set(), Reason.FILE_META_INVALID),
        (b.meta(sop_class="1.2.840.10008.1.3.10") + b.data_set(), Reason.DICOMDIR_REFUSED),
        (b.part10(b.element(0x00204000, "LT", b"abc", length=400)), Reason.DATA_SET_TRUNCATED),
        (b.part10(b.element(0x00081140, "SQ", b.ITEM_END, length=b.UNDEFINED)), Reason.DATA_SET_INVALID),
        (deflated(b.data_set(b.element(0x00204000, "UT", bytes(2 << 20)))), Reason.DATA_SET_LIMIT),
        (b.part10(*[b.element(0x00250000 | n, "LO", b"") for n in range(0x1001, 0x1501)]), Reason.DATA_SET_LIMIT),
        (
            b.part10(b.element(0x00081140, "SQ", b.item(b"") * 1200 + b.SEQUENCE_END, b.UNDEFINED)),
            Reason.DATA_SET_LIMIT,
        ),
    ],
)
def test_each_refusal_has_its_reason(file: bytes, reason: Reason) -> None:
    assert refusal(file) is reason


@pytest.mark.parametrize("depth", [65, 900, 20_000])
def test_nesting_beyond_the_limit_is_refused_without_a_crash(depth: int) -> None:
    opening = b.element(0x00081140, "SQ", b"", b.UNDEFINED) + struct.pack("<HHI", 0xFFFE, 0xE000, b.UNDEFINED)
    assert refusal(b.part10(opening * depth), Limits()) is Reason.DATA_SET_LIMIT


def test_wanted_elements_without_end_are_refused() -> None:
    again = b.element(0x00100010, "PN", b"A^B") + b.element(0x00100020, "LO", b"P1")
    assert refusal(b.meta() + b.data_set() + again * 5000) is Reason.DATA_SET_LIMIT


def test_a_wanted_value_too_long_to_be_text_is_none_and_not_held() -> None:
    file = memoryview(b.part10(b.element(0x0020000F, "UT", bytes(20 << 20)), b.element(0x00200011, "IS", b"4")))
    tracemalloc.start()
    try:
        assert TagScan([0x0020000F, 0x00200011]).scan(file) == (None, "4")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_file_cut_at_any_byte_gives_all_values_or_a_typed_error(tmp_path: Path) -> None:
    shared = TagScan(TAGS)
    path = tmp_path / "cut.dcm"
    for file in seeds():
        whole = shared.scan(file)
        for size in range(len(file)):
            cut = outcome(shared, file[:size])
            assert cut == outcome(TagScan(TAGS), file[:size]) == outcome(shared, memoryview(file)[:size])
            assert isinstance(cut, Reason) or all(mine in (None, theirs) for mine, theirs in zip(cut, whole))
    path.write_bytes(make_small()[:1000])
    with pytest.raises(DianaError):
        shared.read(path)


@pytest.mark.parametrize("number", range(4))
def test_any_altered_byte_gives_what_a_first_reading_gives(number: int) -> None:
    file = bytearray(seeds()[number][:2500])
    shared = TagScan(TAGS)
    for at in range(132, len(file)):
        kept = file[at]
        for byte in (0, 0xFF, kept ^ 1):
            file[at] = byte
            altered = bytes(file)
            assert outcome(shared, altered) == outcome(TagScan(TAGS), altered)
        file[at] = kept


@pytest.mark.parametrize("number", range(4))
def test_mutated_files_agree_with_the_whole_header_and_stay_bounded(number: int) -> None:
    dice = random.Random(number)
    tags = [*TAGS, 0x7FE00001]
    shared = TagScan(tags)
    original = seeds()[number]
    tracemalloc.start()
    try:
        for _ in range(500):
            file = mutated(original, dice)
            values = outcome(shared, file)
            assert values == outcome(TagScan(tags), file) == outcome(shared, memoryview(file))
            check_against_the_whole_header(file, values)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


def test_a_header_of_many_windows_reads_the_same_whole_and_in_pieces() -> None:
    dice = random.Random(3)
    private = b.element(0x00090010, "LO", b"MAKER") + b"".join(
        b.element(0x00090000 | n, "LO", b"x" * dice.randrange(0, 60, 2)) for n in range(0x1001, 0x2001)
    )
    items = b"".join(b.item(b.element(0x00081155, "UI", b"1.2.3"), n % 2 == 0) for n in range(3000))
    nested = b.element(0x00120064, "SQ", items + b.SEQUENCE_END, length=b.UNDEFINED)
    late = b.element(0x00180060, "DS", b"120"), b.element(0x00200013, "IS", b"7")
    file = b.part10(private, b.element(0x00100020, "LO", b"P1"), nested, *late)
    tags = TagScan([0x00080018, 0x00100020, 0x00180060, 0x0020000D, 0x00200013])
    assert len(file) > 200_000
    assert outcome(tags, file) == outcome(tags, memoryview(file)) == ("1.2.3.4", "P1", "120", "1.2.3", "7")
    for _ in range(60):
        cut = file[: dice.randrange(len(file))]
        assert outcome(tags, cut) == outcome(tags, memoryview(cut))

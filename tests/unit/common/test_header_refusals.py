"""What a scan refuses, with which reason; and that nothing else ever comes out of hostile bytes."""

from __future__ import annotations

import random
import struct
import tracemalloc
import zlib
from pathlib import Path

import pytest

from diana_common.errors import DianaError, Reason
from diana_common.header import Limits, check_complete, read_header, scan
from tests.support.dicom_files import make_small
from tests.unit.common import builder as b


def refusal(file: bytes, limits: Limits | None = None) -> DianaError:
    with pytest.raises(DianaError) as caught:
        check_complete(file, scan(file, limits or Limits()), limits or Limits())
    return caught.value


def deflated(content: bytes) -> bytes:
    deflater = zlib.compressobj(9, wbits=-15)
    return b.meta(b.DEFLATED) + deflater.compress(content) + deflater.flush()


@pytest.mark.parametrize(
    "file", [b"", b"DICM", bytes(132), bytes(127) + b"DICM" + bytes(100), b"\x08\0\x05\0CS\x0a\0ISO_IR 100"]
)
def test_what_has_no_preamble_is_not_part_10(file: bytes) -> None:
    assert refusal(file).reason is Reason.NOT_PART10


@pytest.mark.parametrize(
    "meta",
    [
        bytes(128) + b"DICM",
        b.meta()[:-3],
        b.meta(syntax=""),
        b.meta(syntax="../etc"),
        bytes(128) + b"DICM" + b.implicit(0x00020010, b"1.2.840.10008.1.2\0"),
    ],
)
def test_file_meta_that_cannot_be_read_or_names_no_transfer_syntax(meta: bytes) -> None:
    assert refusal(meta).reason is Reason.FILE_META_INVALID


def test_a_dicomdir_is_refused_by_its_file_meta_and_by_its_data_set() -> None:
    dicomdir = "1.2.840.10008.1.3.10"
    assert refusal(b.meta(sop_class=dicomdir)).reason is Reason.DICOMDIR_REFUSED
    uids = {**b.UIDS, 0x00080016: dicomdir.encode()}
    assert refusal(b.meta() + b.data_set(uids=uids)).reason is Reason.DICOMDIR_REFUSED


@pytest.mark.parametrize("tag", list(b.UIDS))
def test_each_of_the_four_uids_must_be_there_and_be_one(tag: int) -> None:
    for value, reason in (
        (None, Reason.UID_MISSING),
        (b"", Reason.UID_MISSING),
        (b" \0", Reason.UID_MISSING),
        (b"../../etc/passwd", Reason.UID_INVALID),
        (b"1" * 66, Reason.UID_INVALID),
        (b"1.2\\1.3", Reason.UID_INVALID),
    ):
        uids = {key: value if key == tag else uid for key, uid in b.UIDS.items()}
        error = refusal(b.meta() + b.data_set(uids={key: uid for key, uid in uids.items() if uid is not None}))
        assert (error.reason, error.metadata) == (reason, {"tag": f"{tag:08X}"})


def test_uids_with_leading_zeros_and_space_padding_pass() -> None:
    uids = {**b.UIDS, 0x0020000D: b"1.02.003  "}
    assert scan(b.meta() + b.data_set(uids=uids)).study_uid == "1.02.003"


def test_an_element_that_ends_past_the_end_is_named() -> None:
    file = b.meta() + b.data_set() + b.element(0x00204000, "LT", b"abc", length=400)
    error = refusal(file)
    assert (error.reason, error.metadata) == (Reason.DATA_SET_TRUNCATED, {"tag": "00204000"})
    assert "abc" not in str(error)


def test_no_prefix_of_a_file_is_taken_for_the_whole(tmp_path: Path) -> None:
    file = make_small()
    header = scan(file)
    boundaries = 0
    for size in range(header.data_set_offset, len(file), 7):
        try:
            found = scan(file[:size])
            check_complete(file[:size], found)
            boundaries += found.header_end != size
        except DianaError as error:
            assert error.reason in {Reason.DATA_SET_TRUNCATED, Reason.UID_MISSING, Reason.UID_INVALID}
    assert boundaries == 0


@pytest.mark.parametrize("delimited", [True, False])
@pytest.mark.parametrize("depth", [65, 900, 20_000])
def test_nesting_beyond_the_limit_is_refused_without_a_crash(delimited: bool, depth: int) -> None:
    if delimited:
        opening = b.element(0x00081140, "SQ", b"", length=b.UNDEFINED) + struct.pack(
            "<HHI", 0xFFFE, 0xE000, b.UNDEFINED
        )
        content = opening * depth
    else:
        content = b""
        for _ in range(min(depth, 3000)):
            content = b.element(0x00081140, "SQ", b.item(content))
    assert refusal(b.part10(content)).reason is Reason.DATA_SET_LIMIT


def test_nesting_within_the_limit_passes() -> None:
    content = b.element(0x00080100, "SH", b"deep")
    for _ in range(64):
        content = b.element(0x00081140, "SQ", b.item(content))
    assert b"deep" in scan(b.part10(content)).dicom_json


@pytest.mark.parametrize("nested", [False, True])
def test_more_elements_than_the_limit_are_refused(nested: bool) -> None:
    many = b"".join(b.element(0x00090000 | n, "LO", b"") for n in range(0x1001, 0x1401))
    file = b.part10(b.element(0x00081140, "SQ", b.item(many)) if nested else many)
    assert refusal(file, Limits(max_elements=1000)).reason is Reason.DATA_SET_LIMIT
    assert scan(file, Limits(max_elements=1100))


def test_empty_items_count_as_elements() -> None:
    file = b.part10(b.element(0x00081140, "SQ", b.item(b"") * 2000))
    assert refusal(file, Limits(max_elements=1000)).reason is Reason.DATA_SET_LIMIT


def test_more_header_bytes_than_the_limit_are_refused_bulk_data_excluded() -> None:
    text = b"".join(b.element(0x00090000 | n, "LO", f"{n:05}".encode() * 100) for n in range(0x1001, 0x1101))
    bulk = b.element(0x00420011, "OB", bytes(200_000))
    assert refusal(b.part10(text), Limits(max_header_bytes=100_000)).reason is Reason.DATA_SET_LIMIT
    assert scan(b.part10(bulk), Limits(max_header_bytes=100_000))


def test_a_deflate_bomb_in_the_header_is_refused_and_never_held() -> None:
    file = deflated(b.data_set(b.element(0x00420011, "OB", bytes(80 << 20))))
    tracemalloc.start()
    try:
        assert refusal(file, Limits(max_header_bytes=4 << 20)).reason is Reason.DATA_SET_LIMIT
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def test_a_deflate_bomb_in_the_pixels_is_walked_without_holding_it() -> None:
    file = deflated(b.data_set(b.element(0x7FE00010, "OW", bytes(80 << 20))))
    tracemalloc.start()
    try:
        check_complete(file, scan(file))
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()
    assert refusal(file, Limits(max_inflated_bytes=8 << 20)).reason is Reason.DATA_SET_LIMIT


def test_a_deflated_data_set_that_is_cut_or_no_deflate() -> None:
    file = deflated(b.data_set(b.element(0x7FE00010, "OW", random.Random(1).randbytes(5000))))
    for size in range(len(b.meta(b.DEFLATED)) + 100, len(file), 97):
        assert refusal(file[:size]).reason in {Reason.DATA_SET_TRUNCATED, Reason.UID_MISSING}
    assert refusal(b.meta(b.DEFLATED) + b"\xff" * 100).reason is Reason.DATA_SET_INVALID


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "odd",
    [
        b.element(0x00081140, "SQ", b"no item at all.."),
        b.element(0x00081140, "SQ", b.item(b.element(0x00080100, "SH", b"ab", length=60))),
        b.element(0x00081140, "SQ", b.ITEM_END, length=b.UNDEFINED),
        b.SEQUENCE_END,
        b.element(0x00090001, "OB", b"abcd" * 9, length=b.UNDEFINED),
    ],
)
def test_a_structure_that_is_none_gets_a_typed_answer(odd: bytes) -> None:
    try:
        scan(b.meta() + b.data_set() + odd)
    except DianaError as error:
        assert error.reason in {Reason.DATA_SET_INVALID, Reason.DATA_SET_TRUNCATED}


@pytest.mark.filterwarnings("ignore")
def test_the_second_reader_is_bounded_too() -> None:
    odd = b.element(0x00090001, "ZZ", b"ab")
    many = b"".join(b.element(0x00110000 | n, "LO", b"") for n in range(0x1001, 0x1401))
    assert refusal(b.part10(odd, many), Limits(max_elements=1000)).reason is Reason.DATA_SET_LIMIT
    assert refusal(b.part10(odd, many), Limits(max_odd_bytes=4096)).reason is Reason.DATA_SET_LIMIT
    assert refusal(b.part10(odd) + b.element(0x00420010, "ST", b"ab", 9)).reason is Reason.DATA_SET_TRUNCATED


def test_a_file_that_shrinks_while_it_is_read_is_truncated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "shrinking"
    path.write_bytes(make_small())
    monkeypatch.setattr("diana_common.header.os.pread", lambda *_: b"")
    with pytest.raises(DianaError) as caught:
        read_header(path)
    assert caught.value.reason is Reason.DATA_SET_TRUNCATED


def seeds() -> list[bytes]:
    """Small files in several encodings, nested and hidden things in them."""
    nested = b.element(
        0x00081140, "SQ", b.item(b.element(0x00081155, "UI", b"1.2"), True) * 3 + b.SEQUENCE_END, b.UNDEFINED
    )
    plain = b"".join(b.implicit(tag, uid + b"\0" * (len(uid) % 2)) for tag, uid in b.UIDS.items())
    fragments = b.element(0x7FE00010, "OB", b.item(b"") + b.item(b"ab") + b.SEQUENCE_END, length=b.UNDEFINED)
    hidden = b.element(0x00091001, "UN", b.item(b.implicit(0x00080100, b"AB")) + b.SEQUENCE_END, length=b.UNDEFINED)
    return [
        make_small(rows=4, cols=4),
        b.part10(nested, hidden, fragments, syntax=b.JPEG),
        b.meta(b.IMPLICIT) + plain + b.implicit(0x00081140, b.item(b.implicit(0x00080100, b"AB"))),
        deflated(b.data_set(nested, b.element(0x7FE00010, "OW", bytes(64)))),
    ]


NASTY = [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xfe\xff\x0d\xe0", b"\xfe\xff\xdd\xe0", b"SQ\0\0", b"UN\0\0"]


def mutated(seed: bytes, dice: random.Random) -> bytes:
    """`seed` with a few bytes altered, cut out, doubled or cut off."""
    file = bytearray(seed)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(128, len(file))
        kind = dice.randrange(5)
        if kind == 0:
            file[at] = dice.randrange(256)
        elif kind == 1:
            file[at : at + 4] = dice.choice(NASTY)
        elif kind == 2:
            del file[at : at + dice.randint(1, 40)]
        elif kind == 3:
            file[at:at] = file[at : at + dice.randint(1, 200)]
        else:
            del file[max(at, 200) :]
    return bytes(file)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(4))
def test_mutated_files_give_a_header_or_a_typed_error(seed: int) -> None:
    dice = random.Random(seed)
    original = seeds()[seed]
    limits = Limits(max_inflated_bytes=64 << 20)
    tracemalloc.start()
    try:
        for _ in range(500):
            file = mutated(original, dice)
            try:
                check_complete(file, scan(file, limits), limits)
            except DianaError as error:
                assert error.reason.code.name == "INVALID_ARGUMENT"
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.filterwarnings("ignore")
def test_a_mutated_file_reads_the_same_from_memory_and_in_pieces() -> None:
    dice = random.Random(5)
    for seed in seeds():
        for _ in range(100):
            file = mutated(seed, dice)
            assert _outcome(file) == _outcome(memoryview(file))


def _outcome(file: bytes | memoryview) -> object:
    try:
        return scan(file)
    except DianaError as error:
        return error.reason

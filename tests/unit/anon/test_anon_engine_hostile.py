"""Input that is broken or meant to break: a typed refusal or a good file, and never a planted value."""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
import zlib

import pytest
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from diana_anon.core.rewriting.engine import deidentify
from diana_common.dicom.limits import Limits
from diana_common.errors import DianaError, Reason
from diana_common.header import check_complete, scan
from tests.support.dicom_files import make_small
from tests.unit.anon.engine_files import PLANS, PSEUDONYMS, Dates, identity, new_file, read, written
from tests.unit.common.builder import (
    DEFLATED,
    SEQUENCE_END,
    UNDEFINED,
    data_set,
    element,
    implicit,
    item,
    meta,
    part10,
)

WORD = b"ZQPLANTED"
REFUSALS = {
    Reason.NOT_PART10,
    Reason.FILE_META_INVALID,
    Reason.DATA_SET_TRUNCATED,
    Reason.DATA_SET_INVALID,
    Reason.DATA_SET_LIMIT,
    Reason.UID_MISSING,
    Reason.UID_INVALID,
    Reason.DICOMDIR_REFUSED,
    Reason.NOT_DEIDENTIFIABLE,
}


def _planted() -> bytes:
    """A small CT with the word in an identifier, in a private element, and in both inside a sequence."""
    nested = element(0x00100010, "PN", WORD) + element(0x00091001, "LO", WORD)
    sequence = element(0x00081115, "SQ", item(nested, delimited=True) + SEQUENCE_END, length=UNDEFINED)
    return part10(
        sequence,
        element(0x00100010, "PN", WORD),
        element(0x00101000, "LO", WORD),
        element(0x00091001, "LO", WORD),
        element(0x00280010, "US", b"\1\0"),
        element(0x7FE00010, "OW", bytes(64)),
    )


def _outcome(data: bytes, dates: Dates = Dates.REMOVE) -> bytes | Reason:
    try:
        return new_file(data, dates)
    except DianaError as refused:
        assert refused.reason in REFUSALS
        return refused.reason


@pytest.mark.parametrize("seed", range(4))
def test_mutated_bytes_give_a_refusal_or_a_file_that_can_be_read(seed: int) -> None:
    chance = random.Random(seed)
    small = read(make_small(rows=4, cols=4))
    sources = [_planted(), written(small), written(small, ImplicitVRLittleEndian), written(small, ExplicitVRBigEndian)]
    for _ in range(400):
        mutant = bytearray(chance.choice(sources))
        for _ in range(chance.randint(1, 6)):
            mutant[chance.randrange(132, len(mutant))] = chance.choice([0, 0xFF, chance.randrange(256)])
        outcome = _outcome(bytes(mutant), chance.choice(list(Dates)))
        if isinstance(outcome, bytes):
            check_complete(outcome, scan(outcome))


def test_mutated_values_of_attributes_that_go_never_come_out() -> None:
    source, chance = _planted(), random.Random(5)
    places = [at for at in range(len(source)) if source.startswith(WORD, at)]
    for _ in range(200):
        mutant, word = bytearray(source), bytes(chance.randrange(128, 256) for _ in WORD)
        for at in places:
            mutant[at : at + len(WORD)] = word
        outcome = _outcome(bytes(mutant))
        assert isinstance(outcome, bytes) and word not in outcome


def test_a_wrong_length_does_not_carry_what_follows_through() -> None:
    planted = element(0x00081080, "LO", WORD) + element(0x00100010, "PN", WORD)
    texts = ((0x00080060, "CS"), (0x00080070, "LO"), (0x00081010, "SH"), (0x0008001A, "UI"), (0x00081150, "UI"))
    for tag, vr in texts:
        for swallowed in range(1, len(planted) + 1):
            head = element(tag, vr, b"CT", length=2 + swallowed)
            outcome = _outcome(meta() + head + planted + data_set())
            assert not isinstance(outcome, bytes) or WORD not in outcome


def test_a_file_cut_anywhere_is_refused_or_clean() -> None:
    source = _planted()
    for end in range(len(source)):
        outcome = _outcome(source[:end])
        if isinstance(outcome, bytes):
            assert WORD not in outcome
            check_complete(outcome, scan(outcome))
    assert _outcome(source[:-1]) is Reason.DATA_SET_TRUNCATED


def test_nesting_up_to_the_limit_is_walked_and_beyond_it_refused() -> None:
    for depth, fits in ((60, True), (64, True), (65, False), (3000, False)):
        content = element(0x00100010, "PN", WORD)
        for _ in range(depth):
            content = element(0x00081115, "SQ", item(content, delimited=True) + SEQUENCE_END, length=UNDEFINED)
        outcome = _outcome(part10(content))
        assert isinstance(outcome, bytes) if fits else outcome is Reason.DATA_SET_LIMIT
        assert not isinstance(outcome, bytes) or WORD not in outcome


def test_nesting_of_defined_lengths_is_held_to_the_limit_too() -> None:
    content = b""
    for _ in range(200):
        content = implicit(0x00081115, item(content))
    uids = ((0x00080016, b"1.2.840.10008.5.1.4.1.1.7\0"), (0x00080018, b"1.2.3.40"))
    body = b"".join(implicit(tag, uid) for tag, uid in uids) + content
    body += implicit(0x0020000D, b"1.2.3\0") + implicit(0x0020000E, b"1.2.3\0")
    assert _outcome(meta("1.2.840.10008.1.2") + body) is Reason.DATA_SET_LIMIT


def test_a_deflate_bomb_and_a_flood_of_elements_are_refused() -> None:
    deflater = zlib.compressobj(wbits=-15)
    stream = deflater.compress(data_set() + element(0x7FE00010, "OW", bytes(1 << 20))) + deflater.flush()
    flood = part10(element(0x00081115, "SQ", item(b"") * 2000))
    uids = part10(element(0x00080058, "UI", b"1\\" * 2000))
    for data, limits in (
        (meta(DEFLATED) + stream, Limits(max_window_bytes=1 << 20)),
        (flood, Limits(max_elements=1000)),
        (uids, Limits(max_elements=1000)),
    ):
        with pytest.raises(DianaError) as refused:
            deidentify(data, PLANS[Dates.REMOVE], identity(), PSEUDONYMS, limits=limits)
        assert refused.value.reason is Reason.DATA_SET_LIMIT


def test_a_length_of_four_gigabytes_is_truncated() -> None:
    data = part10() + struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, 0xFFFFFFFE)
    assert _outcome(data) is Reason.DATA_SET_TRUNCATED


def test_another_process_locale_zone_and_hash_seed_give_the_same_bytes() -> None:
    program = (
        "import sys, hashlib;"
        "from tests.unit.anon.engine_files import Dates;"
        "from tests.support.dicom_files import make_small;"
        "from tests.unit.anon.engine_files import new_file;"
        "print([hashlib.sha256(new_file(make_small(), dates)).hexdigest() for dates in Dates])"
    )
    path = os.pathsep.join(filter(None, sys.path))
    answers = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed, "LC_ALL": locale, "TZ": zone},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, locale, zone in (("0", "C", "UTC"), ("1", "C.UTF-8", "Asia/Kolkata"), ("2", "POSIX", "America/Lima"))
    }
    assert len(answers) == 1

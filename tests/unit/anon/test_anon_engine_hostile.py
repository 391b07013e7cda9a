"""Input that is broken or meant to break: a typed refusal or a good file, and never a planted value."""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
import zlib
from dataclasses import replace

import pytest
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from diana_anon.core.planning.tables import Option
from diana_anon.core.rewriting import actions
from diana_anon.core.rewriting.actions import ActionLog
from diana_anon.core.rewriting.engine import deidentify
from diana_anon.core.rewriting.limits import ENGINE_LIMITS, EngineLimits
from diana_anon.core.rewriting.uids import Pseudonyms
from diana_common.errors import DianaError, Reason
from diana_common.header import check_complete, scan
from tests.support.dicom_files import make_small
from tests.unit.anon.engine_files import (
    PLANS,
    PSEUDONYMS,
    Dates,
    identity,
    new_file,
    new_uid,
    profile,
    read,
    under,
    written,
)
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
MODIFIED = Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED_DATES
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
    for data, limits in (
        (meta(DEFLATED) + stream, EngineLimits(max_window_bytes=1 << 20)),
        (flood, EngineLimits(max_elements=1000)),
    ):
        with pytest.raises(DianaError) as refused:
            deidentify(data, PLANS[Dates.REMOVE], identity(), PSEUDONYMS, limits=limits)
        assert refused.value.reason is Reason.DATA_SET_LIMIT


@pytest.mark.parametrize(
    ("flood", "limits", "named"),
    [
        (element(0x00080058, "UI", b"1\\" * 2000), EngineLimits(max_values=1000), "UIDs"),
        (element(0x00080020, "DA", b"20200101\\" * 2000), EngineLimits(max_values=1000), "dates"),
        (element(0x00081030, "LO", b"CT chest " * 50), EngineLimits(max_text_bytes=99), "text"),
        (element(0x00081030, "LO", b"a\\" * 2000), EngineLimits(max_values=1000), "UIDs"),
    ],
)
def test_more_values_or_text_than_an_object_may_have_are_refused_by_name(
    flood: bytes, limits: EngineLimits, named: str
) -> None:
    everything = profile(MODIFIED, Option.CLEAN_DESCRIPTORS)
    assert under(part10(flood), everything)
    with pytest.raises(DianaError, match=named) as refused:
        under(part10(flood), everything, limits=limits)
    assert refused.value.reason is Reason.DATA_SET_LIMIT


def test_whether_an_object_is_refused_does_not_depend_on_those_before_it() -> None:
    several = part10(element(0x00080014, "UI", b"1.2\\1.3\\1.4") + element(0x00080058, "UI", b"1.5\\1.6\\1.7"))
    pseudonyms = Pseudonyms(new_uid, lambda text: text)  # with a memory of its own
    limits = EngineLimits(max_values=4)
    plan = PLANS[Dates.REMOVE]
    made = [deidentify(several, plan, identity(), pseudonyms, limits=limits).pieces for _ in range(3)]
    assert len({b"".join(pieces) for pieces in made}) == 1


def test_a_log_of_endless_paths_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "_LONGEST", 50_000)
    deep = b"".join(item(element(0x00100010, "PN", b"A^B")) for _ in range(100))
    for _ in range(60):
        deep = item(element(0x00081140, "SQ", deep))
    with pytest.raises(DianaError, match="actions") as refused:
        under(part10(element(0x00081140, "SQ", deep)), profile(), log=ActionLog())
    assert refused.value.reason is Reason.DATA_SET_LIMIT


def test_many_items_far_down_come_out_as_they_do_near_the_top() -> None:
    wide = b"".join(item(element(0x00081155, "UI", b"1.2.3.%d" % number)) for number in range(200))
    new = read(under(part10(element(0x00081140, "SQ", wide)), profile())).ReferencedImageSequence
    deep = wide
    for _ in range(20):
        deep = item(element(0x00081140, "SQ", deep))
    inner = read(under(part10(element(0x00081140, "SQ", deep)), profile()))
    for _ in range(20):
        inner = inner.ReferencedImageSequence[0]
    assert inner.ReferencedImageSequence == new and len(new) == 200


def test_real_objects_stay_far_below_the_limits() -> None:
    """An Enhanced CT of 500 frames, whose bounds are tried at a twentieth: 10,000 frames are half of what passes."""
    of_10_000 = ("max_elements", "max_values", "max_text_bytes")
    half = replace(ENGINE_LIMITS, **{name: getattr(ENGINE_LIMITS, name) // 40 for name in of_10_000})
    groups = element(0x52009230, "SQ", b"".join(item(_frame(number)) for number in range(500)))
    everything = profile(MODIFIED, Option.CLEAN_DESCRIPTORS)
    assert under(part10(groups), everything, limits=half)


def _frame(number: int) -> bytes:
    """The functional groups of a frame, of an image reconstructed from another."""

    def group(tag: int, content: bytes) -> bytes:
        return element(tag, "SQ", item(content))

    def code(value: bytes) -> bytes:
        scheme, meaning = element(0x00080102, "SH", b"DCM"), element(0x00080104, "LO", b"Source image")
        return element(0x00080100, "SH", value) + scheme + meaning

    uid, day = b"1.2.3.4.%d" % number, b"20200101101112.%06d" % number
    image = element(0x00081150, "UI", b"1.2.840.10008.5.1.4.1.1.2") + element(0x00081155, "UI", uid)
    source = group(0x00082112, image + group(0x0040A170, code(b"121322"))) + group(0x00089215, code(b"113072"))
    content = element(0x00189074, "DT", day) + element(0x00189151, "DT", day) + element(0x00209056, "SH", b"1")
    return b"".join(
        (
            group(0x00081140, image + group(0x0040A170, code(b"121311"))),
            group(0x00089124, source),
            group(0x00189329, element(0x00080008, "CS", b"ORIGINAL\\PRIMARY")),
            group(0x00209111, content),
            group(0x00209113, element(0x00200032, "DS", b"1.0\\2.0\\%d.0" % number)),
            group(0x00209116, element(0x00200037, "DS", b"1\\0\\0\\0\\1\\0")),
            group(0x00289110, element(0x00180050, "DS", b"1.0") + element(0x00280030, "DS", b"0.5\\0.5")),
        )
    )


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

"""Private attributes: those the standard knows to be safe stay, by creator and wherever they stand; the others go."""

from __future__ import annotations

import csv
import json
from importlib.resources import files

import pytest
from pydicom.uid import ImplicitVRLittleEndian

from diana_anon.core.planning.tables import Option
from tests.support.corpus import CORPUS, needs_corpus
from tests.unit.anon.engine_files import new_uid, profile, read, under, written
from tests.unit.common.builder import element, item, part10

SAFE = profile(Option.RETAIN_SAFE_PRIVATE)
GE = element(0x00190010, "LO", b"GEMS_ACQU_01")


def test_a_listed_attribute_stays_with_its_creator_in_whatever_block() -> None:
    other = element(0x001900A7, "LO", b"GEMS_ACQU_01 ")
    kept = [element(0x00191023, "DS", b"40.0"), element(0x0019A724, "DS", b"1.5 ")]
    assert all(part in under(part10(GE, other, *kept), SAFE) for part in (GE, other, *kept))


@pytest.mark.parametrize(
    "parts",
    [
        [element(0x00190010, "LO", b"ZQOTHER"), element(0x00191023, "LO", b"ZQPLANTED")],
        [GE, element(0x001910FE, "LO", b"ZQPLANTED")],
        [GE, element(0x00191123, "DS", b"0.98659001")],
        [element(0x00191023, "DS", b"0.98659001")],
        [GE, element(0x00191023, "LO", b"ZQPLANTED")],
    ],
    ids=["another creator", "not listed", "another block", "no creator", "no number"],
)
def test_what_is_not_listed_goes_and_its_creator_with_it(parts: list[bytes]) -> None:
    new = under(part10(*parts), SAFE)
    assert b"ZQ" not in new and b"0.98659001" not in new and b"GEMS" not in new


def test_without_the_option_no_private_attribute_stays() -> None:
    new = under(part10(GE, element(0x00191023, "DS", b"40.0")), profile())
    assert b"GEMS" not in new


def test_they_stay_inside_sequences_with_creators_of_their_own() -> None:
    safe = element(0x00190010, "LO", b"GEMS_ACQU_01") + element(0x00191023, "DS", b"40.0")
    lone = element(0x00191023, "DS", b"50.0")
    data = part10(element(0x00081115, "SQ", item(safe) + item(lone)), GE)
    new = under(data, SAFE)
    assert b"40.0" in new and b"50.0" not in new
    assert new.count(b"GEMS_ACQU_01") == 1


def test_a_listed_sequence_is_walked() -> None:
    creator = element(0x20010010, "LO", b"Philips Imaging DD 001")
    inside = element(0x00081155, "UI", b"1.2.3.77") + element(0x00100010, "PN", b"ZQPLANTED") + creator
    inside += element(0x20011003, "FL", bytes(4)) + element(0x200110FE, "LO", b"ZQPLANTED")
    data = part10(creator, element(0x2001105F, "SQ", item(inside, delimited=True)))
    new = under(data, SAFE)
    assert b"ZQPLANTED" not in new
    assert new_uid("1.2.3.77").encode() in new and element(0x20011003, "FL", bytes(4)) in new


def test_a_listed_uid_is_mapped_unless_uids_are_retained() -> None:
    creator, uid = element(0x00990010, "LO", b"NQHeader"), element(0x00991002, "UI", b"1.2.3.88")
    assert new_uid("1.2.3.88").encode() in under(part10(creator, uid), SAFE)
    both = profile(Option.RETAIN_SAFE_PRIVATE, Option.RETAIN_UIDS)
    assert uid in under(part10(creator, uid), both)


def test_listed_text_is_cleaned_where_descriptors_are() -> None:
    creator, text = element(0x00990010, "LO", b"NQHeader"), element(0x00991005, "LT", b"done for ZQPLANTED")
    cleaned = under(part10(creator, text), profile(Option.RETAIN_SAFE_PRIVATE, Option.CLEAN_DESCRIPTORS))
    assert b"done for" in cleaned and b"ZQ" not in cleaned


def test_the_vr_may_be_unknown_to_the_encoding() -> None:
    unknown = element(0x00191023, "UN", b"40.0")
    assert unknown in under(part10(GE, unknown), SAFE)
    source = read(part10(GE, element(0x00191023, "DS", b"40.0")))
    new = read(under(written(source, ImplicitVRLittleEndian), SAFE))
    assert new[0x00191023].value in (b"40.0", 40.0)


def test_elements_stay_in_order() -> None:
    later = element(0x00200011, "IS", b"2 ")
    tags = [int(one.tag) for one in read(under(part10(GE, element(0x00191023, "DS", b"40.0"), later), SAFE))]
    assert tags == sorted(tags) and 0x00191023 in tags


@needs_corpus
def test_every_row_of_the_standards_table_is_packaged() -> None:
    with (CORPUS / "tables" / "ps3_15_table_e3_10_1_safe_private.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    packaged = json.loads(files("diana_anon").joinpath("data", "safe_private.json").read_bytes())
    wanted = {(row["private_creator"], row["data_element"].upper().strip("()").replace(",", "")) for row in rows}
    assert {(creator, tag.upper()) for creator, tag, _ in packaged} == wanted
    assert len(packaged) == len(rows)

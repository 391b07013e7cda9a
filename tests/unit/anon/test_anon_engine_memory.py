"""What the engine remembers from one object to the next never shows: not in another's bytes, nor in the log."""

from __future__ import annotations

import random
from datetime import date, timedelta
from functools import partial
from itertools import product
from typing import Any

import pytest
from pydicom.uid import ImplicitVRLittleEndian

from diana_anon.core.planning.plan import Plan, compile_plan
from diana_anon.core.planning.tables import Option
from diana_anon.core.profile import BirthDate
from diana_anon.core.rewriting.actions import ActionLog
from diana_anon.core.rewriting.engine import Identity, deidentify
from diana_anon.core.rewriting.uids import Pseudonyms
from diana_common.errors import DianaError
from diana_common.uidmap import map_accession_number
from tests.support.dicom_files import make_small
from tests.unit.anon.engine_files import SUBKEY, Striker, new_uid, profile, read, written
from tests.unit.common.builder import element, item, part10

FULL = Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_FULL_DATES
MODIFIED = Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED_DATES
LEFT_OUT = (FULL, Option.CLEAN_RECOGNIZABLE_VISUAL_FEATURES, Option.CLEAN_PIXEL_DATA)
EVERY = compile_plan(profile(*set(Option).difference(LEFT_OUT), birth_date=BirthDate.NEAR))
PLANS = [compile_plan(profile()), EVERY]
PEOPLE = [
    Identity("ONE", "ONE^NAME", date(1961, 2, 3), timedelta(days=-81)),
    Identity("ONE", "ONE^NAME", date(1961, 2, 3), timedelta(days=-81, seconds=12345)),
    Identity("TWO", "TWO^NAME", date(1931, 2, 3), timedelta(days=7)),
]


class Keeper:
    """A cleaner that finds nothing."""

    def clean(self, text: str) -> str:
        return text


def fresh() -> Pseudonyms:
    return Pseudonyms(new_uid, partial(map_accession_number, SUBKEY))


def made(data: bytes, plan: Plan, person: Identity, pseudonyms: Pseudonyms, **values: Any) -> bytes:
    return b"".join(deidentify(data, plan, person, pseudonyms, **values).pieces)


def sources() -> list[bytes]:
    words, greek = element(0x00081030, "LO", b"Gr\xf6\xdfe ZQA "), element(0x00080005, "CS", b"ISO_IR 126")
    birth = element(0x00081115, "SQ", item(element(0x00100030, "DA", b"19200101") + words))
    small = make_small(rows=4, cols=4)
    return [
        small,
        make_small(rows=4, cols=4, StudyTime="235959", StudyDescription="CT ZQPLANTED"),
        make_small(rows=4, cols=4, PatientAge="095Y", StudyDate="20250101"),
        written(read(small), ImplicitVRLittleEndian),
        part10(words, birth),
        part10(greek, words, birth, element(0x00080020, "DA", b"20200101")),
        part10(element(0x00091002, "SQ", b"", length=0), element(0x00190010, "LO", b"GEMS_ACQU_01")),
    ]


def test_an_object_becomes_the_same_whatever_came_before_it() -> None:
    shared, cleaners = fresh(), [Striker(), Keeper(), None]
    works = list(product(sources(), PLANS, PEOPLE, cleaners)) * 2
    random.Random(1).shuffle(works)
    for data, plan, person, cleaner in works:
        log, alone = ActionLog(), ActionLog()
        new = made(data, plan, person, shared, cleaner=cleaner, log=log)
        assert new == made(data, plan, person, fresh(), cleaner=cleaner, log=alone)
        assert new == made(data, plan, person, shared, cleaner=cleaner)
        assert log.actions == alone.actions


@pytest.mark.parametrize("seed", range(2))
def test_mutated_bytes_under_every_option_give_a_refusal_or_a_file_that_can_be_read(seed: int) -> None:
    chance, shared = random.Random(seed), fresh()
    concept = element(0x00080100, "SH", b"121106") + element(0x00080102, "SH", b"DCM ")
    content = element(0x0040A040, "CS", b"TEXT") + element(0x0040A043, "SQ", item(concept))
    tree = element(0x0040A730, "SQ", item(content + element(0x0040A160, "UT", b"ZQPLANTED words")))
    creator = element(0x20010010, "LO", b"Philips Imaging DD 001")
    private = [creator, element(0x2001105F, "SQ", item(creator + element(0x20011003, "FL", bytes(4))))]
    planted = [part10(tree, *private, element(0x00081030, "LO", b"ZQPLANTED words ")), make_small(rows=4, cols=4)]
    for _ in range(300):
        mutant = bytearray(chance.choice(planted))
        for _ in range(chance.randint(1, 4)):
            mutant[chance.randrange(132, len(mutant))] = chance.randrange(256)
        try:
            new = made(bytes(mutant), EVERY, PEOPLE[0], shared, cleaner=Striker())
        except DianaError:
            continue
        read(new)

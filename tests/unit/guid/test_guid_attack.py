"""The published outputs under attack by a program that knows everything but the key.

Chance is 1 in 180 for a birth date to the day (shifts are -90 to 90, never 0), at most 15 in 180 to the week. Keys and
people are fixed, so that each figure is always the same; the bounds are five standard deviations wide.
"""

from __future__ import annotations

from functools import cache
from itertools import product

import pytest

from diana_guid.core import GuidMint, Subject, make_domain
from diana_guid.stores import MemoryKeyStore
from tests.unit.guid.attacker import (
    FEATURES,
    Feature,
    Published,
    dependence,
    guesses,
    hits,
    most_by_chance,
    people,
    published,
)

KEY, NEWER_KEY = bytes(range(32)), bytes(range(32, 64))
# One key for both domains: apart they must be all the same.
KEYS = MemoryKeyStore({"research": (KEY, NEWER_KEY), "trial": (KEY,), "wrong": (bytes(32),)})
MINT = GuidMint(
    [make_domain("research"), make_domain("trial"), make_domain("wrong"), make_domain("old", "diana2")], KEYS
)

CROWD = 100_000
MILLION = 1_000_000
FEWER = 30_000
TO_THE_DAY, TO_THE_WEEK = 1 / 180, 15 / 180


@cache
def crowd(count: int) -> list[Subject]:
    return people(count)


@cache
def outputs(domain: str, count: int, key_version: int = 0) -> list[Published]:
    return published(MINT, domain, crowd(count), key_version)


def split(domain: str, count: int) -> tuple[list[tuple[Published, Subject]], list[tuple[Published, Subject]]]:
    """One person in a hundred, whom the attacker knows, and the others."""
    everybody = list(zip(outputs(domain, count, 1 if domain == "research" else 0), crowd(count), strict=True))
    return everybody[: count // 100], everybody[count // 100 :]


@pytest.mark.parametrize("count", [CROWD, pytest.param(MILLION, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])])
def test_birth_dates_of_the_keyed_scheme_are_recovered_no_better_than_by_chance(count: int) -> None:
    known, unknown = split("research", count)
    right = {name: hits(guess, unknown) for name, guess in guesses(known).items()}
    to_the_day, to_the_week = (most_by_chance(len(unknown), chance) for chance in (TO_THE_DAY, TO_THE_WEEK))
    assert len(right) == 17
    assert {name: found for name, found in right.items() if found[0] > to_the_day or found[1] > to_the_week} == {}


def test_who_knows_every_patient_id_too_needs_the_key() -> None:
    _, unknown = split("research", CROWD)
    wrong = MINT.scheme("wrong")
    right = 0
    for one, person in unknown[:FEWER]:
        minted = wrong.mint(person).birth_date
        assert minted is not None
        right += (minted.toordinal() - one.born) == 0
    assert right <= most_by_chance(FEWER, TO_THE_DAY)


def test_the_same_attack_recovers_every_birth_date_of_scheme_diana2() -> None:
    known, unknown = split("old", FEWER)
    ways = guesses(known)
    assert hits(ways["seeded with the id"], unknown)[0] == len(unknown)
    # The offset that every study date shows is, but for its seconds, the shift itself.
    assert hits(ways["the time offset"], unknown)[1] == len(unknown)


OUTPUTS: dict[str, Feature] = {
    **{f"character {place} of the id": lambda one, place=place: one.id[place] for place in (0, 1, 2, 15, 31)},  # type: ignore[misc]
    **{name: FEATURES[name] for name in ("initial of the last name", "initial of the first name", "middle initial")},
    "time offset": FEATURES["time offset"],
}


def test_no_output_of_a_person_tells_anything_of_another() -> None:
    everybody = list(zip(outputs("research", CROWD, 1), crowd(CROWD), strict=True))
    features = list(OUTPUTS.items())
    found = {
        (one, other): dependence((first(out), second(out)) for out, _ in everybody)
        for at, (one, first) in enumerate(features)
        for other, second in features[at + 1 :]
    }
    found |= {
        (one, "shift"): dependence((first(out), out.shift(who)) for out, who in everybody) for one, first in features
    }
    # The sex is published beside the name, and decides from which list the first name comes: nothing else is alike.
    assert {pair: z for pair, z in found.items() if abs(z) > 5} == {}


def test_the_same_look_finds_how_scheme_diana2_hangs_together() -> None:
    old = outputs("old", FEWER)
    initial, shift = OUTPUTS["initial of the last name"], [o.shift(p) for o, p in zip(old, crowd(FEWER), strict=False)]
    assert dependence((one.id[0], initial(one)) for one in old) > 1000
    assert dependence((one.offset, moved) for one, moved in zip(old, shift, strict=True)) > 1000


@pytest.mark.parametrize(("domain", "key_version"), [("trial", 1), ("research", 2)])
def test_nobody_is_found_again_in_another_domain_or_under_another_key_version(domain: str, key_version: int) -> None:
    here, there = outputs("research", CROWD, 1)[:FEWER], outputs(domain, FEWER, key_version)
    assert not {one.id for one in here} & {one.id for one in there}
    pairs = list(zip(here, there, strict=True))
    found = {
        (one, other): dependence((first(a), second(b)) for a, b in pairs)
        for (one, first), (other, second) in product(OUTPUTS.items(), repeat=2)
    }
    # Women stay women: first names of one sex are drawn from one list, in every domain.
    del found["initial of the first name", "initial of the first name"]
    assert {pair: z for pair, z in found.items() if abs(z) > 5} == {}
    same_name = sum((a.last, a.first, a.middle) == (b.last, b.first, b.middle) for a, b in pairs)
    assert same_name <= 1


def test_a_diana2_identity_is_the_same_everywhere() -> None:
    twin = GuidMint([make_domain("elsewhere", "diana2")], KEYS)
    assert published(twin, "elsewhere", crowd(FEWER)[:1000]) == outputs("old", FEWER)[:1000]


def test_everybody_gets_an_id_of_their_own() -> None:
    assert len({one.id for one in outputs("research", CROWD, 1)}) == CROWD

"""Scheme keyed: the same subject gets the same identity, and nothing leads back."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, timedelta
from statistics import correlation

import pytest

from diana_guid.core import GuidMint, Identity, KeyedOptions, Subject, make_domain
from diana_guid.core.diana2 import Diana2Scheme
from diana_guid.core.names import first_names, names
from diana_guid.stores import MemoryKeyStore

KEY = bytes(range(32))
BORN = date(1971, 6, 15)
JANE = Subject(patient_id="4711", issuer="HOSPITAL", name="DOE^JANE", birth_date=BORN, sex="F")
GOLDEN = Identity("RLULLX52M3JTELQOV4HLN5IBTBUV6PKI", "PAE^SUELLEN^E", date(1971, 3, 29), timedelta(days=-87))


def mint_with(**options: object) -> GuidMint:
    domains = [make_domain("research", options=options), make_domain("trial", options=options)]
    return GuidMint(domains, MemoryKeyStore({"research": KEY, "trial": KEY}))


def patient(number: int) -> Subject:
    return Subject(patient_id=f"{number:06}", issuer="HOSPITAL", birth_date=BORN, sex="MFO"[number % 3])


@pytest.fixture(scope="module")
def crowd() -> list[Identity]:
    mint = mint_with()
    return [mint.mint("research", patient(number)) for number in range(20_000)]


def shift(identity: Identity) -> int:
    assert identity.birth_date is not None
    return (identity.birth_date - BORN).days


def test_an_identity_stays_what_it_was_when_this_was_written() -> None:
    assert mint_with().mint("research", JANE) == GOLDEN


def test_the_same_subject_gets_the_same_identity_from_another_process_of_the_same_key() -> None:
    assert mint_with().mint("research", JANE) == mint_with().mint("research", JANE)


def test_two_domains_share_nothing_even_with_the_same_key() -> None:
    mint = mint_with()
    research, trial = mint.mint("research", JANE), mint.mint("trial", JANE)
    assert research.id != trial.id
    assert research.name != trial.name
    assert mint.map_uids("research", ["1.2.3"]) != mint.map_uids("trial", ["1.2.3"])
    assert mint.map_accession_numbers("research", ["A1"]) != mint.map_accession_numbers("trial", ["A1"])


def test_another_key_gives_another_identity() -> None:
    other = GuidMint([make_domain("research")], MemoryKeyStore({"research": KEY[::-1]}))
    assert other.mint("research", JANE).id != mint_with().mint("research", JANE).id


def test_a_changed_name_changes_nothing() -> None:
    married = Subject(patient_id="4711", issuer="HOSPITAL", name="ROE^JANE", birth_date=BORN, sex="F")
    assert mint_with().mint("research", married) == mint_with().mint("research", JANE)


def test_padding_of_patient_id_and_issuer_does_not_count() -> None:
    padded = Subject(patient_id=" 4711 \0", issuer="HOSPITAL ", birth_date=BORN, sex="F ")
    assert mint_with().mint("research", padded) == mint_with().mint("research", JANE)


def test_one_patient_id_of_two_issuers_is_two_people() -> None:
    mint = mint_with()
    ids = {mint.mint("research", Subject(patient_id="1", issuer=issuer)).id for issuer in ("", "A", "B")}
    assert len(ids) == 3


def test_patient_id_and_issuer_do_not_run_together() -> None:
    mint = mint_with()
    first, second = Subject(patient_id="12", issuer="3"), Subject(patient_id="1", issuer="23")
    assert mint.mint("research", first).id != mint.mint("research", second).id


def test_a_corrected_birth_date_keeps_its_shift() -> None:
    mint = mint_with()
    corrected = Subject(patient_id="4711", issuer="HOSPITAL", birth_date=BORN + timedelta(days=31))
    moved, before = mint.mint("research", corrected).birth_date, mint.mint("research", JANE).birth_date
    assert moved is not None
    assert before is not None
    assert moved - before == timedelta(days=31)


def test_an_absent_birth_date_stays_absent() -> None:
    assert mint_with().mint("research", Subject(patient_id="4711")).birth_date is None


def test_an_age_stands_for_the_birth_date() -> None:
    by_age = Subject(patient_id="4711", issuer="HOSPITAL", age_years=10, reference_date=date(2018, 1, 1))
    by_date = Subject(patient_id="4711", issuer="HOSPITAL", birth_date=date(2008, 1, 2))
    assert mint_with().mint("research", by_age).birth_date == mint_with().mint("research", by_date).birth_date


def test_nobody_known_by_an_age_is_born_after_its_day() -> None:
    mint = mint_with()
    for number in range(500):
        newborn = Subject(patient_id=str(number), age_years=0, reference_date=BORN)
        born = mint.mint("research", newborn).birth_date
        assert born is not None
        assert 1 <= (BORN - born).days <= 90


def test_names_are_census_names_of_the_sex() -> None:
    mint = mint_with()
    for number in range(300):
        subject = patient(number)
        identity = mint.mint("research", subject)
        last, first, middle = identity.name.split("^")
        sex = subject.sex if subject.sex in "MF" else "U"
        assert last in names("last")
        assert first in first_names(sex)
        assert middle in set("ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def test_ids_are_32_characters_and_never_alike(crowd: list[Identity]) -> None:
    alphabet = set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
    assert len({identity.id for identity in crowd}) == len(crowd) == 20_000
    assert all(len(identity.id) == 32 and set(identity.id) <= alphabet for identity in crowd)


def test_every_letter_and_digit_stands_at_every_place_of_an_id(crowd: list[Identity]) -> None:
    for place in range(32):
        counts = Counter(identity.id[place] for identity in crowd)
        assert len(counts) == 32
        assert min(counts.values()) > 500


def test_shifts_and_offsets_are_spread_evenly_and_never_zero(crowd: list[Identity]) -> None:
    for drawn in (Counter(map(shift, crowd)), Counter(identity.time_offset.days for identity in crowd)):
        assert drawn.keys() == set(range(-90, 91)) - {0}
        assert all(60 < count < 170 for count in drawn.values())


def test_offsets_are_whole_days_unless_seconds_are_asked_for(crowd: list[Identity]) -> None:
    assert all(identity.time_offset.seconds == 0 for identity in crowd)
    mint = mint_with(seconds=True)
    for number, plain in enumerate(crowd[:500]):
        seconds = (mint.mint("research", patient(number)).time_offset - plain.time_offset).total_seconds()
        assert -3600 <= seconds <= 3600


def test_the_birth_dates_shift_tells_nothing_of_the_time_offset(crowd: list[Identity]) -> None:
    shifts = [float(shift(identity)) for identity in crowd]
    offsets = [float(identity.time_offset.days) for identity in crowd]
    assert abs(correlation(shifts, offsets)) < 0.03


def test_the_older_schemes_way_back_from_the_id_fails(crowd: list[Identity]) -> None:
    scheme = Diana2Scheme()
    old = scheme.mint(Subject(name="DOE^JANE", birth_date=BORN))
    assert shift_seeded_by(old.id) == shift(old)
    guessed = sum(shift_seeded_by(identity.id) == shift(identity) for identity in crowd)
    assert guessed < 2 * len(crowd) / 181


def shift_seeded_by(new_id: str) -> int:
    return random.Random(new_id).randint(-90, 90)


def test_bounds_of_shift_and_offset_can_be_chosen() -> None:
    mint = mint_with(birth_date_days=1, time_offset_days=7)
    identities = [mint.mint("research", patient(number)) for number in range(200)]
    assert {shift(identity) for identity in identities} == {-1, 1}
    assert {identity.time_offset.days for identity in identities} == set(range(-7, 8)) - {0}


def test_name_birth_date_and_sex_can_be_the_subject_key() -> None:
    mint = mint_with(subject_key="name_birth_date_sex")
    forms = ("DOE^JANE", "Jane Doe", "doe, jane", "DOE^JANE^^^=ドウ", "ＤＯＥ^Jane")
    ids = {
        mint.mint("research", Subject(patient_id=str(n), name=f, birth_date=BORN, sex="F")).id
        for n, f in enumerate(forms)
    }
    assert len(ids) == 1
    assert ids != {mint.mint("research", Subject(name="DOE^JANE", birth_date=BORN, sex="M")).id}


@pytest.mark.parametrize(
    ("one", "other"),
    [("山田^太郎", "山田^次郎"), ("कि", "की"), ("MÜLLER", "MULLER"), ("Иванов", "Петров"), ("=山田", "=田中")],
)
def test_names_of_any_script_stay_apart(one: str, other: str) -> None:
    mint = mint_with(subject_key="name_birth_date_sex")
    assert mint.mint("research", Subject(name=one, birth_date=BORN)).id != (
        mint.mint("research", Subject(name=other, birth_date=BORN)).id
    )


@pytest.mark.parametrize("patient_id", ["山田-1", "e\u0301", "\u202e123", "🩻", "a\nb", "'; DROP TABLE", "x" * 1024])
def test_odd_patient_ids_are_minted(patient_id: str) -> None:
    assert len(mint_with().mint("research", Subject(patient_id=patient_id)).id) == 32


def test_composed_and_decomposed_text_is_the_same_patient() -> None:
    mint = mint_with()
    assert mint.mint("research", Subject(patient_id="é")).id == mint.mint("research", Subject(patient_id="e\u0301")).id


def test_a_subject_shows_nothing_of_itself() -> None:
    # Its class and address: these may contain 4711 by chance.
    assert repr(JANE) == object.__repr__(JANE)


def test_options_default_to_what_the_documentation_says() -> None:
    assert KeyedOptions() == KeyedOptions("patient_id", 90, 90, False)

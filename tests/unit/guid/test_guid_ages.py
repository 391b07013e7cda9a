"""Old age is told as 090Y and no more; and who lacks something is still somebody, always the same."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from diana_guid.core import GuidMint, Identity, Subject, make_domain
from diana_guid.core.old_age import whole_years
from diana_guid.stores import MemoryKeyStore

DOMAINS = [
    make_domain("by_id"),
    make_domain("by_name", options={"subject_key": "name_birth_date_sex"}),
    make_domain("seconds", options={"seconds": True}),
]
KEY = bytes(range(32))
MINT = GuidMint(DOMAINS, MemoryKeyStore({domain.name: KEY for domain in DOMAINS}))
SEEN = date(2018, 1, 1)


def published_age(identity: Identity, seen: date) -> int:
    """What a reader of the published study works out."""
    assert identity.birth_date is not None
    return whole_years(identity.birth_date, seen + identity.time_offset)


@pytest.mark.parametrize("domain", ["by_id", "seconds"])
def test_whoever_is_over_89_turns_out_90_on_every_day_of_the_year(domain: str) -> None:
    born = date(1915, 2, 27)
    for days in range(0, 4000, 3):
        seen = date(2006, 1, 1) + timedelta(days=days)
        identity = MINT.mint(domain, Subject(patient_id=str(days), birth_date=born, reference_date=seen))
        assert {published_age(identity, seen + timedelta(days=by)) for by in (-60, 0, 60)} == {90}


@pytest.mark.parametrize("age", [90, 91, 104, 150])
def test_an_age_over_89_does_too(age: int) -> None:
    identities = [
        MINT.mint("by_id", Subject(patient_id=str(number), age_years=age, reference_date=SEEN)) for number in range(50)
    ]
    assert {published_age(identity, SEEN) for identity in identities} == {90}


def test_the_birth_date_of_the_old_comes_from_the_study_only() -> None:
    minted = {
        MINT.mint("by_id", Subject(patient_id="1", birth_date=born, reference_date=SEEN)).birth_date
        for born in (date(1900, 5, 5), date(1927, 12, 30))
    }
    assert len(minted) == 1


def test_the_day_of_the_90th_birthday_is_the_first_that_counts() -> None:
    before, on = (
        MINT.mint("by_id", Subject(patient_id="1", birth_date=date(1928, 1, day), reference_date=SEEN)).birth_date
        for day in (2, 1)
    )
    young = MINT.mint("by_id", Subject(patient_id="1", birth_date=date(1928, 1, 2))).birth_date
    assert before == young
    assert on != young


def test_the_studies_of_one_who_is_not_old_share_one_birth_date() -> None:
    born = date(2017, 12, 30)
    minted = {
        MINT.mint("by_id", Subject(patient_id="1", birth_date=born, reference_date=seen)).birth_date
        for seen in (None, date(1960, 1, 1), born, SEEN, date(2107, 12, 29))
    }
    assert len(minted) == 1


def test_an_age_of_zero_is_an_age_and_none_is_none() -> None:
    newborn = MINT.mint("by_id", Subject(patient_id="1", age_years=0, reference_date=SEEN)).birth_date
    unknown = MINT.mint("by_id", Subject(patient_id="1", reference_date=SEEN)).birth_date
    assert newborn is not None
    assert 1 <= (SEEN - newborn).days <= 90
    assert unknown is None


def test_those_who_lack_name_or_birth_date_are_told_apart_by_patient_id_where_names_are_the_key() -> None:
    lacking = [
        Subject(patient_id=patient_id, issuer=issuer, name=name, birth_date=born, age_years=age, reference_date=seen)
        for patient_id in ("1", "2")
        for issuer in ("", "A")
        for name, born, age, seen in (
            ("", date(1971, 6, 15), None, None),
            ("^^=^", date(1980, 6, 15), 0, SEEN),
            ("DOE^JANE", None, None, None),
            ("DOE^JANE", None, 0, SEEN),
            ("山田^太郎", None, 30, SEEN),
        )
    ]
    ids = [MINT.mint("by_name", one).id for one in lacking]
    assert ids == [MINT.mint("by_name", one).id for one in lacking]
    people = [(one.patient_id, one.issuer) for one in lacking]
    assert len(set(ids)) == len(set(people)) == len(set(zip(ids, people, strict=True)))


def test_an_age_stands_for_the_birth_date_of_one_who_has_no_patient_id() -> None:
    by_age = Subject(name="DOE^JANE", age_years=10, reference_date=SEEN)
    by_date = Subject(name="DOE^JANE", birth_date=date(2008, 1, 2))
    assert MINT.mint("by_name", by_age).id == MINT.mint("by_name", by_date).id


@pytest.mark.parametrize("domain", ["by_id", "by_name"])
def test_names_and_ids_of_all_scripts_are_people_of_their_own(domain: str) -> None:
    texts = [
        "YAMADA",
        "山田",
        "やまだ",
        "ヤマダ",
        "야마다",
        "Ямада",
        "Γιαμάντα",
        "يامادا",
        "ימדה",
        "यामादा",
        "ยามาดะ",
        "A",
        "А",
        "Α",
    ]
    people = [Subject(patient_id=text, name=text, birth_date=date(1971, 6, 15)) for text in texts]
    minted = [MINT.mint(domain, one) for one in people]
    assert len({one.id for one in minted}) == len(texts)
    assert minted == [MINT.mint(domain, one) for one in people]

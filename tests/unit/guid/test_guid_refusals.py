"""What can't be minted is refused by reason and field, without a patient's value."""

from __future__ import annotations

import math
from datetime import date

import pytest

from diana_common.errors import DianaError, Reason
from diana_guid.core import GuidMint, Subject, make_domain
from diana_guid.stores import MemoryKeyStore

BORN = date(1971, 6, 15)
SEEN = date(2018, 1, 1)
DOMAINS = [
    make_domain("by_id"),
    make_domain("by_name", options={"subject_key": "name_birth_date_sex"}),
    make_domain("old", "diana2"),
]
MINT = GuidMint(DOMAINS, MemoryKeyStore({"by_id": bytes(32), "by_name": bytes(32), "old": bytes(32)}))
BARE = GuidMint([make_domain("bare")], MemoryKeyStore({}))


def refusal_of(domain: str, subject: Subject) -> DianaError | None:
    try:
        MINT.mint(domain, subject)
    except DianaError as refusal:
        return refusal
    return None


@pytest.mark.parametrize(
    ("domain", "subject", "field"),
    [
        ("by_id", Subject(), "patient_id"),
        ("by_id", Subject(patient_id=" \0 "), "patient_id"),
        ("by_id", Subject(patient_id="x" * 1025), "patient_id"),
        ("by_id", Subject(patient_id="bad\ud800"), "patient_id"),
        ("by_id", Subject(patient_id="1", issuer="x" * 1025), "issuer"),
        ("by_id", Subject(patient_id="1", age_years=40), "reference_date"),
        ("by_id", Subject(patient_id="1", age_years=-1, reference_date=SEEN), "age_years"),
        ("by_id", Subject(patient_id="1", age_years=151, reference_date=SEEN), "age_years"),
        ("by_id", Subject(patient_id="1", age_years=math.nan, reference_date=SEEN), "age_years"),
        ("by_id", Subject(patient_id="1", age_years=150, reference_date=date(100, 1, 1)), "age_years"),
        ("by_name", Subject(birth_date=BORN), "name"),
        ("by_id", Subject(patient_id="1", age_years=90, reference_date=date(91, 1, 1)), "reference_date"),
        ("by_name", Subject(name="^^^=^", birth_date=BORN), "name"),
        ("by_name", Subject(name="DOE^JANE"), "birth_date"),
        ("by_name", Subject(name="x" * 1025, birth_date=BORN), "name"),
        ("old", Subject(birth_date=BORN), "name"),
        ("old", Subject(name=" \0", birth_date=BORN), "name"),
        ("old", Subject(name="DOE^JANE"), "birth_date"),
        ("old", Subject(name="DOE^JANE", age_years=math.inf, reference_date=SEEN), "age_years"),
        ("old", Subject(name="x" * 1025, birth_date=BORN), "name"),
    ],
)
def test_a_subject_the_scheme_cannot_work_with_is_refused_by_field(domain: str, subject: Subject, field: str) -> None:
    with pytest.raises(DianaError) as refused:
        MINT.mint(domain, subject)
    assert refused.value.reason is Reason.SUBJECT_INVALID
    assert [violation.field for violation in refused.value.fields] == [f"subject.{field}"]
    assert not any(value in str(refused.value) for value in ("DOE", "xx", "1971", "2018"))


@pytest.mark.parametrize("born", [date.min, date.max])
def test_a_birth_date_at_the_calendars_end_is_minted_or_refused_never_an_overflow(born: date) -> None:
    subjects = [Subject(patient_id=str(number), birth_date=born) for number in range(100)]
    refused = [refusal for subject in subjects if (refusal := refusal_of("by_id", subject))]
    assert 0 < len(refused) < 100
    assert {refusal.fields[0].field for refusal in refused} == {"subject.birth_date"}


def test_an_unknown_domain_is_refused_before_any_subject_is_read() -> None:
    with pytest.raises(DianaError) as refused:
        MINT.scheme("nowhere")
    assert refused.value.reason is Reason.DOMAIN_UNKNOWN


def test_a_keyed_domain_without_a_key_is_refused() -> None:
    with pytest.raises(DianaError) as refused:
        BARE.mint("bare", Subject(patient_id="1"))
    assert refused.value.reason is Reason.DOMAIN_KEY_MISSING


def test_a_keyed_domain_without_a_key_makes_the_mint_unready() -> None:
    assert BARE.key_version("bare") == 0
    with pytest.raises(DianaError) as refused:
        BARE.check_ready()
    assert refused.value.reason is Reason.DOMAIN_KEY_MISSING
    MINT.check_ready()
    assert MINT.key_version("by_id") == 1


@pytest.mark.parametrize("accession_number", ["", "  ", "x" * 1025, "\udfff"])
def test_what_is_no_accession_number_is_refused(accession_number: str) -> None:
    with pytest.raises(DianaError) as refused:
        MINT.map_accession_numbers("by_id", ["A1", accession_number])
    assert refused.value.reason is Reason.INVALID_FIELD
    assert refused.value.fields[0].field == "accession_numbers[1]"


def test_domains_are_listed_by_name_with_their_scheme() -> None:
    assert [(domain.name, domain.scheme) for domain in MINT.domains()] == [
        ("by_id", "keyed"),
        ("by_name", "keyed"),
        ("old", "diana2"),
    ]

"""One identity at a time: what is answered, and what is refused by which field."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.type.date_pb2 import Date

from diana.guid.v1 import guid_service_pb2 as pb
from diana_guid.config import DomainConfig, Scheme, SubjectKey
from tests.contract.guid.conftest import Serve
from tests.contract.guid.refusals import refused

BORN = Date(year=1971, month=6, day=15)
SEEN = Date(year=2018, month=1, day=1)
JANE = pb.Subject(patient_id="4711", issuer="HOSPITAL", name="DOE^JANE", birth_date=BORN, sex=pb.SEX_FEMALE)


@pytest.fixture
def research(tmp_path: Path) -> DomainConfig:
    """A domain whose key is the bytes 0 to 31."""
    path = tmp_path / "research.key"
    path.write_text(bytes(range(32)).hex())
    path.chmod(0o600)
    return DomainConfig(key_file=path)


def of(subject: pb.Subject, domain: str = "") -> pb.MintIdentityRequest:
    return pb.MintIdentityRequest(domain=domain, subject=subject)


def test_a_keyed_identity_is_what_its_key_and_subject_make_it(serve: Serve, research: DomainConfig) -> None:
    identity = serve(research=research).MintIdentity(of(JANE, "research")).identity
    assert (identity.id, identity.name) == ("RLULLX52M3JTELQOV4HLN5IBTBUV6PKI", "PAE^SUELLEN^E")
    assert identity.birth_date == Date(year=1971, month=3, day=29)
    assert identity.time_offset.ToTimedelta() == timedelta(days=-87)
    assert (identity.time_offset.seconds, identity.time_offset.nanos) == (-87 * 86400, 0)


def test_an_offset_with_seconds_keeps_one_sign(serve: Serve) -> None:
    mint = serve(default=DomainConfig(seconds=True, time_offset_days=1))
    offsets = [mint.MintIdentity(of(pb.Subject(patient_id=str(n)))).identity.time_offset for n in range(40)]
    assert {offset.seconds > 0 for offset in offsets} == {True, False}
    assert all(abs(abs(offset.seconds) - 86400) <= 3600 and offset.nanos == 0 for offset in offsets)
    assert any(offset.seconds % 86400 for offset in offsets)


def test_an_absent_domain_is_default_and_a_repeated_question_has_the_same_answer(serve: Serve) -> None:
    mint = serve(other=DomainConfig())
    first = mint.MintIdentity(of(JANE))
    assert first == mint.MintIdentity(of(JANE)) == mint.MintIdentity(of(JANE, "default"))
    assert first.identity.id != mint.MintIdentity(of(JANE, "other")).identity.id


def test_a_subject_without_birth_date_and_age_gets_none(serve: Serve) -> None:
    identity = serve().MintIdentity(of(pb.Subject(patient_id="4711"))).identity
    assert not identity.HasField("birth_date")
    assert identity.HasField("time_offset")


def test_an_age_and_its_day_stand_for_a_birth_date(serve: Serve) -> None:
    mint = serve()
    by_age = pb.Subject(patient_id="4711", age_years=10, reference_date=SEEN)
    by_date = pb.Subject(patient_id="4711", birth_date=Date(year=2008, month=1, day=2))
    assert mint.MintIdentity(of(by_age)) == mint.MintIdentity(of(by_date))


def test_an_age_of_zero_is_an_age(serve: Serve) -> None:
    newborn = pb.Subject(patient_id="4711", age_years=0, reference_date=SEEN)
    assert serve().MintIdentity(of(newborn)).identity.birth_date.year in (2017, 2018)


@pytest.mark.parametrize("reference_date", [SEEN, Date(year=1960, month=1, day=1)])
def test_studies_of_different_days_lead_to_one_identity(serve: Serve, reference_date: Date) -> None:
    mint = serve()
    seen = pb.Subject(age_years=3, reference_date=reference_date)
    seen.MergeFrom(JANE)
    assert mint.MintIdentity(of(seen)) == mint.MintIdentity(of(JANE))


@pytest.mark.parametrize("sex", pb.Sex.values())
def test_every_sex_has_names(serve: Serve, sex: pb.Sex.ValueType) -> None:
    identity = serve().MintIdentity(of(pb.Subject(patient_id="4711", sex=sex))).identity
    last, first, middle = identity.name.split("^")
    assert last and first and len(middle) == 1


@pytest.mark.parametrize(
    ("domain", "subject", "field"),
    [
        ("", pb.Subject(), "patient_id"),
        ("", pb.Subject(patient_id="  "), "patient_id"),
        ("", pb.Subject(patient_id="1", age_years=4), "reference_date"),
        (
            "",
            pb.Subject(patient_id="1", age_years=4, reference_date=Date(year=2018, month=2, day=30)),
            "reference_date",
        ),
        ("", pb.Subject(patient_id="1", age_years=150, reference_date=Date(year=100, month=1, day=1)), "age_years"),
        ("", pb.Subject(patient_id="1", birth_date=Date()), "birth_date"),
        ("", pb.Subject(patient_id="1", birth_date=Date(month=6, day=15)), "birth_date"),
        ("", pb.Subject(patient_id="1", birth_date=Date(year=1971)), "birth_date"),
        ("", pb.Subject(patient_id="1", birth_date=Date(year=1971, month=6)), "birth_date"),
        ("", pb.Subject(patient_id="1", birth_date=Date(year=1971, month=-6, day=15)), "birth_date"),
        ("", pb.Subject(patient_id="1", birth_date=Date(year=1971, month=2, day=29)), "birth_date"),
        ("", pb.Subject(patient_id="1", birth_date=Date(year=2**31 - 1, month=6, day=15)), "birth_date"),
        ("names", pb.Subject(birth_date=BORN), "name"),
        ("", pb.Subject(patient_id="1", birth_date=BORN, reference_date=Date(year=1)), "reference_date"),
        ("names", pb.Subject(name="DOE^JANE"), "birth_date"),
        ("old", pb.Subject(patient_id="1", birth_date=BORN), "name"),
        ("old", pb.Subject(name="DOE^JANE"), "birth_date"),
        ("old", pb.Subject(name="DOE^JANE", age_years=3), "reference_date"),
    ],
)
def test_a_subject_that_cannot_be_minted_is_refused_by_field(
    serve: Serve, domain: str, subject: pb.Subject, field: str
) -> None:
    mint = serve(old=DomainConfig(scheme=Scheme.DIANA2), names=DomainConfig(subject_key=SubjectKey.NAME_BIRTH_DATE_SEX))
    refusal = refused(mint.MintIdentity, of(subject, domain))
    assert (refusal.code, refusal.reason, refusal.fields) == (3, "SUBJECT_INVALID", [f"subject.{field}"])
    assert not any(value in refusal.text for value in ("DOE", "1971", "2018", "JANE"))


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.MintIdentityRequest(), "subject"),
        (of(JANE, "Default"), "domain"),
        (of(JANE, "x" * 64), "domain"),
        (of(pb.Subject(patient_id="SECRET" * 171)), "subject.patient_id"),
        (of(pb.Subject(patient_id="1", issuer="SECRET" * 171)), "subject.issuer"),
        (of(pb.Subject(patient_id="1", name="SECRET" * 171)), "subject.name"),
        (of(pb.Subject(patient_id="1", age_years=151, reference_date=SEEN)), "subject.age_years"),
        (of(pb.Subject(patient_id="1", age_years=-1, reference_date=SEEN)), "subject.age_years"),
        (of(pb.Subject(patient_id="1", sex=9)), "subject.sex"),  # type: ignore[arg-type]
    ],
)
def test_a_request_against_the_contract_is_refused_by_field(serve: Serve, request_: Any, field: str) -> None:
    refusal = refused(serve().MintIdentity, request_)
    assert (refusal.code, refusal.reason, refusal.fields) == (3, "INVALID_FIELD", [field])
    assert "SECRET" not in refusal.text


def test_an_unknown_domain_and_a_missing_key_are_told_apart(serve: Serve, tmp_path: Path) -> None:
    mint = serve(bare=DomainConfig(key_file=tmp_path / "absent.key"), strict=DomainConfig(create_key=False))
    assert refused(mint.MintIdentity, of(JANE, "nowhere")).reason == "DOMAIN_UNKNOWN"
    for domain in ("bare", "strict"):
        refusal = refused(mint.MintIdentity, of(JANE, domain))
        assert (refusal.code, refusal.reason) == (9, "DOMAIN_KEY_MISSING")
        assert str(tmp_path) not in refusal.text

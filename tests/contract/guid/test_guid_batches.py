"""Many subjects in one call: in order, each with a status of its own."""

from __future__ import annotations

from google.type.date_pb2 import Date
from prometheus_client import REGISTRY

from diana.guid.v1 import guid_service_pb2 as pb
from diana_guid.config import DomainConfig
from tests.contract.guid.conftest import Serve
from tests.contract.guid.refusals import refusal_in, refused


def batch(*subjects: pb.Subject, domain: str = "") -> pb.BatchMintIdentitiesRequest:
    return pb.BatchMintIdentitiesRequest(domain=domain, subjects=subjects)


def minted(domain: str) -> float:
    return REGISTRY.get_sample_value("diana_guid_mints_total", {"domain": domain}) or 0.0


def test_a_batch_answers_as_one_by_one_and_keeps_its_order(serve: Serve) -> None:
    mint = serve()
    subjects = [pb.Subject(patient_id=str(number)) for number in range(1000)]
    results = mint.BatchMintIdentities(batch(*subjects)).results
    assert len({result.identity.id for result in results}) == 1000
    for number in (0, 1, 500, 999):
        request = pb.MintIdentityRequest(subject=subjects[number])
        assert results[number].identity == mint.MintIdentity(request).identity


def test_bad_subjects_spoil_no_other_and_are_named_by_their_place(serve: Serve) -> None:
    good = pb.Subject(patient_id="4711")
    bad_date = pb.Subject(patient_id="4711", birth_date=Date(year=1971, month=13, day=1))
    results = serve().BatchMintIdentities(batch(good, pb.Subject(), bad_date, good)).results
    assert [result.WhichOneof("result") for result in results] == ["identity", "status", "status", "identity"]
    assert results[0] == results[3]
    for index, field in ((1, "subjects[1].patient_id"), (2, "subjects[2].birth_date")):
        refusal = refusal_in(results[index].status)
        assert (refusal.code, refusal.reason, refusal.fields) == (3, "SUBJECT_INVALID", [field])
        assert results[index].status.message.startswith(f"{field}: ")
        assert "4711" not in refusal.text
        assert "1971" not in refusal.text


def test_a_subject_that_breaks_the_contracts_rules_spoils_no_other(serve: Serve) -> None:
    good = pb.Subject(patient_id="4711")
    too_old = pb.Subject(patient_id="4711", age_years=200)
    results = serve().BatchMintIdentities(batch(good, too_old)).results
    refusal = refusal_in(results[1].status)
    assert results[0].HasField("identity")
    assert (refusal.code, refusal.reason, refusal.fields) == (3, "INVALID_FIELD", ["subjects[1].age_years"])


def test_a_bad_domain_spoils_the_whole_batch(serve: Serve) -> None:
    mint = serve(strict=DomainConfig(create_key=False))
    one = pb.Subject(patient_id="4711")
    assert refused(mint.BatchMintIdentities, batch(one, domain="nowhere")).reason == "DOMAIN_UNKNOWN"
    assert refused(mint.BatchMintIdentities, batch(one, domain="strict")).reason == "DOMAIN_KEY_MISSING"


def test_none_and_more_than_a_thousand_subjects_are_refused(serve: Serve) -> None:
    mint = serve()
    for subjects in ([], [pb.Subject(patient_id="4711")] * 1001):
        refusal = refused(mint.BatchMintIdentities, batch(*subjects))
        assert (refusal.reason, refusal.fields) == ("INVALID_FIELD", ["subjects"])


def test_identities_are_counted_by_domain_and_refusals_are_not(serve: Serve) -> None:
    mint = serve(counted=DomainConfig())
    before = minted("counted")
    one = pb.Subject(patient_id="4711")
    mint.BatchMintIdentities(batch(one, pb.Subject(), one, domain="counted"))
    mint.MintIdentity(pb.MintIdentityRequest(domain="counted", subject=one))
    refused(mint.MintIdentity, pb.MintIdentityRequest(domain="counted", subject=pb.Subject()))
    assert minted("counted") - before == 3
    refused(mint.MintIdentity, pb.MintIdentityRequest(domain="nowhere", subject=one))
    assert REGISTRY.get_sample_value("diana_guid_mints_total", {"domain": "nowhere"}) is None

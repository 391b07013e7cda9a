"""The key that a service maps UIDs with by itself: it does what the mint does, and is given for a domain at a time."""

from __future__ import annotations

import pytest

from diana.guid.v1 import guid_service_pb2 as pb
from diana_common.uidmap import SUBKEY_BYTES, map_accession_number, map_uid
from diana_guid.config import DomainConfig, Scheme, Uids
from tests.contract.guid.conftest import Serve
from tests.contract.guid.refusals import refused

UIDS = ["1.2.3", "1.2.840.113619.2.55.3", "0.0"]


@pytest.mark.parametrize("domain", ["", "default", "other"])
def test_a_leased_key_maps_uids_as_the_mint_does(serve: Serve, domain: str) -> None:
    mint = serve(other=DomainConfig())
    key = mint.LeaseUidKey(pb.LeaseUidKeyRequest(domain=domain)).uid_key
    answer = mint.MapIdentifiers(pb.MapIdentifiersRequest(domain=domain, uids=UIDS))
    assert [map_uid(key, uid) for uid in UIDS] == list(answer.uids)


def test_a_domain_has_one_key_for_ever_and_shares_it_with_none(serve: Serve) -> None:
    first, again = serve(other=DomainConfig()), serve(other=DomainConfig())
    keys = {
        mint.LeaseUidKey(pb.LeaseUidKeyRequest(domain=domain)).uid_key
        for mint in (first, again)
        for domain in ("", "default", "other")
    }
    assert len(keys) == 2
    assert {len(key) for key in keys} == {SUBKEY_BYTES}


def test_a_leased_key_maps_accession_numbers_as_the_mint_does(serve: Serve) -> None:
    mint = serve(old=DomainConfig(scheme=Scheme.DIANA2))
    key = mint.LeaseUidKey(pb.LeaseUidKeyRequest(domain="old")).accession_number_key
    numbers = ["A1", " A1 ", "Ä-17"]
    answer = mint.MapIdentifiers(pb.MapIdentifiersRequest(domain="old", accession_numbers=numbers))
    assert [map_accession_number(key, one) for one in numbers] == list(answer.accession_numbers)


def test_a_version_that_is_not_there_is_not_leased(serve: Serve) -> None:
    refusal = refused(serve().LeaseUidKey, pb.LeaseUidKeyRequest(key_version=2))
    assert (refusal.code, refusal.reason) == (5, "KEY_VERSION_UNKNOWN")


def test_a_domain_of_diana2s_uids_leases_no_key(serve: Serve) -> None:
    mint = serve(old=DomainConfig(scheme=Scheme.DIANA2, uids=Uids.DIANA2))
    refusal = refused(mint.LeaseUidKey, pb.LeaseUidKeyRequest(domain="old"))
    assert (refusal.code, refusal.reason, refusal.fields) == (3, "SUBJECT_INVALID", ["domain"])


@pytest.mark.parametrize(
    ("domain", "reason"), [("nowhere", "DOMAIN_UNKNOWN"), ("Default", "INVALID_FIELD"), ("a" * 64, "INVALID_FIELD")]
)
def test_a_domain_that_is_not_there_leases_no_key(serve: Serve, domain: str, reason: str) -> None:
    assert refused(serve().LeaseUidKey, pb.LeaseUidKeyRequest(domain=domain)).reason == reason

"""UIDs and accession numbers: mapped by key, or made in the older system's form."""

from __future__ import annotations

from dataclasses import replace

import pytest

from diana.guid.v1 import guid_service_pb2 as pb
from diana_guid.config import DomainConfig, Scheme, Uids
from tests.contract.guid.conftest import Serve
from tests.contract.guid.refusals import refused

ALPHABET = set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
OLD_ROOT = "1.2.826.0.1.3680043.10.43"


def test_identifiers_are_mapped_in_order_and_by_domain(serve: Serve) -> None:
    mint = serve(other=DomainConfig())
    request = pb.MapIdentifiersRequest(uids=["1.2.3", "1.2.4", "1.2.3"], accession_numbers=["A1", "A2", " A1 "])
    answer = mint.MapIdentifiers(request)
    assert answer.uids[0] == answer.uids[2] != answer.uids[1]
    assert answer.accession_numbers[0] == answer.accession_numbers[2] != answer.accession_numbers[1]
    assert all(uid.startswith("2.25.") and len(uid) <= 44 for uid in answer.uids)
    assert all(len(one) == 16 and set(one) <= ALPHABET for one in answer.accession_numbers)
    request.domain = "other"
    elsewhere = mint.MapIdentifiers(request)
    assert not set(answer.uids) & set(elsewhere.uids)
    assert not set(answer.accession_numbers) & set(elsewhere.accession_numbers)


def test_nothing_maps_to_nothing(serve: Serve) -> None:
    assert serve().MapIdentifiers(pb.MapIdentifiersRequest()) == pb.MapIdentifiersResponse(key_version=1)


def test_ten_thousand_of_each_fit_one_call(serve: Serve) -> None:
    uids = [f"1.2.840.113619.2.{'5' * 40}.{number}" for number in range(10_000)]
    numbers = [f"{number:064}" for number in range(10_000)]
    answer = serve().MapIdentifiers(pb.MapIdentifiersRequest(uids=uids, accession_numbers=numbers))
    assert len(set(answer.uids)) == len(set(answer.accession_numbers)) == 10_000


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.MapIdentifiersRequest(uids=["1.2", "1.2.x"]), "uids[1]"),
        (pb.MapIdentifiersRequest(uids=["1.2.3\n"]), "uids[0]"),
        (pb.MapIdentifiersRequest(uids=["1" * 65]), "uids[0]"),
        (pb.MapIdentifiersRequest(uids=[""]), "uids[0]"),
        (pb.MapIdentifiersRequest(uids=["1.2"] * 10_001), "uids"),
        (pb.MapIdentifiersRequest(accession_numbers=["A1", ""]), "accession_numbers[1]"),
        (pb.MapIdentifiersRequest(accession_numbers=["A1", "A2", "  "]), "accession_numbers[2]"),
        (pb.MapIdentifiersRequest(accession_numbers=["é" * 33]), "accession_numbers[0]"),
    ],
)
def test_what_is_no_identifier_is_refused_by_its_place(
    serve: Serve, request_: pb.MapIdentifiersRequest, field: str
) -> None:
    refusal = refused(serve().MapIdentifiers, request_)
    assert (refusal.code, refusal.reason, refusal.fields) == (3, "INVALID_FIELD", [field])


def test_a_diana2_domain_maps_by_key_unless_it_asks_for_the_uids_of_diana2(serve: Serve) -> None:
    old = DomainConfig(scheme=Scheme.DIANA2)
    mint = serve(old=old, older=replace(old, uids=Uids.DIANA2))
    assert mint.MapIdentifiers(pb.MapIdentifiersRequest(domain="old", uids=["1.2.3"])).uids[0].startswith("2.25.")
    numbers = pb.MapIdentifiersRequest(domain="older", accession_numbers=["A1"])
    assert len(mint.MapIdentifiers(numbers).accession_numbers[0]) == 16
    refusal = refused(mint.MapIdentifiers, pb.MapIdentifiersRequest(domain="older", uids=["1.2.3"]))
    assert (refusal.code, refusal.reason, refusal.fields) == (3, "SUBJECT_INVALID", ["domain"])
    assert "MintHierarchicalUid" in refusal.text


@pytest.mark.parametrize(
    ("app_id", "path", "tail"),
    [
        ("", ["p"], "62.124017657689"),
        ("", ["p", "s"], "62.124017657689.862767848163"),
        ("dicom", ["p", "s", "r"], "62.124017657689.862767848163.311"),
        ("anon", ["p", "s", "r", "i"], "46.124017657689.862767848163.311.1442"),
        ("", ["p", "s", "", "i"], "62.124017657689.862767848163"),
    ],
)
def test_a_hierarchical_uid_is_the_older_systems(serve: Serve, app_id: str, path: list[str], tail: str) -> None:
    answer = serve().MintHierarchicalUid(pb.MintHierarchicalUidRequest(app_id=app_id, path=path))
    assert answer.uid == f"{OLD_ROOT}.{tail}"


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.MintHierarchicalUidRequest(), "path"),
        (pb.MintHierarchicalUidRequest(path=list("psrix")), "path"),
        (pb.MintHierarchicalUidRequest(path=["p", "x" * 1025]), "path[1]"),
        (pb.MintHierarchicalUidRequest(path=["p"], app_id="x" * 256), "app_id"),
    ],
)
def test_a_path_against_the_contract_is_refused(
    serve: Serve, request_: pb.MintHierarchicalUidRequest, field: str
) -> None:
    refusal = refused(serve().MintHierarchicalUid, request_)
    assert (refusal.reason, refusal.fields) == ("INVALID_FIELD", [field])

"""The older mint's published results, through a real server of scheme diana2."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from typing import Any

import pytest
from google.type.date_pb2 import Date

from diana.guid.v1 import guid_service_pb2 as pb
from diana.guid.v1.guid_service_pb2_grpc import GuidServiceStub
from diana_common.errors import DianaError
from diana_guid.config import DomainConfig, Scheme
from diana_guid.core.diana2_arguments import diana2_subject
from diana_guid.core.subject import birth_date_of
from tests.contract.guid.conftest import Serve
from tests.support.corpus import CORPUS, needs_corpus
from tests.unit.guid.diana2_vectors import GUIDS, UIDS, path_of

SEXES = {"M": pb.SEX_MALE, "F": pb.SEX_FEMALE}

Expected = tuple[str, str, str, int, int]


@pytest.fixture
def mint(serve: Serve) -> GuidServiceStub:
    return serve(old=DomainConfig(scheme=Scheme.DIANA2))


def wire_date(day: date | None) -> Date | None:
    return Date(year=day.year, month=day.month, day=day.day) if day else None


def subject_of(arguments: dict[str, Any]) -> pb.Subject:
    """The message for the older mint's arguments; a broken age, which no message holds, is counted back here."""
    subject = diana2_subject(**arguments)
    message = pb.Subject(name=subject.name, sex=SEXES.get(subject.sex[:1].upper(), pb.SEX_UNSPECIFIED))
    if subject.age_years is not None and subject.age_years == int(subject.age_years):
        message.age_years = int(subject.age_years)
        message.reference_date.CopyFrom(wire_date(subject.reference_date) or Date())
    born = subject.birth_date if message.HasField("age_years") else birth_date_of(subject)
    if born:
        message.birth_date.CopyFrom(wire_date(born) or Date())
    return message


def minted(mint: GuidServiceStub, subjects: Iterable[pb.Subject]) -> list[Expected]:
    answer = mint.BatchMintIdentities(pb.BatchMintIdentitiesRequest(domain="old", subjects=subjects))
    return [as_expected(result.identity) for result in answer.results]


def as_expected(identity: pb.Identity) -> Expected:
    born, offset = identity.birth_date, identity.time_offset.ToTimedelta()
    return identity.id, identity.name, date(born.year, born.month, born.day).isoformat(), offset.days, offset.seconds


def test_identities_are_the_older_mints(mint: GuidServiceStub) -> None:
    subjects = [subject_of(arguments) for arguments, _ in GUIDS]
    assert minted(mint, subjects) == [expected for _, expected in GUIDS]
    for subject, (_, expected) in zip(subjects, GUIDS):
        request = pb.MintIdentityRequest(domain="old", subject=subject)
        assert as_expected(mint.MintIdentity(request).identity) == expected


def test_uids_are_the_older_mints(mint: GuidServiceStub) -> None:
    for app_id, path, uid in UIDS:
        assert mint.MintHierarchicalUid(pb.MintHierarchicalUidRequest(app_id=app_id or "", path=path)).uid == uid


@needs_corpus
def test_all_identities_of_the_corpus_agree(mint: GuidServiceStub) -> None:
    vectors = json.loads((CORPUS / "guid_vectors.json").read_text())["guid"]
    readable = [vector for vector in vectors if "error" not in vector["output"]]
    for vector in vectors:
        if vector not in readable:
            with pytest.raises(DianaError, match=r"age_years|birth_date"):
                subject_of(vector["input"])
    expected = [
        (output["ID"], output["NameDicom"], output["BirthDate"], *map(output["TimeOffset"].get, ("days", "seconds")))
        for output in (vector["output"] for vector in readable)
    ]
    assert (len(vectors), len(readable)) == (60, 58)
    assert minted(mint, [subject_of(vector["input"]) for vector in readable]) == expected


@needs_corpus
def test_all_uids_of_the_corpus_agree(mint: GuidServiceStub) -> None:
    vectors = json.loads((CORPUS / "guid_vectors.json").read_text())["uid"]
    assert len(vectors) == 16
    for vector in vectors:
        request = pb.MintHierarchicalUidRequest(app_id=vector["app_id"] or "", path=path_of(vector["args"]))
        assert mint.MintHierarchicalUid(request).uid == vector["uid"], vector

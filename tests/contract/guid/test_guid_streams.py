"""Identities for as many subjects as a caller streams."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from google.type.date_pb2 import Date
from prometheus_client import REGISTRY

from diana.guid.v1 import guid_service_pb2 as pb
from diana_guid.config import DomainConfig, Scheme
from tests.contract.guid.conftest import Serve
from tests.contract.guid.refusals import Refusal, refusal_in, refused

OLD = DomainConfig(scheme=Scheme.DIANA2)
BORN = Date(year=1971, month=6, day=15)


def message(request_id: str, *subjects: pb.Subject, **fields: object) -> pb.MintIdentitiesRequest:
    return pb.MintIdentitiesRequest(request_id=request_id, subjects=subjects, **fields)  # type: ignore[arg-type]


def person(name: str, patient_id: str = "", issuer: str = "") -> pb.Subject:
    return pb.Subject(patient_id=patient_id, issuer=issuer, name=name, birth_date=BORN)


def refusal_of(result: pb.MintResult) -> Refusal:
    assert result.HasField("status")
    return refusal_in(result.status)


def test_a_stream_answers_each_message_under_its_request_id_as_mints_one_by_one_do(serve: Serve) -> None:
    mint = serve(other=DomainConfig())
    crowd = [pb.Subject(patient_id=str(number)) for number in range(2_500)]
    messages = [
        message(f"message {at}", *crowd[at : at + 1000], domain="other" if at == 0 else "") for at in (0, 1000, 2000)
    ]
    answers = list(mint.MintIdentities(iter(messages)))
    assert [answer.request_id for answer in answers] == ["message 0", "message 1000", "message 2000"]
    minted = [result.identity for answer in answers for result in answer.results]
    assert len({identity.id for identity in minted}) == len(minted) == 2_500
    for number in (0, 999, 1000, 2499):
        request = pb.MintIdentityRequest(domain="other", subject=crowd[number])
        assert minted[number] == mint.MintIdentity(request).identity


def test_answers_come_while_more_is_sent(serve: Serve) -> None:
    answered: list[str] = []

    def messages() -> Iterator[pb.MintIdentitiesRequest]:
        for number in range(3):
            yield message(str(number), pb.Subject(patient_id="1"))

    for answer in serve().MintIdentities(messages()):
        answered.append(answer.request_id)
    assert answered == ["0", "1", "2"]


def test_a_bad_subject_spoils_no_other_and_is_named_by_its_place_in_its_message(serve: Serve) -> None:
    good, bad, worse = pb.Subject(patient_id="1"), pb.Subject(), pb.Subject(patient_id="é" * 513)
    first, second = serve().MintIdentities(iter([message("a", good, bad), message("b", worse, good)]))
    assert refusal_of(first.results[1]).fields == ["subjects[1].patient_id"]
    assert (refusal_of(second.results[0]).reason, refusal_of(second.results[0]).fields) == (
        "INVALID_FIELD",
        ["subjects[0].patient_id"],
    )
    assert first.results[0].identity == second.results[1].identity


def test_no_message_is_no_answer(serve: Serve) -> None:
    assert list(serve().MintIdentities(iter([]))) == []


def test_a_message_against_the_contract_ends_the_stream(serve: Serve) -> None:
    mint = serve()
    one = pb.Subject(patient_id="1")
    for bad, field in (
        (message("x" * 129, one), "request_id"),
        (message("a"), "subjects"),
        (message("a", *[one] * 1001), "subjects"),
        (message("a", one, domain="../x"), "domain"),
        (message("a", one, key_version=-1), "key_version"),
    ):
        refusal = refused(lambda messages: list(mint.MintIdentities(iter(messages))), [message("ok", one), bad])
        assert (refusal.reason, refusal.fields) == ("INVALID_FIELD", [field])
    refusal = refused(lambda messages: list(mint.MintIdentities(messages)), iter([message("a", one, key_version=7)]))
    assert (refusal.code, refusal.reason) == (5, "KEY_VERSION_UNKNOWN")
    refusal = refused(lambda messages: list(mint.MintIdentities(messages)), iter([message("a", one, domain="no")]))
    assert refusal.reason == "DOMAIN_UNKNOWN"


@pytest.mark.parametrize("first", ["", "default", "other"])
def test_a_later_message_that_names_another_domain_or_key_version_ends_the_stream(serve: Serve, first: str) -> None:
    mint = serve(other=DomainConfig())
    one = pb.Subject(patient_id="1")
    elsewhere = "default" if first == "other" else "other"
    for bad, field in (
        (message("b", one, domain=elsewhere), "domain"),
        (message("b", one, domain="nowhere"), "domain"),
        (message("b", one, key_version=2), "key_version"),
    ):
        answers = mint.MintIdentities(iter([message("a", one, domain=first, key_version=1), bad]))
        assert next(answers).results[0].HasField("identity")
        refusal = refused(next, answers)
        assert (refusal.code, refusal.reason, refusal.fields) == (3, "INVALID_FIELD", [field])


def test_a_later_message_may_name_what_the_first_one_named(serve: Serve) -> None:
    one = pb.Subject(patient_id="1")
    messages = [
        message("a", one),
        message("b", one, domain="default"),
        message("c", one),
    ]
    answers = [answer.results[0].identity for answer in serve().MintIdentities(iter(messages))]
    pinned = [message(name, one, domain="default", key_version=1) for name in "ab"]
    answers += [answer.results[0].identity for answer in serve().MintIdentities(iter(pinned))]
    assert len({identity.id for identity in answers}) == 1
    assert len(answers) == 5


def test_two_people_who_would_become_one_are_told_apart_across_messages(serve: Serve) -> None:
    mint = serve(old=OLD)
    first, second = mint.MintIdentities(
        iter([message("a", person("山田^太郎"), domain="old"), message("b", person("田中^花子"), person("山田^太郎"))])
    )
    refusal = refusal_of(second.results[0])
    assert (refusal.code, refusal.reason, refusal.fields) == (9, "IDENTITY_COLLISION", ["subjects[0]"])
    assert "田中" not in refusal.text
    assert second.results[1].identity == first.results[0].identity


def test_one_person_may_come_again_and_again_and_a_new_stream_remembers_nobody(serve: Serve) -> None:
    mint = serve(old=OLD)
    forms = [person("DOE^JANE"), person("Jane Doe"), person("doe, jane "), person("DOE^JANE")]
    same = mint.MintIdentities(iter([message("a", *forms, domain="old")]))
    assert len({result.identity.id for answer in same for result in answer.results}) == 1
    for patient_id in ("1", "2"):
        (answer,) = mint.MintIdentities(iter([message("a", person("DOE^JANE", patient_id), domain="old")]))
        assert answer.results[0].HasField("identity")


def test_two_patient_ids_of_one_name_and_birth_date_are_one_person(serve: Serve) -> None:
    people = [person("DOE^JANE", "1", "A"), person("DOE^JANE", "2", "A"), person("DOE^JANE", "1", "B")]
    people += [person("山田", "3"), person("山田", "4"), person("田中", "5"), person("田中", "3")]
    (answer,) = serve(old=OLD).MintIdentities(iter([message("a", *people, domain="old")]))
    assert [result.HasField("identity") for result in answer.results] == [True] * 5 + [False, True]


def test_keyed_domains_take_one_name_for_as_many_people_as_have_it(serve: Serve) -> None:
    people = [person("DOE^JANE", str(number)) for number in range(5)]
    (answer,) = serve().MintIdentities(iter([message("a", *people)]))
    assert len({result.identity.id for result in answer.results}) == 5


def test_what_a_stream_mints_is_counted(serve: Serve) -> None:
    def minted() -> float:
        return REGISTRY.get_sample_value("diana_guid_mints_total", {"domain": "counted"}) or 0.0

    before = minted()
    people = [pb.Subject(patient_id="1"), pb.Subject()]
    list(serve(counted=DomainConfig()).MintIdentities(iter([message("a", *people, domain="counted")])))
    assert minted() == before + 1

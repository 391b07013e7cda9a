"""Scheme diana2 gives what the older system's mint gave."""

from __future__ import annotations

import json
import random
from datetime import date
from itertools import pairwise
from typing import Any

import pytest

from diana_common.errors import DianaError, Reason
from diana_common.hierarchical_uid import diana2_uid
from diana_guid.core import GuidMint, Subject, make_domain
from diana_guid.core.diana2 import Diana2Scheme
from diana_guid.core.diana2_arguments import diana2_subject
from diana_guid.core.names import names_by_initial
from diana_guid.stores import MemoryKeyStore
from tests.support.corpus import CORPUS, needs_corpus
from tests.unit.guid.diana2_vectors import GUIDS, REFUSED, UIDS, path_of


def minted(arguments: dict[str, Any]) -> tuple[str, str, str, int, int]:
    identity = Diana2Scheme().mint(diana2_subject(**arguments))
    assert identity.birth_date is not None
    offset = identity.time_offset
    return identity.id, identity.name, identity.birth_date.isoformat(), offset.days, offset.seconds


@pytest.mark.parametrize(("arguments", "expected"), GUIDS)
def test_an_identity_is_the_older_mints(arguments: dict[str, Any], expected: tuple[str, str, str, int, int]) -> None:
    assert minted(arguments) == expected


@pytest.mark.parametrize(("arguments", "field"), REFUSED)
def test_what_the_older_mint_refused_is_refused_by_field(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(DianaError) as refused:
        minted(arguments)
    assert refused.value.reason is Reason.SUBJECT_INVALID
    assert [violation.field for violation in refused.value.fields] == [field]


@pytest.mark.parametrize(("app_id", "path", "uid"), UIDS)
def test_a_uid_is_the_older_mints(app_id: str | None, path: list[str], uid: str) -> None:
    assert diana2_uid(path, **({"app_id": app_id} if app_id else {})) == uid


@needs_corpus
def test_all_identities_of_the_corpus_agree() -> None:
    vectors = json.loads((CORPUS / "guid_vectors.json").read_text())["guid"]
    wrong = []
    for vector in vectors:
        output = vector["output"]
        try:
            agrees = minted(vector["input"]) == (
                output.get("ID"),
                output.get("NameDicom"),
                output.get("BirthDate"),
                output.get("TimeOffset", {}).get("days"),
                output.get("TimeOffset", {}).get("seconds"),
            )
        except DianaError as refusal:
            agrees = "error" in output and refusal.reason is Reason.SUBJECT_INVALID
        if not agrees:
            wrong.append(vector)
    assert len(vectors) == 60
    assert wrong == []


@needs_corpus
def test_all_uids_of_the_corpus_agree() -> None:
    vectors = json.loads((CORPUS / "guid_vectors.json").read_text())["uid"]
    assert len(vectors) == 16
    for vector in vectors:
        app = {"app_id": vector["app_id"]} if vector["app_id"] else {}
        assert diana2_uid(path_of(vector["args"]), **app) == vector["uid"], vector


def test_draws_are_those_of_the_standard_library_for_every_initial() -> None:
    scheme = Diana2Scheme()
    initials = set()
    for number in range(2000):
        identity = scheme.mint(Subject(name=f"X{number}", birth_date=date(1980, 1, 1)))
        initials.add(identity.id[0])
        draws = random.Random(identity.id)
        days, seconds = draws.randint(-90, 90), draws.randint(-3600, 3600)
        assert identity.time_offset.total_seconds() == days * 86400 + seconds
        draws.seed(identity.id)
        last = draws.choice(names_by_initial("last")[identity.id[0]])
        first = draws.choice(names_by_initial("male")[identity.id[1]])
        assert identity.name == f"{last}^{first}^{identity.id[2]}"
    assert len(initials) == 26


def test_a_reference_date_counts_only_with_an_age() -> None:
    born = date(1980, 1, 1)
    alone = Subject(name="DOE^JANE", birth_date=born)
    with_reference = Subject(name="DOE^JANE", birth_date=born, age_years=7, reference_date=date(1979, 1, 1))
    assert Diana2Scheme().mint(with_reference) == Diana2Scheme().mint(alone)


def test_every_initial_has_names_to_draw_from() -> None:
    letters = set("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert all(names_by_initial(which).keys() == letters for which in ("last", "female", "male"))


def test_composed_and_decomposed_accents_differ_as_they_did_before() -> None:
    scheme = Diana2Scheme()
    composed, decomposed = (
        scheme.mint(Subject(name=name, birth_date=date(1980, 1, 1))) for name in ("é x", "e\u0301 x")
    )
    assert composed.id != decomposed.id


def test_a_uid_of_a_patient_begins_the_uids_below_it() -> None:
    path = ["p", "s", "r", "i"]
    uids = [diana2_uid(path[:depth]) for depth in range(1, 5)]
    assert uids[0] == "1.2.826.0.1.3680043.10.43.62.124017657689"
    assert all(below.startswith(above + ".") for above, below in pairwise(uids))


def test_identities_need_no_key_and_identifiers_do() -> None:
    mint = GuidMint([make_domain("old", "diana2")], MemoryKeyStore({}))
    assert mint.mint("old", Subject(name="DOE^JANE", birth_date=date(1980, 1, 1))).id
    for mapping in (mint.map_uids, mint.map_accession_numbers):
        with pytest.raises(DianaError) as refused:
            mapping("old", ["1.2.3"])
        assert refused.value.reason is Reason.DOMAIN_KEY_MISSING


def test_uids_are_keyed_unless_the_domain_asks_for_those_of_diana2() -> None:
    domains = [make_domain("old", "diana2"), make_domain("older", "diana2", {"keyed_uids": False})]
    mint = GuidMint(domains, MemoryKeyStore({"old": bytes(32), "older": bytes(32)}))
    assert mint.map_uids("old", ["1.2.3"])[0].startswith("2.25.")
    with pytest.raises(DianaError) as refused:
        mint.map_uids("older", ["1.2.3"])
    assert refused.value.reason is Reason.SUBJECT_INVALID
    assert refused.value.fields[0].field == "domain"
    assert len(mint.map_accession_numbers("older", ["A1"])[0]) == 16


@pytest.mark.parametrize(
    "text",
    ["1950-01-01", "1950-01-01T13:45:00Z", "19500101", "19500101134500", "1/1/1950", "January 1, 1950", "Jan 1 1950"],
)
def test_a_date_is_read_in_the_forms_callers_wrote(text: str) -> None:
    assert diana2_subject("DOE^JANE", dob=text).birth_date == date(1950, 1, 1)


@pytest.mark.parametrize("text", ["1/1/50", "13/13/1950", "1950", "yesterday", "1950-01-01" + " " * 100 + "x"])
def test_a_date_that_needs_guessing_is_refused(text: str) -> None:
    with pytest.raises(DianaError) as refused:
        diana2_subject("DOE^JANE", dob=text)
    assert refused.value.fields[0].field == "subject.birth_date"
    assert text not in str(refused.value)

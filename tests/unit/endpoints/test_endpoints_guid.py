"""Who an identity is minted for: what is given, else what the header says."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from diana.guid.v1.guid_service_pb2 import SEX_FEMALE, Identity, Subject
from diana_client import Minted
from diana_common.header import scan
from diana_endpoints.guid import Guid, GuidSettings
from diana_endpoints.items import Item
from tests.support.dicom_files import make_small


class Mint:
    """A mint that makes the id of what it was asked, and counts calls."""

    def __init__(self) -> None:
        self.asked: list[Subject] = []
        self.calls = 0

    def mint_many(self, subjects: Iterable[Subject], *, domain: str) -> Iterator[Minted]:
        self.calls += 1
        for subject in subjects:
            self.asked.append(subject)
            yield Minted(subject, Identity(id=f"{domain}-{subject.patient_id}"), None)


@pytest.fixture
def mint() -> Mint:
    return Mint()


@pytest.fixture
def guid(mint: Mint, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guid]:
    endpoint = Guid(GuidSettings("127.0.0.1:1", domain="d"))
    monkeypatch.setattr(endpoint, "_client", mint)
    yield endpoint
    endpoint.close()


def _item(**overrides: Any) -> Item:
    return Item({"study_uid": "1.2", "path": "Doe^John"}, json.loads(scan(make_small(**overrides)).dicom_json))


def test_the_header_names_the_subject(guid: Guid, mint: Mint) -> None:
    [minted] = guid.mint([_item()])
    [asked] = mint.asked
    assert (asked.patient_id, asked.name, asked.sex) == ("PHANTOM01", "Phantom^Petra", SEX_FEMALE)
    assert (asked.birth_date.year, asked.birth_date.month, asked.birth_date.day) == (1961, 4, 4)
    assert minted.meta["id"] == "d-PHANTOM01"


def test_what_is_handed_on_holds_no_value_of_the_patient(guid: Guid) -> None:
    [minted] = guid.mint([_item()])
    assert minted.header is None
    assert set(minted.meta) == {"study_uid", "id", "name", "birth_date", "time_offset_seconds"}
    assert "Doe" not in str(minted)
    assert "Petra" not in str(minted)


def test_what_is_given_wins_over_the_header(guid: Guid, mint: Mint) -> None:
    item = _item()
    item.meta["patient_id"] = "OTHER"
    list(guid.mint([item]))
    assert mint.asked[0].patient_id == "OTHER"


def test_an_age_stands_in_for_a_missing_birth_date(guid: Guid, mint: Mint) -> None:
    list(guid.mint([_item(PatientBirthDate="")]))
    asked = mint.asked[0]
    assert not asked.HasField("birth_date")
    assert (asked.age_years, asked.reference_date.year) == (64, 2026)


def test_a_date_that_is_none_fails_for_itself_alone_and_order_is_kept(guid: Guid) -> None:
    bad = Item({"patient_id": "2", "birth_date": "yesterday"})
    results = list(guid.mint([Item({"patient_id": "1"}), bad, Item({"patient_id": "3"})]))
    assert [item.meta.get("id") for item in results] == ["d-1", None, "d-3"]
    assert results[1].failure is not None
    assert results[1].failure.reason == "INVALID_FIELD"
    assert "yesterday" not in results[1].failure.message


def test_many_subjects_share_calls_and_few_are_taken_ahead(guid: Guid, mint: Mint) -> None:
    taken = 0

    def subjects() -> Iterator[Item]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield Item({"patient_id": str(number)})

    results = guid.mint(subjects())
    next(results)
    assert taken < 100
    assert len(list(results)) == 999
    assert mint.calls < 20

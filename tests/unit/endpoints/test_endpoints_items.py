"""What may be told of an item, and what it is named where it is put."""

from __future__ import annotations

from typing import Any

import pytest

from diana_endpoints.items import Item, public_meta
from diana_endpoints.wanted import name_of


def test_places_and_patients_are_not_told() -> None:
    meta = {"id": "Doe^J.dcm", "path": "Doe^J.dcm", "patient_id": "P1", "study_uid": "1.2", "images": 3}
    assert public_meta(Item(dict(meta))) == {"study_uid": "1.2", "images": 3}
    for place in ("Doe/1.dcm", "Doe\\1.dcm"):
        assert public_meta(Item({"id": place})) == {}
    assert public_meta(Item({"id": "key-1"})) == {"id": "key-1"}


@pytest.mark.parametrize(
    ("meta", "name"),
    [
        ({"id": "key-1", "sop_instance_uid": "1.2.3"}, "key-1"),
        ({"study_uid": "1", "series_uid": "1.2", "sop_instance_uid": "1.2.3"}, "1.2.3"),
        ({"id": "Doe/1.dcm", "path": "Doe/1.dcm", "series_uid": "1.2"}, "1.2"),
        ({"id": "1.dcm", "path": "1.dcm"}, "1.dcm"),
        ({"id": 7}, "7"),
        ({}, ""),
    ],
)
def test_what_is_put_is_named_by_its_id_but_a_file_by_its_uid(meta: dict[str, Any], name: str) -> None:
    assert name_of(Item(meta)) == name

"""The older system's UIDs for a whole study: references resolve, and what collides is refused."""

from __future__ import annotations

import pytest

from diana_common.errors import DianaError, Reason
from diana_common.hierarchical_uid import HierarchicalUids, diana2_uid

STUDY, SERIES = "1.2.3", "1.2.3.1"


def placed(count: int) -> HierarchicalUids:
    uids = HierarchicalUids("ANON")
    for number in range(count):
        uids.place(STUDY, SERIES, f"1.2.3.1.{number}")
    return uids


def test_uids_are_those_of_the_older_system_at_their_place_in_the_hierarchy() -> None:
    uids = placed(3)
    assert uids.uid(STUDY) == diana2_uid(["ANON", STUDY])
    assert uids.uid(SERIES) == diana2_uid(["ANON", STUDY, SERIES])
    assert uids.uid("1.2.3.1.2\0") == diana2_uid(["ANON", STUDY, SERIES, "1.2.3.1.2"])
    assert uids.uid("1.2.3.1.2").startswith(uids.uid(SERIES) + ".")


def test_what_has_no_place_gets_one_uid_of_its_own() -> None:
    frame = placed(1).uid("9.9.9")
    assert frame == placed(3).uid("9.9.9") == diana2_uid(["ANON", "9.9.9"])
    assert frame != HierarchicalUids("OTHER").uid("9.9.9")


def test_a_long_series_collides_and_is_refused() -> None:
    with pytest.raises(DianaError) as refused:
        placed(2000)
    assert refused.value.reason is Reason.UID_COLLISION


def test_an_instance_that_stands_in_two_series_is_refused() -> None:
    uids = placed(1)
    uids.place(STUDY, SERIES, "1.2.3.1.0 ")
    with pytest.raises(DianaError) as refused:
        uids.place(STUDY, "1.2.3.2", "1.2.3.1.0")
    assert refused.value.reason is Reason.UID_COLLISION

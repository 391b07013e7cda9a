"""Texts that take attributes which came after the job was made, or never do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import pytest

from diana.archive.v1.resources_pb2 import Study
from diana_client import ArchiveClient
from diana_common.attempts import Postponed
from diana_route.core.model import FileItem, Item
from diana_route.core.patterns import Lacking, filled
from diana_route.peers.attributes import filled_for
from tests.support.route_tasks import instance_item, study_item


class FakeArchive:
    """Has one study, whose attributes it is asked for."""

    def __init__(self, **attributes: str) -> None:
        self.attributes = attributes
        self.asked = 0

    def study(self, study_uid: str, store: str) -> Study:
        self.asked += 1
        return Study(study_uid=study_uid, attributes=self.attributes)


def told(archive: FakeArchive, item: Item, pattern: str = "$trial-x") -> str:
    def fill(attributes: Mapping[str, str]) -> str:
        return filled(pattern, attributes)

    return filled_for(cast(ArchiveClient, archive), item, fill)


def test_what_was_known_when_the_study_was_found_counts() -> None:
    archive = FakeArchive(trial="later")
    assert told(archive, study_item("1.2", attributes={"trial": "first"})) == "first-x"
    assert archive.asked == 0


def test_what_came_since_is_asked_for() -> None:
    assert told(FakeArchive(trial="later"), study_item("1.2", attributes={})) == "later-x"
    assert told(FakeArchive(trial="later"), instance_item("1.2", "1.2.3")) == "later-x"


def test_only_what_was_missing_is_taken_from_what_came_since() -> None:
    archive = FakeArchive(trial="later", site="later")
    assert told(archive, study_item("1.2", attributes={"trial": "first"}), "$trial-$site") == "first-later"


def test_what_is_still_missing_is_waited_for_and_named() -> None:
    with pytest.raises(Postponed, match="no attribute 'trial'"):
        told(FakeArchive(site="north"), study_item("1.2", attributes={}))


def test_a_file_gets_no_more_attributes() -> None:
    archive = FakeArchive()
    with pytest.raises(Lacking):
        told(archive, FileItem("in", "one.dcm", "1"))
    assert archive.asked == 0

"""The feed: in order, complete, for followers who catch up and for those who stay."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1 import feed_pb2
from diana.archive.v1.resources_pb2 import Selector
from diana_common.errors import Reason
from diana_common.header import scan
from tests.contract.archive.harness import STUDY, Rig, entries, make, put, refused, uid
from tests.contract.archive.test_archive_upload import statistics


def test_every_change_is_told_once_in_order(door: Any) -> None:
    put(door, *(make(number) for number in range(5)))
    door.UpdateStudyAttributes(pb.UpdateStudyAttributesRequest(study_uid=STUDY, set={"trial": "t"}))
    door.DeleteInstances(pb.DeleteInstancesRequest(selector=Selector(study_uid=STUDY)))
    door.UndeleteInstances(pb.UndeleteInstancesRequest(selector=Selector(study_uid=STUDY)))
    door.CompleteStudy(pb.CompleteStudyRequest(study_uid=STUDY, reason=feed_pb2.COMPLETION_REASON_DECLARED))
    found = entries(door)
    assert [entry.WhichOneof("event") for entry in found] == [
        *["instance_stored"] * 5,
        "study_attributes_changed",
        "instances_deleted",
        "instances_restored",
        "study_completed",
    ]
    assert len({entry.position for entry in found}) == len(found)
    times = [(entry.commit_time.seconds, entry.commit_time.nanos) for entry in found]
    assert times == sorted(times)
    assert statistics(door).head_position == found[-1].position
    for number, entry in enumerate(found):
        assert entries(door, entry.position) == found[number + 1 :]


def test_a_follower_begins_after_a_time(door: Any) -> None:
    for number in range(1, 6):
        put(door, make(number))
    found = entries(door)
    for entry in found:
        later = [one for one in found if one.commit_time.ToMicroseconds() > entry.commit_time.ToMicroseconds()]
        assert entries(door, after_time=entry.commit_time) == later
        after_both = [one for one in found[3:] if one in later]
        assert entries(door, found[2].position, after_time=entry.commit_time) == after_both
    assert entries(door, after_time=Timestamp(seconds=0)) == found
    (page,) = door.WatchFeed(pb.WatchFeedRequest(after_time=Timestamp(seconds=2**35), stop_at_head=True))
    assert (list(page.entries), page.position) == ([], found[-1].position)


def test_an_empty_feed_has_nothing_after_any_time(door: Any) -> None:
    assert entries(door, after_time=Timestamp(seconds=1)) == []


def test_a_stored_instance_is_told_with_its_header_as_it_was_then(door: Any) -> None:
    data = make(1)
    (result,) = put(door, data)
    before = entries(door)
    door.DeleteInstances(pb.DeleteInstancesRequest(selector=Selector(study_uid=STUDY)))
    (entry,) = entries(door)[:1]
    assert entry == before[0]
    assert entry.position == result.position
    assert entry.instance_stored.instance == result.instance
    assert entry.instance_stored.dicom_json == scan(data).dicom_json


def test_a_large_header_is_left_out_and_read_apart(door: Any) -> None:
    data = make(1, TextValue="x" * 70_000)
    put(door, data)
    (entry,) = entries(door)
    assert entry.instance_stored.header_omitted == feed_pb2.HEADER_OMITTED_TOO_LARGE
    assert not entry.instance_stored.dicom_json
    answer = door.GetInstanceHeader(pb.GetInstanceHeaderRequest(sop_instance_uid=uid(1)))
    assert answer.dicom_json == scan(data).dicom_json


def test_headers_are_left_out_when_not_asked_for(door: Any) -> None:
    put(door, make(1))
    (entry,) = entries(door, omit_headers=True)
    assert entry.instance_stored.header_omitted == feed_pb2.HEADER_OMITTED_NOT_ASKED
    assert not entry.instance_stored.dicom_json


def test_a_follower_of_some_stores_learns_its_place_among_all(door: Any) -> None:
    put(door, make(1))
    put(door, make(2), store="both")
    put(door, make(3))
    request = pb.WatchFeedRequest(stores=["both"], stop_at_head=True)
    pages = list(door.WatchFeed(request))
    assert [entry.store for page in pages for entry in page.entries] == ["both"]
    assert not pages[-1].entries
    assert pages[-1].position == statistics(door).head_position
    assert pages[-1].entries_behind == 0
    with refused(Reason.STORE_UNKNOWN):
        list(door.WatchFeed(pb.WatchFeedRequest(stores=["nowhere"], stop_at_head=True)))


def test_an_empty_feed_has_a_beginning_to_resume_from(door: Any) -> None:
    (page,) = door.WatchFeed(pb.WatchFeedRequest(stop_at_head=True))
    assert not page.entries
    assert statistics(door).head_position == ""
    put(door, make(1))
    assert len(entries(door, page.position)) == 1


def test_pages_are_small_and_say_how_much_is_left(door: Any) -> None:
    put(door, *(make(number, rows=1, cols=1, TextValue="x" * 30_000) for number in range(100)))
    pages = list(door.WatchFeed(pb.WatchFeedRequest(stop_at_head=True)))
    assert len(pages) > 3
    assert all(page.ByteSize() < 2 * 1024 * 1024 for page in pages)
    behind = [page.entries_behind for page in pages]
    assert behind == sorted(behind, reverse=True)
    assert sum(len(page.entries) for page in pages) == 100


@pytest.mark.parametrize(
    "text", ["x", "0000000-1", "0-0", "g0000000-1", "00000000-01", "00000000-99999999999999999999"]
)
def test_what_is_no_position_is_refused(door: Any, text: str) -> None:
    with refused(Reason.POSITION_INVALID):
        entries(door, text)


def test_a_position_that_was_not_given_yet_is_refused(door: Any) -> None:
    put(door, make(1))
    epoch = statistics(door).head_position.split("-")[0]
    with refused(Reason.POSITION_INVALID):
        entries(door, f"{epoch}-2")


def test_a_position_of_another_epoch_is_refused(door: Any, rig: Rig) -> None:
    put(door, make(1))
    position = statistics(door).head_position
    rig.catalogue.renew_epoch()
    with refused(Reason.EPOCH_CHANGED):
        entries(door, position)
    assert len(entries(door)) == 1


def test_a_follower_who_stays_is_told_what_happens(door: Any) -> None:
    put(door, make(1))
    follower = door.WatchFeed(pb.WatchFeedRequest())
    assert [entry.instance_stored.instance.sop_instance_uid for entry in next(follower).entries] == [uid(1)]
    assert not next(follower).entries
    results = put(door, make(2), make(3))
    found: list[Any] = []
    while len(found) < 2:
        found += next(follower).entries
    assert sorted(entry.position for entry in found) == sorted(result.position for result in results)


def test_followers_see_the_same_whenever_they_begin_while_many_write(door: Any) -> None:
    writers = [
        threading.Thread(target=put, args=(door, *(make(100 * writer + number) for number in range(20))))
        for writer in range(4)
    ]
    follower = door.WatchFeed(pb.WatchFeedRequest())
    for writer in writers:
        writer.start()
    live: list[Any] = []
    while len(live) < 80:
        live += next(follower).entries
    for writer in writers:
        writer.join()
    assert live == entries(door)
    assert [int(entry.position.split("-")[1]) for entry in live] == list(range(1, 81))


def test_two_streams_with_the_same_instances_store_each_once(door: Any) -> None:
    files = [make(number) for number in range(30)]
    answers: list[Any] = []
    streams = [threading.Thread(target=lambda: answers.extend(put(door, *files))) for _ in range(4)]
    for stream in streams:
        stream.start()
    for stream in streams:
        stream.join()
    assert len(entries(door)) == 30
    assert sum(answer.outcome == pb.UploadResult.OUTCOME_STORED for answer in answers) == 30
    by_uid = itertools.groupby(
        sorted((answer.instance.sop_instance_uid, answer.position) for answer in answers), key=lambda one: one[0]
    )
    assert all(len({position for _, position in group}) == 1 for _, group in by_uid)


def test_followers_end_when_the_archive_stops(door: Any, rig: Rig) -> None:
    follower = door.WatchFeed(pb.WatchFeedRequest())
    next(follower)
    rig.archive.feed.stop()
    with refused(Reason.STOPPING):
        next(follower)


def test_followers_who_catch_up_end_too_when_the_archive_stops(
    door: Any, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(door, *(make(number) for number in range(5)))
    monkeypatch.setattr("diana_archive.stores.entries.PAGE_ENTRIES", 1)
    pages = rig.archive.feed.follow("", [], headers=False).pages(stop_at_head=True)
    next(pages)
    rig.archive.feed.stop()
    with refused(Reason.STOPPING):
        next(pages)


def test_a_position_is_published_before_it_is_given_to_whoever_stores_the_same(door: Any, rig: Rig) -> None:
    (first,) = put(door, make(1))
    # As in the moment between a commit and its publication.
    rig.archive.feed.head = 0
    (second,) = put(door, make(1))
    assert second.position == first.position
    assert entries(door, second.position) == []

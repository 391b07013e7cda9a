"""Following the change feed."""

from __future__ import annotations

import threading
from datetime import datetime

import pytest

from diana_client import ArchiveClient, Unavailable
from tests.contract.client.fake_archive import FakeArchive


def test_a_follower_catches_up_and_stops_at_the_head(archive: ArchiveClient, fake: FakeArchive) -> None:
    fake.publish("e-1", "e-2", "e-3")
    watch = archive.watch_feed(stop_at_head=True)
    assert [entry.position for message in watch for entry in message.entries] == ["e-1", "e-2", "e-3"]
    assert watch.position == "e-3"
    later = archive.watch_feed(after_position="e-2", stop_at_head=True)
    assert [entry.position for message in later for entry in message.entries] == ["e-3"]


def test_a_time_without_a_zone_is_refused(archive: ArchiveClient) -> None:
    with pytest.raises(ValueError, match="zone"):
        archive.watch_feed(after_time=datetime(2026, 11, 23))


def test_a_follower_hears_what_happens_later(archive: ArchiveClient, fake: FakeArchive) -> None:
    with archive.watch_feed() as watch:
        fake.publish("e-1")
        assert next(watch).position == "e-1"
        fake.publish("e-2")
        assert next(watch).position == "e-2"


def test_cancelling_wakes_a_follower_that_waits_in_another_thread(archive: ArchiveClient, fake: FakeArchive) -> None:
    fake.publish("e-1")
    watch, heard, first = archive.watch_feed(reconnect=True), [], threading.Event()

    def follow() -> None:
        for message in watch:
            heard.append(message.position)
            first.set()

    follower = threading.Thread(target=follow)
    follower.start()
    assert first.wait(30)
    watch.cancel()
    follower.join(30)
    assert not follower.is_alive()
    assert heard == ["e-1"]


def test_a_watch_cancelled_before_it_began_yields_nothing(archive: ArchiveClient) -> None:
    watch = archive.watch_feed()
    watch.cancel()
    assert list(watch) == []


def test_a_broken_follower_goes_on_where_it_was(archive: ArchiveClient, fake: FakeArchive) -> None:
    fake.publish("e-1", "e-2", "e-3")
    fake.cut_feed_after = 2
    watch = archive.watch_feed(stop_at_head=True, reconnect=True)
    assert [message.position for message in watch] == ["e-1", "e-2", "e-3"]
    assert fake.calls.count("WatchFeed") == 2


def test_without_reconnect_a_broken_follower_hears_of_it(archive: ArchiveClient, fake: FakeArchive) -> None:
    fake.publish("e-1", "e-2")
    fake.cut_feed_after = 1
    watch = archive.watch_feed(stop_at_head=True)
    assert next(watch).position == "e-1"
    with pytest.raises(Unavailable):
        next(watch)
    assert watch.position == "e-1"

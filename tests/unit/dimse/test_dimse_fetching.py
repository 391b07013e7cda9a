"""Instances on their way out of the archive: whole, in pieces, and none lost."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator

import pytest

from diana_common.errors import DianaError, Reason
from diana_dimse.core.sending import fetching
from diana_dimse.core.sending.ahead import Ahead
from diana_dimse.core.sending.fetching import data_set, fetch
from tests.support.kept_instances import KeptInstances, data_set_of, stored


def taken(reading: KeptInstances) -> dict[str, bytes | Reason]:
    """What each instance came to."""
    results: dict[str, bytes | Reason] = {}
    for one in fetch(reading, "default", reading.kept):
        try:
            results[one.instance.sop_instance_uid] = b"".join(data_set(one.pieces))
        except DianaError as error:
            results[one.instance.sop_instance_uid] = error.reason
    return results


def kept(count: int, piece_bytes: int = 150) -> KeptInstances:
    return KeptInstances([stored(f"1.{number}") for number in range(count)], piece_bytes)


@pytest.mark.parametrize("piece_bytes", [7, 133, 150, 10_000])
def test_data_sets_come_whole_wherever_file_meta_is_cut(piece_bytes: int) -> None:
    reading = kept(3, piece_bytes)
    assert taken(reading) == {f"1.{number}": data_set_of(f"1.{number}") for number in range(3)}


def test_many_instances_come_in_few_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_A_STREAM", 4)
    reading = kept(10)
    assert len(taken(reading)) == 10
    assert [len(one) for one in reading.downloads] == [4, 4, 2]


def test_an_instance_that_was_deleted_meanwhile_fails_alone() -> None:
    reading = kept(9)
    reading.deleted = {"1.4"}
    results = taken(reading)
    assert results.pop("1.4") is Reason.INSTANCE_NOT_FOUND
    assert results == {uid: data_set_of(uid) for uid in results}
    assert len(results) == 8


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_damaged_instance_fails_alone(after: int) -> None:
    reading = kept(9)
    reading.damaged = {"1.0": after, "1.5": after}
    results = taken(reading)
    assert {uid for uid, one in results.items() if one is Reason.STORE_DAMAGED} == {"1.0", "1.5"}
    assert len(results) == 9


def test_an_archive_that_does_not_answer_is_not_asked_for_each() -> None:
    reading = kept(50)
    reading.refusal = Reason.PEER_UNAVAILABLE
    assert set(taken(reading).values()) == {Reason.PEER_UNAVAILABLE}
    assert reading.downloads == []


def test_what_is_not_taken_is_passed_over_even_where_it_could_not_be_read() -> None:
    reading = kept(4)
    reading.deleted, reading.damaged = {"1.1"}, {"1.2": 1}
    found = [one.instance.sop_instance_uid for one in fetch(reading, "default", reading.kept)]
    assert found == ["1.0", "1.1", "1.2", "1.3"]


def test_a_file_without_an_end_of_its_meta_information_is_refused() -> None:
    def endless() -> Iterator[bytes]:
        yield bytes(128) + b"DICM" + b"\x02\x00\x02\x01UN\x00\x00\xff\xff\xff\x7f"
        while True:
            yield bytes(100_000)

    with pytest.raises(DianaError):
        data_set(endless())


def test_leaving_early_ends_the_download() -> None:
    ended = threading.Event()

    def numbers() -> Generator[int, None, None]:
        try:
            yield from range(1_000_000)
        finally:
            ended.set()

    ahead = Ahead(numbers(), 2, "test")
    assert next(iter(ahead)) == 0
    ahead.close()
    assert ended.wait(10)


def test_work_that_is_stopped_still_hands_out_what_is_done() -> None:
    begun = threading.Event()

    def numbers() -> Generator[int, None, None]:
        yield 1
        begun.set()
        yield 2
        yield 3

    ahead = Ahead(numbers(), 1, "test")
    begun.wait(10)
    ahead.stop()
    assert list(ahead) in ([1], [1, 2])


def test_silence_is_told_of_and_faults_come_where_the_work_is_used() -> None:
    go = threading.Event()

    def numbers() -> Generator[int, None, None]:
        go.wait(10)
        yield 1
        raise ValueError("a fault")

    ticks = Ahead(numbers(), 1, "test").ticking(0.01)
    assert next(ticks) is None
    go.set()
    with pytest.raises(ValueError, match="a fault"):
        assert set(ticks) <= {None, 1}

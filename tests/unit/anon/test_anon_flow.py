"""The lanes of a study: what one of them meets does not hide what the others bring."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, cast

import pytest

from diana_anon.core.ports import Source, Whole
from diana_anon.core.studies.deidentifier import Made
from diana_anon.core.studies.flow import Flow
from diana_common.errors import DianaError, Reason

UIDS = [f"1.2.{number}" for number in range(40)]


class Downloads:
    """A source that gives every instance its own UID as content; `broken` ones raise while they are read."""

    def __init__(self) -> None:
        self.broken: dict[str, Reason] = {}

    def download(
        self, store: str, study_uid: str, sop_uids: Sequence[str]
    ) -> Generator[tuple[str, Iterator[bytes]], None, None]:
        for uid in sop_uids:
            yield uid, self._data(uid)

    def _data(self, uid: str) -> Iterator[bytes]:
        if uid in self.broken:
            raise DianaError(self.broken[uid], "No.")
        yield uid.encode()


def flow(
    source: Downloads, make: Callable[[Whole], Any] = lambda whole: whole, stop: Callable[[], bool] = lambda: False
) -> Flow:
    def collect(data: Iterator[bytes]) -> bytes:
        return b"".join(data)

    return Flow(cast(Source, source), "default", "1.2", collect, cast(Callable[[Whole], Made], make), stop, 1)


def wait_for_lanes() -> None:
    for thread in threading.enumerate():
        if thread.name == "deidentify":
            thread.join(timeout=30)
            assert not thread.is_alive()


def test_every_instance_comes_once() -> None:
    results: list[tuple[str, Any]] = list(flow(Downloads()).results(UIDS))
    assert sorted(results) == sorted((uid, uid.encode()) for uid in UIDS)


def test_those_that_are_gone_are_told_and_the_others_come() -> None:
    source = Downloads()
    source.broken = {
        UIDS[3]: Reason.STORE_DAMAGED,
        UIDS[4]: Reason.INSTANCE_NOT_FOUND,
        UIDS[5]: Reason.INSTANCE_TOO_LARGE,
    }
    results = dict(flow(source).results(UIDS))
    refused = {uid: one.reason for uid, one in results.items() if isinstance(one, DianaError)}
    assert refused == source.broken
    assert set(results) == set(UIDS)


@pytest.mark.parametrize("failure", [DianaError(Reason.PEER_UNAVAILABLE, "No."), ValueError("unforeseen")])
def test_what_no_instance_is_to_blame_for_is_raised_and_the_lanes_end(failure: Exception) -> None:
    def make(whole: Whole) -> Whole:
        if whole == UIDS[7].encode():
            raise failure
        return whole

    taken = []
    with pytest.raises(type(failure)):
        for uid, _ in flow(Downloads(), make).results(UIDS):
            taken.append(uid)
    assert set(taken) < set(UIDS)
    wait_for_lanes()


def test_who_leaves_early_leaves_no_lane_behind() -> None:
    results = flow(Downloads()).results(UIDS)
    next(results)
    results.close()
    wait_for_lanes()


def test_nothing_comes_after_a_stop() -> None:
    assert not list(flow(Downloads(), stop=lambda: True).results(UIDS))

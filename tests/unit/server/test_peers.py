"""How a service reaches another, and what it makes of the other's errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode

from diana_client import InvalidRequest, MeshError, NotFound, Unavailable
from diana_common.errors import DianaError, Reason
from diana_server.config import PeerConfig
from diana_server.peers import PeerWatch, core_error, reach, typed

GONE = Unavailable(StatusCode.UNAVAILABLE, "10.0.0.7 refused the connection")


def test_a_peer_whose_files_cannot_be_read_is_told_by_its_setting(tmp_path: Path) -> None:
    with pytest.raises(DianaError) as refused:
        reach("archive", PeerConfig("localhost:1", ca_file=tmp_path / "none.pem"))
    assert refused.value.reason is Reason.CONFIG_INVALID
    assert refused.value.message.startswith("archive: ")


@pytest.mark.parametrize(
    ("error", "reason", "message"),
    [
        (GONE, Reason.PEER_UNAVAILABLE, "The guid service does not answer."),
        (
            MeshError(StatusCode.RESOURCE_EXHAUSTED, "busy", reason="OVERLOADED"),
            Reason.PEER_UNAVAILABLE,
            "The guid service does not answer.",
        ),
        (
            NotFound(StatusCode.NOT_FOUND, "no store raw", reason="STORE_UNKNOWN"),
            Reason.STORE_UNKNOWN,
            "The guid service refused store raw.",
        ),
        (
            InvalidRequest(StatusCode.INVALID_ARGUMENT, "bad", reason="INVALID_FIELD", fields=[("name", "is empty")]),
            Reason.INVALID_FIELD,
            "name: is empty",
        ),
        (
            MeshError(StatusCode.UNAUTHENTICATED, "who?", reason="CALLER_UNKNOWN"),
            Reason.CONFIG_INVALID,
            "guid.token_file: the guid service does not take the token that it is shown.",
        ),
        (MeshError(StatusCode.UNKNOWN, "a trace"), Reason.INTERNAL, "The guid service refused store raw."),
    ],
)
def test_an_error_keeps_its_reason_and_not_its_words(error: MeshError, reason: Reason, message: str) -> None:
    told = core_error("guid service", error, "store raw")
    assert (told.reason, told.message) == (reason, message)


class BrokenFeed:
    def __init__(self) -> None:
        self.cancelled = False

    def __iter__(self) -> Iterator[Any]:
        yield "first"
        raise GONE

    def cancel(self) -> None:
        self.cancelled = True


def test_a_feed_that_breaks_off_does_so_in_the_cores_words() -> None:
    feed: Any = BrokenFeed()
    watch = PeerWatch[str](feed, lambda message: f"{message} batch")
    heard = iter(watch)
    assert next(heard) == "first batch"
    with pytest.raises(DianaError) as broken:
        next(heard)
    assert broken.value.reason is Reason.PEER_UNAVAILABLE
    watch.cancel()
    assert feed.cancelled


def test_what_goes_well_is_let_through() -> None:
    with typed("archive"):
        assert reach("archive", PeerConfig("localhost:1")) is not None

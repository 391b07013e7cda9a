"""Every run works in a folder of its own, and what all runs leave is bounded."""

import threading
from pathlib import Path

import pytest

from bench.room import BenchError, Place, Room, TimeUpError, time_limit


def test_each_run_finds_an_empty_folder_and_the_last_ones_output_lies_aside(tmp_path: Path) -> None:
    places: list[Path] = []

    def side(place: Place) -> float:
        assert list(place.scratch.iterdir()) == []
        (place.scratch / "output").write_bytes(b"kept")
        places.append(place.scratch)
        return 1.0

    room = Room(tmp_path)
    room.run(side)
    room.run(side)
    assert places[0] != places[1]
    assert all((place / "output").read_bytes() == b"kept" for place in places)
    room.sweep()
    assert not any(place.exists() for place in places)


def test_outputs_beyond_the_limit_end_the_measurement(tmp_path: Path) -> None:
    def side(place: Place) -> float:
        (place.scratch / "output").write_bytes(bytes(100_000))
        return 1.0

    with pytest.raises(BenchError, match="GB are the limit"):
        Room(tmp_path, limit_bytes=50_000).run(side)


def test_a_run_that_hangs_is_ended_at_the_groups_limit() -> None:
    with pytest.raises(TimeUpError, match="group mesh"), time_limit(0.01, "group mesh"):
        threading.Event().wait()

"""The workers that decode and read: they may be killed, crash, hang or run out of memory, and the service lives."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("rapidocr", reason="the extra diana-mesh[pixels] is not installed")

from diana_anon.adapters import pixel_engine
from diana_anon.adapters.pixel_engine import PixelEngine
from diana_anon.core.pixels.model import Shape
from diana_common.errors import DianaError, Reason
from tests.unit.anon import pixel_files as files

SHAPE = Shape(40, 48, 1, 8, 8, False, "MONOCHROME2")
PIXELS = files.noise(1, 40, 48)


@pytest.fixture
def engine() -> Iterator[PixelEngine]:
    engine = PixelEngine(1)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def frame() -> bytes:
    return files.frames_of(files.file_of(PIXELS, files.RLE))[0]


def decode(engine: PixelEngine, frame: bytes) -> bytes:
    return engine.decode(frame, files.RLE, SHAPE)[0]


def test_a_worker_that_was_killed_is_replaced_and_nobody_notices(engine: PixelEngine, frame: bytes) -> None:
    assert decode(engine, frame) == PIXELS.tobytes()
    (first,) = engine.worker_pids()
    os.kill(first, signal.SIGKILL)
    assert decode(engine, frame) == PIXELS.tobytes()
    assert engine.worker_pids() != [first]


def test_a_frame_that_its_decoder_dies_of_is_refused_and_the_next_is_decoded(
    engine: PixelEngine, frame: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = pixel_engine._Process.ask

    def stopped_before(worker: pixel_engine._Process, *args: object) -> object:
        os.kill(worker.pid, signal.SIGKILL)
        return ask(worker, *args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(pixel_engine._Process, "ask", stopped_before)
        with pytest.raises(DianaError) as refused:
            decode(engine, frame)
    assert refused.value.reason is Reason.PIXELS_UNREADABLE
    assert decode(engine, frame) == PIXELS.tobytes()


def test_a_worker_that_hangs_is_ended(engine: PixelEngine, frame: bytes) -> None:
    decode(engine, frame)
    (pid,) = engine.worker_pids()
    os.kill(pid, signal.SIGSTOP)
    engine._seconds = 0.2
    with pytest.raises(DianaError) as refused:
        decode(engine, frame)
    assert refused.value.reason is Reason.PIXELS_UNREADABLE
    assert not engine.worker_pids()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_frame_that_needs_more_memory_than_a_worker_may_take_is_refused(frame: bytes) -> None:
    engine = PixelEngine(1, memory_bytes=1024 * pixel_engine.MIB)
    with pytest.raises(DianaError) as refused:
        engine.decode(frame, files.RLE, replace(SHAPE, rows=65535, columns=65535))
    assert refused.value.reason is Reason.PIXELS_UNREADABLE
    assert decode(engine, frame) == PIXELS.tobytes()
    engine.close()


def test_workers_end_with_the_engine(frame: bytes) -> None:
    engine = PixelEngine(1)
    decode(engine, frame)
    (pid,) = engine.worker_pids()
    engine.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_as_many_frames_as_there_are_workers_are_worked_on_at_a_time(frame: bytes) -> None:
    engine = PixelEngine(2)
    results: list[bytes] = []
    threads = [threading.Thread(target=lambda: results.append(decode(engine, frame))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [PIXELS.tobytes()] * 6
    assert len(engine.worker_pids()) <= 2
    engine.close()


def test_what_is_not_installed_is_said_to_be_missing(
    engine: PixelEngine, frame: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "gdcm.py").write_text("raise ImportError\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(DianaError) as refused:
        decode(engine, frame)
    assert refused.value.reason is Reason.OCR_MISSING

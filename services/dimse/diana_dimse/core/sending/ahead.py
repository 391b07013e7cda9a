"""Work that goes on in a thread of its own while its results are used."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class _End:
    error: BaseException | None = None


class Ahead(Generic[Item]):
    """Takes items from a generator, at most so many before they are asked for. Close it in the end."""

    def __init__(self, items: Generator[Item, None, None], most: int, name: str) -> None:
        """The generator runs, and is closed, in a thread of this name."""
        self._queue: queue.Queue[Item | _End] = queue.Queue(most)
        self._is_stopping = False
        threading.Thread(target=self._run, args=(items,), name=name, daemon=True).start()

    def __iter__(self) -> Iterator[Item]:
        """The items as they come. Raises what the generator raises."""
        while True:
            item = self._queue.get()
            if isinstance(item, _End):
                self._end(item)
                return
            yield item

    def ticking(self, seconds: float) -> Iterator[Item | None]:
        """The same, and None whenever nothing came for so long."""
        while True:
            try:
                item = self._queue.get(timeout=seconds)
            except queue.Empty:
                yield None
                continue
            if isinstance(item, _End):
                self._end(item)
                return
            yield item

    def stop(self) -> None:
        """Have the generator closed after the item that it is at; those that are there can still be taken."""
        self._is_stopping = True

    def close(self) -> None:
        """The same, and forget what is there."""
        self.stop()
        with suppress(queue.Empty):
            while True:
                self._queue.get_nowait()

    def _run(self, items: Generator[Item, None, None]) -> None:
        end = _End()
        try:
            with closing(items):
                for item in items:
                    self._queue.put(item)
                    if self._is_stopping:
                        break
        except BaseException as error:  # it is raised where the items are used
            end = _End(error)
        self._queue.put(end)

    @staticmethod
    def _end(end: _End) -> None:
        if end.error is not None:
            raise end.error

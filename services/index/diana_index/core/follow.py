"""Following the archive's feed for as long as the service lives, and starting over when it must."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import Protocol

from diana_common.errors import DianaError, Reason
from diana_index.core.feed import Archive, FeedBatch, Watch
from diana_index.core.feeding import Feeder, Listener
from diana_index.core.gathering import gathered
from diana_index.core.progress import Progress
from diana_index.core.store import Damaged, Generation, Generations

_BACKOFF_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
_COMMITS_APART_SECONDS = 0.05
_STAND_BY_SECONDS = 0.25
_NO_WAY_ON = (Reason.EPOCH_CHANGED, Reason.POSITION_INVALID)


class Work(Protocol):
    """A rebuild as whoever asked for it sees it."""

    def progress(self, done: int, total: int, unit: str) -> None:
        """So many entries are applied of those known."""
        ...

    def raise_if_cancelled(self) -> None:
        """Leaves the rebuild if it should stop."""
        ...


class Written(Protocol):
    """What does not come from the feed, and belongs into every generation: see core.written."""

    def prepare(self, generation: Generation) -> None:
        """Bring all there is to a generation. Raises Damaged."""
        ...

    def keep(self, generation: Generation) -> None:
        """As `prepare`, for the one that answers. Raises Damaged."""
        ...

    def settled(self, generation: Generation) -> AbstractContextManager[None]:
        """Inside, a generation has all there is, and nothing is added. Raises Damaged."""
        ...


class Turn(Protocol):
    """Which of the processes that share the records follows the feed."""

    def is_mine(self) -> bool:
        """Whether it is this one."""
        ...

    def on_look(self, look: Callable[[], None]) -> None:
        """Have `look` called about once a second, by another thread: it may be another's turn by then."""
        ...


class AlwaysMine:
    """The turn of a process that shares its records with none."""

    def is_mine(self) -> bool:
        """See Turn."""
        return True

    def on_look(self, look: Callable[[], None]) -> None:
        """See Turn: there is nothing to look at."""


class Follower:
    """Keeps the generation that answers at the feed's head, in a thread of its own."""

    def __init__(
        self,
        archive: Archive,
        generations: Generations,
        progress: Progress,
        listener: Listener,
        written: Written,
        ask_rebuild: Callable[[], object],
        turn: Turn | None = None,
    ) -> None:
        """`ask_rebuild` sees to it that `rebuild` is called, by another thread; it may be called repeatedly."""
        self._archive = archive
        self._generations = generations
        self._progress = progress
        self._listener = listener
        self._written = written
        self._ask_rebuild = ask_rebuild
        self._turn = turn or AlwaysMine()
        self._applying = threading.Lock()
        self._followed: Generation | None = None
        self._watches: dict[Watch, bool] = {}
        """Those that go on, and whether they stop at the head."""
        self._watches_lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    def start(self) -> None:
        """Begin to follow, whenever it is this process's turn."""
        self._turn.on_look(self._look)
        self._thread.start()

    def stop(self) -> None:
        """End the following, and keep a rebuild from going on; what is being applied is finished."""
        self._stopping.set()
        self._progress.stop()
        self._cancel_watches()
        if self._thread.is_alive():
            self._thread.join()

    def rebuild(self, work: Work) -> None:
        """Derive all records anew from the feed's beginning and have them answer.

        An archive that cannot be reached is waited for. Leaves nothing behind if `work` is cancelled.
        """
        while True:
            generation = self._generations.create()
            try:
                self._written.prepare(generation)
                self._catch_up(generation, work)
                return
            except DianaError as error:
                self._generations.discard(generation)
                if error.reason not in _NO_WAY_ON:
                    raise
            except BaseException:
                self._generations.discard(generation)
                raise

    def _catch_up(self, generation: Generation, work: Work) -> None:
        attempt = 0
        while True:
            try:
                feeder = Feeder(self._archive, generation, self._listener)
                done = self._feed_to_head(feeder, work)
                # The last of it is applied while the old generation stands still: no answer goes back in time.
                with self._written.settled(generation), self._applying, self._generations.standing_still():
                    self._feed_to_head(feeder, work, done)
                    self._generations.adopt(generation)
                    self._followed = None
                    self._progress.reached(feeder.mark, 0)
                break
            except DianaError as error:
                if error.reason is not Reason.PEER_UNAVAILABLE:
                    raise
            work.raise_if_cancelled()
            time.sleep(_backoff(attempt))
            attempt += 1
        self._cancel_watches(rebuilding=False)

    def _feed_to_head(self, feeder: Feeder, work: Work, done: int = 0) -> int:
        """Apply what there is, after so many entries; how many are done then."""
        with self._watching(feeder.mark.position, stop_at_head=True) as batches:
            for batch in batches:
                work.raise_if_cancelled()
                feeder.feed(batch)
                done += len(batch.entries)
                work.progress(done, done + batch.entries_behind, "entries")
        if self._stopping.is_set():
            raise DianaError(Reason.PEER_UNAVAILABLE, "The index is stopping.")
        return done

    def _run(self) -> None:
        attempt = 0
        while not self._stopping.is_set():
            if not self._turn.is_mine():
                self._stand_by()
                continue
            try:
                if self._follow():
                    attempt = 0
            except DianaError as error:
                self._lost(error, start_over=error.reason in _NO_WAY_ON)
            except Damaged:
                self._lost(DianaError(Reason.STORE_DAMAGED, "The index's records are damaged."), start_over=True)
            except Exception as error:  # whatever goes wrong, the following must go on
                self._lost(DianaError(Reason.INTERNAL, f"Following failed: {type(error).__name__}."))
            self._stopping.wait(_backoff(attempt))
            attempt += 1

    def _stand_by(self) -> None:
        """Tell how far another process has come."""
        with suppress(DianaError, Damaged), self._generations.active() as generation:
            self._progress.reached(generation.mark())
        self._stopping.wait(_STAND_BY_SECONDS)

    def _look(self) -> None:
        """End the following where it is another process's turn, or another's rebuild has taken over."""
        followed = self._followed
        with self._generations.active() as active:
            if followed is None or (self._turn.is_mine() and followed is active):
                return
        self._cancel_watches(rebuilding=False)

    def _lost(self, error: DianaError, start_over: bool = False) -> None:
        if self._stopping.is_set():
            return
        self._listener.lost(error)
        if error.reason in _NO_WAY_ON:
            self._progress.abandon_epoch()
        if start_over:
            self._ask_rebuild()

    def _follow(self) -> bool:
        """Follow until the watch ends or another generation takes over; whether anything was heard."""
        heard = False
        with self._generations.active() as active:
            self._written.keep(active)
        with ExitStack() as stack:
            with self._applying:
                generation = stack.enter_context(self._generations.active())
                feeder = Feeder(self._archive, generation, self._listener)
                self._followed = generation
                self._progress.reached(feeder.mark)
            stack.callback(self._progress.set_following, False)
            batches = stack.enter_context(self._watching(feeder.mark.position))
            for batch in gathered(batches, _COMMITS_APART_SECONDS):
                with self._applying:
                    if self._followed is not generation:
                        break
                    feeder.feed(batch)
                    self._progress.reached(feeder.mark, batch.entries_behind)
                self._progress.set_following(True)
                heard = True
        return heard

    @contextmanager
    def _watching(self, after: str, stop_at_head: bool = False) -> Iterator[Iterator[FeedBatch]]:
        """A watch that `_cancel_watches` reaches. Raises PEER_UNAVAILABLE once stopping."""
        with self._watches_lock:
            if self._stopping.is_set():
                raise DianaError(Reason.PEER_UNAVAILABLE, "The index is stopping.")
            watch = self._archive.watch(after, stop_at_head)
            self._watches[watch] = stop_at_head
        try:
            yield iter(watch)
        finally:
            watch.cancel()
            with self._watches_lock:
                del self._watches[watch]

    def _cancel_watches(self, rebuilding: bool = True) -> None:
        with self._watches_lock:
            for watch, stops_at_head in self._watches.items():
                if rebuilding or not stops_at_head:
                    watch.cancel()


def _backoff(attempt: int) -> float:
    return _BACKOFF_SECONDS[min(attempt, len(_BACKOFF_SECONDS) - 1)]

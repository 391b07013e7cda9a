"""The committer shares commits, isolates failures and finishes what it took."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator

import pytest

from diana_archive.core.committer import Committer
from diana_archive.core.incoming import Desk
from diana_archive.core.model import ConflictPolicy, Newcomer, Origin, Stored, StorePolicy
from diana_archive.core.ports import Changes, Draft
from diana_archive.core.storing import Storing
from diana_archive.core.uploads import Chunk, Upload
from diana_archive.stores.catalogue import SqliteCatalogue
from diana_archive.stores.memory import MemoryObjects
from diana_common.errors import DianaError, Reason


class Meter:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.failures: list[Exception] = []

    def stored(self, stored: Stored) -> None: ...

    def refused(self, error: DianaError) -> None: ...

    def waiting(self, changes: int) -> None: ...

    def committed(self, changes: int) -> None:
        self.batches.append(changes)

    def failed(self, error: Exception) -> None:
        self.failures.append(error)


class Bench:
    """A committer over stores in memory."""

    def __init__(self) -> None:
        self.catalogue = SqliteCatalogue(None, ["default"])
        self.objects = MemoryObjects()
        self.meter = Meter()
        self.heads: list[int] = []
        self.committer = Committer(self.catalogue, self.objects, self.heads.append, self.meter)
        self.answers: dict[str, Stored | DianaError] = {}

    def submit(self, uid: str, digest: bytes = b"d") -> None:
        draft = self.objects.create("default")
        draft.write(b"data")
        newcomer = Newcomer("default", "1", "2", uid, "3", "4", 4, 0, digest, b"p", b"h", 1, Origin())

        def answer(result: Stored | DianaError) -> None:
            self.answers[f"{uid} {digest.decode()}"] = result

        self.committer.submit(Storing(newcomer, draft, ConflictPolicy.REFUSE, answer))


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.committer.close()


def reason(result: Stored | DianaError) -> Reason | None:
    return result.reason if isinstance(result, DianaError) else None


def test_what_waits_shares_one_commit(bench: Bench) -> None:
    for number in range(100):
        bench.submit(str(number))
    bench.committer.start()
    bench.committer.close()
    assert bench.meter.batches == [100]
    assert bench.heads == [100]
    assert len(bench.answers) == 100
    assert len(bench.objects.content) == 100


def test_a_change_that_is_refused_does_not_disturb_the_others(bench: Bench) -> None:
    bench.submit("1")
    bench.submit("1", b"e")
    bench.submit("2")

    def refuse(changes: Changes) -> None:
        changes.set_attributes("default", "1", {"a": "b"}, [])
        raise DianaError(Reason.STUDY_NOT_FOUND, "no")

    bench.committer.start()
    with pytest.raises(DianaError):
        bench.committer.run(refuse)
    bench.committer.close()
    assert {name: reason(answer) for name, answer in bench.answers.items()} == {
        "1 d": None,
        "1 e": Reason.INSTANCE_CONFLICT,
        "2 d": None,
    }
    assert len(bench.objects.content) == 2
    with bench.catalogue.snapshot() as snapshot:
        study = snapshot.study("default", "1")
        assert study is not None and study.attributes == {}


def test_a_commit_that_fails_refuses_all_that_shared_it_and_the_next_succeeds(bench: Bench) -> None:
    def explode(changes: Changes) -> None:
        raise ZeroDivisionError

    def run() -> None:
        with pytest.raises(DianaError):
            bench.committer.run(explode)

    waiting = threading.Thread(target=run)
    bench.submit("1")
    bench.submit("1", b"e")
    waiting.start()
    while len(bench.committer._waiting) < 3:
        threading.Event().wait(0.001)
    bench.committer.start()
    waiting.join()
    assert [type(error) for error in bench.meter.failures] == [ZeroDivisionError]
    assert [reason(answer) for answer in bench.answers.values()] == [Reason.INTERNAL, Reason.INTERNAL]
    assert bench.heads == []
    bench.submit("2")
    bench.committer.close()
    assert reason(bench.answers["2 d"]) is None


def test_a_full_disk_under_the_catalogue_is_told_as_such(bench: Bench) -> None:
    def full(changes: Changes) -> None:
        raise OSError(errno.ENOSPC, "full")

    bench.committer.start()
    with pytest.raises(DianaError) as caught:
        bench.committer.run(full)
    assert caught.value.reason == Reason.DISK_FULL


def test_a_catalogue_that_cannot_grow_refuses_all_and_takes_them_when_it_can(bench: Bench) -> None:
    pages = bench.catalogue._writer.execute("PRAGMA page_count").fetchone()[0]
    bench.catalogue._writer.execute(f"PRAGMA max_page_count = {pages + 2}")
    for number in range(200):
        bench.submit(str(number))
    bench.committer.start()
    bench.committer.run(lambda changes: None)
    assert {reason(answer) for answer in bench.answers.values()} == {Reason.DISK_FULL}
    assert not bench.objects.content
    bench.catalogue._writer.execute("PRAGMA max_page_count = 100000")
    for number in range(200):
        bench.submit(str(number))
    bench.committer.close()
    assert {reason(answer) for answer in bench.answers.values()} == {None}
    assert bench.heads[-1] == 200


class Unruly:
    """A change that fails when it is answered."""

    def __init__(self) -> None:
        self.draft: Draft | None = None
        self.weight = 0

    def apply(self, changes: Changes) -> None: ...

    def done(self, error: DianaError | None) -> None:
        raise OSError(errno.ENOSPC, "full")


def test_a_change_that_fails_when_it_is_answered_keeps_no_answer_from_the_others(bench: Bench) -> None:
    bench.submit("1")
    bench.committer.submit(Unruly())
    bench.submit("2")
    bench.committer.start()
    bench.committer.run(lambda changes: None)
    assert [reason(answer) for answer in bench.answers.values()] == [None, None]
    bench.committer.close()
    assert [type(error) for error in bench.meter.failures] == [OSError]


def test_a_log_that_cannot_be_written_does_not_end_the_commits(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(error: Exception) -> None:
        raise OSError(errno.ENOSPC, "full")

    def explode(changes: Changes) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(bench.meter, "failed", full)
    bench.committer.start()
    with pytest.raises(DianaError):
        bench.committer.run(explode)
    bench.submit("1")
    bench.committer.close()
    assert reason(bench.answers["1 d"]) is None


def test_a_committer_that_ends_by_itself_keeps_nobody_waiting(bench: Bench) -> None:
    def publish(head: int) -> None:
        raise ZeroDivisionError

    committer = Committer(bench.catalogue, bench.objects, publish, bench.meter)
    bench.committer = committer
    for number in range(300):
        bench.submit(str(number))
    committer.check()
    committer.start()
    for _ in range(2):
        with pytest.raises(DianaError) as caught:
            committer.run(lambda changes: None)
        assert caught.value.reason == Reason.INTERNAL
    assert {reason(answer) for answer in bench.answers.values()} == {Reason.INTERNAL}
    assert len(bench.answers) == 300
    # What is in the catalogue keeps its bytes.
    assert len(bench.objects.content) == 256
    with pytest.raises(DianaError) as caught:
        committer.check()
    assert caught.value.reason == Reason.INTERNAL
    assert [type(error) for error in bench.meter.failures] == [ZeroDivisionError]


def test_what_comes_after_the_close_is_refused(bench: Bench) -> None:
    bench.committer.start()
    bench.committer.close()
    with pytest.raises(DianaError) as caught:
        bench.submit("1")
    assert caught.value.reason == Reason.STOPPING


def test_too_much_that_waits_makes_the_next_one_wait(bench: Bench) -> None:
    submitted = []

    def submit_many() -> None:
        for number in range(600):
            bench.submit(str(number))
            submitted.append(number)

    thread = threading.Thread(target=submit_many)
    thread.start()
    while len(submitted) < 512:
        threading.Event().wait(0.001)
    thread.join(0.05)
    assert len(submitted) == 512
    bench.committer.start()
    thread.join()
    bench.committer.close()
    assert len(bench.answers) == 600


def test_answers_come_after_the_feed_is_published(bench: Bench) -> None:
    order: list[str] = []
    publish: Callable[[int], None] = lambda head: order.append("published")  # noqa: E731
    committer = Committer(bench.catalogue, bench.objects, publish, bench.meter)
    committer.start()
    committer.run(lambda changes: None)
    order.append("answered")
    committer.close()
    assert order == ["published", "answered"]


def test_a_stream_whose_answers_nobody_fetches_is_made_to_wait(bench: Bench) -> None:
    desk = Desk(bench.objects, bench.catalogue, bench.committer.submit, lambda: 0, 1 << 20)
    upload = Upload(desk, StorePolicy("default"), Origin(), bench.meter)
    written: list[int] = []

    def write() -> None:
        for tag in range(1500):
            upload.write([Chunk(tag, 0, b"no dicom", True)])
            written.append(tag)

    writer = threading.Thread(target=write)
    writer.start()
    while len(written) < 1024:
        threading.Event().wait(0.001)
    writer.join(0.05)
    assert len(written) == 1024
    assert len(upload.answers(10) or ()) == 1024
    writer.join()
    upload.end()
    assert len(upload.answers(10) or ()) == 476
    assert upload.answers(10) is None


def test_a_cut_stream_lets_its_writer_go(bench: Bench) -> None:
    desk = Desk(bench.objects, bench.catalogue, bench.committer.submit, lambda: 0, 1 << 20)
    upload = Upload(desk, StorePolicy("default"), Origin(), bench.meter)
    chunks = [Chunk(tag, 0, b"no dicom", True) for tag in range(5000)]
    writer = threading.Thread(target=upload.write, args=(chunks,))
    writer.start()
    upload.cut()
    writer.join(30)
    assert not writer.is_alive()


def test_more_open_instances_than_there_are_places_for_are_refused_until_some_are_done(bench: Bench) -> None:
    places = threading.BoundedSemaphore(2)
    desk = Desk(bench.objects, bench.catalogue, bench.committer.submit, lambda: 0, 1 << 20, places)
    streams = [Upload(desk, StorePolicy("default"), Origin(), bench.meter) for _ in range(3)]
    for stream in streams:
        stream.write([Chunk(1, 0, b"no", False)])
    assert [reason(answer.result) for answer in streams[2].answers(10) or ()] == [Reason.OVERLOADED]
    streams[0].write([Chunk(1, 2, b" dicom", True)])
    streams[1].end()
    for tag in (2, 3):
        streams[2].write([Chunk(tag, 0, b"no", False)])
    streams[2].end()
    assert {reason(answer.result) for answer in streams[2].answers(10) or ()} == {Reason.UPLOAD_INCOMPLETE}
    assert all(places.acquire(blocking=False) for _ in range(2))

"""The catalogue in PostgreSQL: several writers, a database that goes away, commits that nobody heard the end of."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import psycopg
import pytest

from diana_archive.config import ArchiveConfig, ObjectStoreConfig
from diana_archive.core.failures import Undecided
from diana_archive.core.model import Newcomer, Origin
from diana_archive.core.ports import Changes
from diana_archive.stores import postgres as module
from diana_archive.stores.numbers import Numbers
from diana_archive.stores.outside import OutsideState
from diana_archive.stores.postgres import PostgresCatalogue
from diana_archive.stores.seal_keys import FileSealKeys
from diana_common.errors import DianaError, Reason
from diana_common.postgres import Link, translated
from tests.support.postgres import Postgres

STORES = ["default"]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture
def url(server: Postgres) -> str:
    return server.new_database()


@pytest.fixture
def catalogue(url: str) -> Iterator[PostgresCatalogue]:
    with closing(PostgresCatalogue(url, STORES)) as catalogue:
        yield catalogue


def add(changes: Changes, number: int) -> None:
    newcomer = Newcomer(
        "default", "1.2", "1.2.3", f"1.2.3.{number}", "1.2.840", "1.2.1", 100, 10, b"d" * 32, b"p" * 32, b"h", 1,
        Origin(),
    )  # fmt: skip
    changes.add(newcomer, number, "")


def store(catalogue: PostgresCatalogue, number: int) -> None:
    with catalogue.transaction() as changes:
        add(changes, number)


def stored(catalogue: PostgresCatalogue) -> list[int]:
    with catalogue.snapshot() as snapshot:
        entries, _ = snapshot.feed(0, 1 << 40, (), False, 1 << 30)
    return [int(entry.event.instance.sop_instance_uid.rpartition(".")[2]) for entry in entries]  # type: ignore[union-attr]


def test_positions_of_several_writers_are_seen_in_order_and_without_gaps(url: str) -> None:
    seen: list[list[int]] = []

    def write(first: int) -> None:
        with closing(PostgresCatalogue(url, STORES)) as own:
            for number in range(first, first + 20):
                store(own, number)
                with own.snapshot() as snapshot:
                    entries, _ = snapshot.feed(0, 1 << 40, (), False, 1 << 30)
                seen.append([entry.sequence for entry in entries])

    threads = [threading.Thread(target=write, args=(first,)) for first in (100, 200, 300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 60
    assert all(sequences == list(range(1, len(sequences) + 1)) for sequences in seen)


def test_a_commit_elsewhere_is_told_to_who_watches(url: str, catalogue: PostgresCatalogue) -> None:
    told = threading.Event()
    heads: list[int] = []

    def publish(head: int) -> None:
        heads.append(head)
        if head == 1:
            told.set()

    catalogue.watch(publish)
    with closing(PostgresCatalogue(url, STORES)) as other:
        store(other, 1)
    assert told.wait(30)
    assert set(heads) <= {0, 1}


def test_numbers_are_given_once_whoever_takes_them(url: str) -> None:
    taken: list[int] = []

    def take() -> None:
        with closing(PostgresCatalogue(url, STORES)) as own:
            numbers = Numbers(own.reserve_numbers, block=7)
            taken.extend(numbers() for _ in range(50))

    threads = [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(taken)) == 150


def test_numbers_begin_above_what_a_lost_catalogue_gave(url: str) -> None:
    with closing(PostgresCatalogue(url, STORES)) as before:
        assert before.reserve_numbers(1000) == 1
    with closing(PostgresCatalogue(url, STORES, least_number=5000)) as after:
        assert after.reserve_numbers(1) == 5000
    with closing(PostgresCatalogue(url, STORES, least_number=10)) as last:
        assert last.reserve_numbers(1) == 5001


def test_a_database_that_was_restarted_is_used_again(server: Postgres, url: str, catalogue: PostgresCatalogue) -> None:
    store(catalogue, 1)
    assert stored(catalogue) == [1]
    server.stop()
    with pytest.raises(DianaError) as caught:
        store(catalogue, 2)
    assert caught.value.reason == Reason.PEER_UNAVAILABLE
    assert not isinstance(caught.value, Undecided)
    with pytest.raises(DianaError) as caught:
        stored(catalogue)
    assert caught.value.reason == Reason.PEER_UNAVAILABLE
    server.start()
    store(catalogue, 3)
    assert stored(catalogue) == [1, 3]


def test_a_crash_of_the_database_in_a_transaction_leaves_nothing_of_it(
    server: Postgres, catalogue: PostgresCatalogue
) -> None:
    store(catalogue, 1)

    def crash() -> None:
        with catalogue.transaction() as changes:
            add(changes, 2)
            with psycopg.connect(server.url("postgres"), autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE xact_start < now()")
            add(changes, 3)

    with pytest.raises(DianaError) as caught:
        crash()
    assert caught.value.reason == Reason.PEER_UNAVAILABLE
    store(catalogue, 4)
    assert stored(catalogue) == [1, 4]


@pytest.mark.parametrize("held", [True, False])
def test_a_commit_whose_answer_was_lost_is_told_for_what_it_was(
    catalogue: PostgresCatalogue, monkeypatch: pytest.MonkeyPatch, held: bool
) -> None:
    commit = Link.commit

    def lose(link: Link) -> None:
        monkeypatch.undo()
        if held:
            commit(link)
        link.close()
        raise psycopg.OperationalError("lost")

    monkeypatch.setattr(Link, "commit", lose)
    if held:
        store(catalogue, 1)
    else:
        with pytest.raises(DianaError) as caught:
            store(catalogue, 1)
        assert caught.value.reason == Reason.PEER_UNAVAILABLE
        assert not isinstance(caught.value, Undecided)
    assert stored(catalogue) == [1] * held


def test_a_commit_that_cannot_be_asked_about_stays_undecided(
    server: Postgres, catalogue: PostgresCatalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(link: Link) -> None:
        server.stop()
        link.close()
        raise psycopg.OperationalError("lost")

    monkeypatch.setattr(Link, "commit", lose)
    monkeypatch.setattr(module, "_SETTLE_SECONDS", 0.1)
    try:
        with pytest.raises(Undecided):
            store(catalogue, 1)
    finally:
        monkeypatch.undo()
        server.start()


def test_a_failed_statement_that_nobody_told_of_is_not_committed(catalogue: PostgresCatalogue) -> None:
    def write() -> None:
        with catalogue.transaction() as changes:
            add(changes, 1)
            with suppress(psycopg.Error):
                changes._db.execute("SELECT 1 / 0")

    with pytest.raises(psycopg.Error):
        write()
    assert stored(catalogue) == []


def test_a_database_put_back_from_a_copy_begins_a_new_epoch(url: str) -> None:
    with closing(PostgresCatalogue(url, STORES)) as before:
        epoch = before.epoch
    with closing(PostgresCatalogue(url, STORES)) as same:
        assert (same.epoch, same.restored) == (epoch, False)
    with psycopg.connect(url) as db:
        # As a dump has it that was read into another database.
        db.execute("UPDATE meta SET value = 'another' WHERE key = 'database'")
    with closing(PostgresCatalogue(url, STORES)) as after:
        assert after.restored
        assert after.epoch != epoch


def test_a_catalogue_of_files_has_the_database_for_itself(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_OWNING_SECONDS", 0.1)
    first = OutsideState(tmp_path / "first", STORES, catalogue_url=url)
    with pytest.raises(DianaError) as caught:
        OutsideState(tmp_path / "second", STORES, catalogue_url=url)
    assert caught.value.reason == Reason.CONFIG_INVALID
    first.close()
    OutsideState(tmp_path / "first", STORES, catalogue_url=url).close()


def test_files_without_their_catalogue_are_told_of(server: Postgres, tmp_path: Path) -> None:
    state = OutsideState(tmp_path, STORES, catalogue_url=server.new_database())
    draft = state.objects.create("default")
    draft.write(b"bytes")
    draft.close()
    state.close()
    with pytest.raises(DianaError) as caught:
        OutsideState(tmp_path, STORES, catalogue_url=server.new_database())
    assert caught.value.reason == Reason.STORE_DAMAGED


def test_no_database_at_the_start_is_told_without_its_password(tmp_path: Path) -> None:
    for url in ("postgresql://diana:secret@127.0.0.1:1/diana", "postgresql://diana:secret@127.0.0.1:port/diana"):
        with pytest.raises(DianaError) as caught:
            PostgresCatalogue(url, STORES)
        assert caught.value.reason in (Reason.PEER_UNAVAILABLE, Reason.CONFIG_INVALID)
        assert "secret" not in str(caught.value)


def test_a_user_who_may_not_make_tables_is_told_so(server: Postgres, url: str) -> None:
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("CREATE ROLE reader LOGIN")
    with pytest.raises(DianaError) as caught:
        PostgresCatalogue(url.replace("postgres@", "reader@"), STORES)
    assert caught.value.reason == Reason.CONFIG_INVALID


def test_processes_that_share_stores_must_be_given_one_file_of_seal_keys(tmp_path: Path) -> None:
    shared = {"catalogue_url": "postgresql://u@h/d", "object_store": ObjectStoreConfig("bucket")}
    with pytest.raises(ValueError, match="seal_key_file"):
        ArchiveConfig(**shared)  # type: ignore[arg-type]
    config = ArchiveConfig(**shared, seal_key_file=tmp_path / "keys")  # type: ignore[arg-type]
    assert config.is_shared
    with pytest.raises(ValueError, match="pg_dump"):
        ArchiveConfig(catalogue_url="postgresql://u@h/d", backup_dir=tmp_path)
    # Nobody makes keys that the others would not have.
    with pytest.raises(DianaError):
        FileSealKeys(tmp_path / "keys", may_create=False).current()


def test_a_text_with_a_nul_is_not_found(catalogue: PostgresCatalogue) -> None:
    with catalogue.snapshot() as snapshot:
        assert snapshot.study("default", "1\0") is None
        assert snapshot.digests("default", ["1\0", "2"]) == set()
    assert catalogue.known("default", "\0") == []


def test_statements_are_translated_mark_by_mark() -> None:
    assert translated("SELECT ? + ?2 + ?") == b"SELECT $1 + $2 + $3"
    assert (
        translated("IN (SELECT value FROM json_each(?))")
        == b"IN (SELECT value FROM jsonb_array_elements_text($1::jsonb))"
    )

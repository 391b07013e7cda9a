"""Generations in PostgreSQL, as several processes share them: here each is an object with connections of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg
import pytest

from diana_common.errors import DianaError, Reason
from diana_index.config import IndexConfig
from diana_index.core.attributes import Level
from diana_index.core.feeding import Feeder
from diana_index.core.store import Damaged, Mark, Unstorable
from diana_index.core.vocabulary import SearchKey
from diana_index.stores import postgres_readers
from diana_index.stores.postgres_generations import PostgresGenerations
from diana_index.stores.writer import Application
from tests.support.shared_postgres import database
from tests.unit.index.fake_archive import FakeArchive
from tests.unit.index.index_bench import IndexBench, Listener

KEY = SearchKey("kvp", "00180060", Level.INSTANCE, "DS")


@pytest.fixture
def url() -> Iterator[str]:
    with database() as url:
        yield url


@pytest.fixture
def archive() -> FakeArchive:
    archive = FakeArchive()
    archive.store("1.1.1", PatientID="P1", KVP=120)
    return archive


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        threading.Event().wait(0.01)


def names(url: str) -> list[str]:
    with psycopg.connect(url) as db:
        rows = db.execute("SELECT nspname FROM pg_namespace WHERE nspname ~ '^diana_index_[0-9]+$' ORDER BY 1")
        return [row[0] for row in rows]


def do(url: str, sql: str) -> None:
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(sql.encode())


def break_connections(url: str) -> None:
    do(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'diana'")


def position(generations: PostgresGenerations) -> str:
    with generations.active() as generation:
        return generation.mark().position


def filled(url: str, archive: FakeArchive) -> None:
    with closing(PostgresGenerations(url)) as generations:
        IndexBench(generations, archive).catch_up()


def test_records_and_position_are_there_after_a_restart(url: str, archive: FakeArchive) -> None:
    filled(url, archive)
    with closing(PostgresGenerations(url)) as generations:
        assert position(generations) == "0000000a-1"
        assert IndexBench(generations).uids(Level.PATIENT) == ["P1"]
        assert len(names(url)) == 1


def test_what_a_crash_left_of_a_rebuild_is_cleared_away(url: str, archive: FakeArchive) -> None:
    filled(url, archive)
    before = names(url)
    with closing(PostgresGenerations(url)) as generations:
        generations.create().apply([], Mark("0000000a-1", 1.0))
        assert len(names(url)) == 2
    with closing(PostgresGenerations(url)) as generations:
        until(lambda: names(url) == before)
        assert position(generations) == "0000000a-1"


def test_an_adopted_generation_answers_in_other_processes_too(url: str, archive: FakeArchive) -> None:
    filled(url, archive)
    with closing(PostgresGenerations(url)) as one, closing(PostgresGenerations(url)) as two:
        new = one.create()
        new.apply([], Mark("0000000b-5", 1.0))
        with one.standing_still():
            one.adopt(new)
        assert position(one) == "0000000b-5"
        until(lambda: position(two) == "0000000b-5")
        until(lambda: len(names(url)) == 1)


def test_a_question_under_way_is_answered_though_another_process_has_another_generation_take_over(
    url: str, archive: FakeArchive
) -> None:
    filled(url, archive)
    with closing(PostgresGenerations(url)) as one, closing(PostgresGenerations(url)) as two:
        with two.active() as old:
            one.adopt(one.create())
            until(lambda: position(two) == "")
            with old.reading(lambda: True) as reader:
                assert reader.totals().instances == 1
            assert len(names(url)) == 2
        until(lambda: len(names(url)) == 1)


def test_what_is_not_adopted_is_dropped_at_once(url: str) -> None:
    with closing(PostgresGenerations(url)) as generations:
        before = names(url)
        generations.discard(generations.create())
        until(lambda: names(url) == before)


def test_nothing_is_written_into_a_generation_that_another_took_over_from(url: str, archive: FakeArchive) -> None:
    with closing(PostgresGenerations(url)) as one, closing(PostgresGenerations(url)) as two, one.active() as old:
        two.adopt(two.create())
        with pytest.raises(DianaError) as refused:
            old.apply([], Mark("0000000a-1", 1.0))
        assert refused.value.reason is Reason.PEER_UNAVAILABLE


def test_of_two_that_follow_at_once_the_later_one_gives_way_and_nothing_is_applied_twice(
    url: str, archive: FakeArchive
) -> None:
    for number in range(2, 8):
        archive.store(f"1.1.{number}", PatientID="P1")
    with ExitStack() as stack:
        shared = [stack.enter_context(closing(PostgresGenerations(url))) for _ in range(2)]
        feeders = [Feeder(archive, stack.enter_context(one.active()), Listener()) for one in shared]
        batches = list(archive.watch("", stop_at_head=True))
        feeders[0].feed(batches[0])
        with pytest.raises(DianaError) as refused:
            feeders[1].feed(batches[0])
        assert refused.value.reason is Reason.PEER_UNAVAILABLE
        with shared[1].active() as generation:
            Feeder(archive, generation, Listener()).feed(batches[1])
        with pytest.raises(DianaError):
            feeders[0].feed(batches[1])
        assert IndexBench(shared[0]).count(Level.INSTANCE) == 6


def test_one_process_follows_and_another_takes_over_when_it_is_gone(url: str) -> None:
    with closing(PostgresGenerations(url)) as two:
        assert two.is_mine()
        with closing(PostgresGenerations(url)) as one:
            assert not one.is_mine()
            looked = threading.Event()
            one.on_look(looked.set)
            looked.clear()
            assert looked.wait(30)
            assert not one.is_mine()
            two.close()
            until(one.is_mine)


def test_search_keys_of_another_process_are_known_within_a_moment(url: str, archive: FakeArchive) -> None:
    filled(url, archive)
    with closing(PostgresGenerations(url)) as one, closing(PostgresGenerations(url)) as two:
        with one.active() as generation, two.active() as other:
            generation.set_search_keys([KEY])
            until(lambda: other.vocabulary().search_keys == (KEY,))
            assert not other.vocabulary().is_ready("kvp")
            while not generation.vocabulary().is_ready("kvp"):
                generation.fill("kvp", 10)
            until(lambda: other.vocabulary().is_ready("kvp"))
            assert IndexBench(two).count(Level.INSTANCE, {"kvp": "120"}) == 1


def test_what_arrives_has_the_search_keys_that_another_process_made_a_moment_ago(
    url: str, archive: FakeArchive
) -> None:
    with closing(PostgresGenerations(url)) as one, closing(PostgresGenerations(url)) as two:
        with one.active() as generation, two.active() as other:
            feeder = Feeder(archive, other, Listener())
            (batch,) = archive.watch("", stop_at_head=True)
            generation.set_search_keys([KEY])  # there is nothing yet, so that it is ready
            feeder.feed(batch)
            assert IndexBench(one).count(Level.INSTANCE, {"kvp": "120"}) == 1


def test_connections_that_break_are_made_anew(url: str, archive: FakeArchive) -> None:
    with closing(PostgresGenerations(url)) as generations:
        bench = IndexBench(generations, archive)
        bench.catch_up()
        for number in range(2):
            break_connections(url)
            assert bench.count(Level.INSTANCE) == 1 + number
            archive.store(f"2.1.{number}", study="2", series="2.1")
            until(lambda: caught_up(bench))
            until(generations.is_mine)


def caught_up(bench: IndexBench) -> bool:
    try:
        bench.catch_up()
    except DianaError as error:
        assert error.reason is Reason.PEER_UNAVAILABLE
        return False
    return True


def test_a_question_that_nobody_waits_for_is_given_up(url: str, archive: FakeArchive) -> None:
    filled(url, archive)
    with closing(PostgresGenerations(url)) as generations, generations.active() as generation:
        alive = True
        with pytest.raises(DianaError) as refused, generation.reading(lambda: alive) as reader:
            alive = False
            reader._connection.execute("SELECT pg_sleep(60)")
        assert refused.value.reason is Reason.OVERLOADED
        with generation.reading(lambda: True) as reader:
            assert reader.totals().instances == 1


def test_questions_beyond_the_most_at_a_time_wait_for_a_place(
    url: str, archive: FakeArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_readers, "_READERS", 1)
    filled(url, archive)
    with closing(PostgresGenerations(url)) as generations, generations.active() as generation:
        with generation.reading(lambda: True), pytest.raises(DianaError) as refused, generation.reading(lambda: False):
            pass
        assert refused.value.reason is Reason.OVERLOADED


def test_a_reader_sees_one_moment_and_does_not_wait_for_the_writer(url: str, archive: FakeArchive) -> None:
    filled(url, archive)
    with closing(PostgresGenerations(url)) as generations, generations.active() as generation:
        with generation.reading(lambda: True) as reader:
            assert reader.mark().position == "0000000a-1"
            generation.apply([], Mark("0000000a-2", 1.0))
            assert reader.mark().position == "0000000a-1"
        with generation.reading(lambda: True) as reader:
            assert reader.mark().position == "0000000a-2"


def test_records_of_another_make_are_derived_anew(url: str, archive: FakeArchive) -> None:
    filled(url, archive)
    do(url, "UPDATE diana_index.generation SET fingerprint = 'older'")
    with closing(PostgresGenerations(url)) as generations:
        assert position(generations) == ""
        until(lambda: len(names(url)) == 1)


def test_a_process_whose_records_a_newer_program_replaced_answers_and_lets_that_one_follow(
    url: str, archive: FakeArchive
) -> None:
    filled(url, archive)
    with closing(PostgresGenerations(url)) as generations:
        assert generations.is_mine()
        do(url, "UPDATE diana_index.generation SET fingerprint = 'newer'")
        until(lambda: not generations.is_mine())
        assert IndexBench(generations).uids(Level.PATIENT) == ["P1"]


def test_records_of_a_newer_version_are_refused_untouched(url: str, archive: FakeArchive) -> None:
    filled(url, archive)
    do(url, "UPDATE diana_index.generation SET version = 99")
    with pytest.raises(DianaError) as refused:
        PostgresGenerations(url)
    assert refused.value.reason is Reason.STORE_SCHEMA_NEWER
    assert len(names(url)) == 1


def test_records_that_somebody_dropped_are_damaged_for_who_follows(url: str, archive: FakeArchive) -> None:
    filled(url, archive)
    with closing(PostgresGenerations(url)) as generations:
        (name,) = names(url)
        do(url, f"DROP TABLE {name}.state, {name}.search_key, {name}.further")
        for _ in range(2):
            looked = threading.Event()
            generations.on_look(looked.set)
            assert looked.wait(30)
            assert generations.is_mine()
        with pytest.raises(DianaError) as refused:
            IndexBench(generations).count(Level.STUDY)
        assert refused.value.reason is Reason.PEER_UNAVAILABLE
        with generations.active() as generation, pytest.raises(Damaged):
            generation.mark()
        with pytest.raises(Damaged), generations.active() as generation:
            generation.apply([], Mark("0000000a-2", 1.0))


def test_a_change_that_cannot_be_kept_is_told_from_a_database_that_fails(
    url: str, archive: FakeArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError

    with closing(PostgresGenerations(url)) as generations, generations.active() as generation:
        with monkeypatch.context() as patch:
            patch.setattr(Application, "apply", fail)
            with pytest.raises(Unstorable):
                generation.apply([], Mark("0000000a-1", 1.0))
        assert generation.mark().position == ""


def test_all_processes_seal_page_tokens_with_one_key(url: str) -> None:
    with closing(PostgresGenerations(url)) as one, closing(PostgresGenerations(url)) as two:
        assert one.page_token_key() == two.page_token_key()
        assert len(one.page_token_key()) == 32


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("postgresql://127.0.0.1:1/x", Reason.PEER_UNAVAILABLE),
        ("postgresql://h?no_such_word=1", Reason.CONFIG_INVALID),
    ],
)
def test_a_database_that_is_none_is_told_of(bad: str, reason: Reason) -> None:
    with pytest.raises(DianaError) as refused:
        PostgresGenerations(bad)
    assert refused.value.reason is reason
    assert "catalogue" not in refused.value.message


def test_a_database_of_another_encoding_is_refused(url: str) -> None:
    other = f"{url}_latin1"
    name = other.rpartition("/")[2]
    do(url, f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(DianaError) as refused:
        PostgresGenerations(other)
    do(url, f"DROP DATABASE {name}")
    assert refused.value.fields[0].field == "database_url"


def test_a_url_of_another_kind_is_a_bad_setting(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="database_url"):
        IndexConfig(state_dir=tmp_path, database_url="mysql://h/d")

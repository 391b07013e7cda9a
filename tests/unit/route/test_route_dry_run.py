"""What rules would have done of what the feed tells: nothing happens, and nothing is left out."""

from __future__ import annotations

from collections.abc import Sequence

from diana_route.core.dry_run import DryRun
from diana_route.core.journal import Trail
from diana_route.core.rules import Rule
from tests.unit.route.route_fakes import FakeArchive
from tests.unit.route.rule_files import header, rule

CT, MR = header(Modality="CT"), header(Modality="MR")


class Known:
    """A journal that knows of one operation, and of nothing else."""

    def trail_of(self, operation: str) -> Trail | None:
        return None

    def study_trail(self, store: str, study_uid: str) -> Trail | None:
        return None


def look_back(archive: FakeArchive, *rules: Rule, since: float = 0.0) -> DryRun:
    return DryRun(rules, archive, archive, Known(), since)


def made(run: DryRun) -> Sequence[tuple[str, str]]:
    return [(job.rule.name, job.item.key) for job in run]


def test_the_jobs_that_rules_would_have_made_are_told_in_order() -> None:
    archive = FakeArchive()
    archive.add_study("1", 10.0, MR)
    archive.add_study("2", 20.0, MR, CT)
    archive.add_instance("2.1", 21.0, CT)
    run = look_back(
        archive,
        rule("{store: inbox}", when="Modality = CT", name="ct"),
        rule("{store: inbox}", name="all"),
        rule("{store: inbox, event: instance_stored}", name="each"),
        rule("{store: other}", name="other"),
    )
    assert made(run) == [
        ("all", "study inbox 1"),
        ("ct", "study inbox 2"),
        ("all", "study inbox 2"),
        ("each", "instance inbox 2.1"),
    ]
    assert (run.entry_count, dict(run.job_counts)) == (3, {"all": 2, "ct": 1, "each": 1})
    assert archive.watches[0].cancelled


def test_what_is_older_is_not_read() -> None:
    archive = FakeArchive()
    archive.add_study("1", 10.0, CT)
    archive.add_study("2", 20.0, CT)
    run = look_back(archive, rule("{store: inbox}", when="Modality = CT"), since=15.0)
    assert made(run) == [("one", "study inbox 2")]
    assert (run.entry_count, archive.reads) == (1, 1)
    assert [one.item.key for one in archive.watches[0].told] == ["study inbox 2"]


def test_what_a_rule_made_itself_makes_no_job() -> None:
    archive = FakeArchive()
    archive.add_study("1", 10.0, CT, rule="one")
    assert made(look_back(archive, rule("{store: inbox}"), rule("{store: inbox}", name="two"))) == [
        ("two", "study inbox 1")
    ]


def test_rules_that_follow_no_feed_ask_the_archive_for_nothing() -> None:
    archive = FakeArchive()
    run = look_back(archive, rule("{folder: /incoming}", "[put: inbox]"))
    assert made(run) == [] and archive.watches == []
    run.cancel()


def test_a_dry_run_ends_when_it_is_cancelled() -> None:
    archive = FakeArchive()
    for number in range(5):
        archive.add_study(str(number), 10.0, CT)
    run = look_back(archive, rule("{store: inbox}"))
    jobs = iter(run)
    next(jobs)
    run.cancel()
    assert list(jobs) == []

"""How rules fare: what their jobs come to, and why they make none."""

from __future__ import annotations

from pathlib import Path

from diana_route.core.model import NewJob, StudyItem
from diana_route.core.rulebook import Rulebook, configuration_digest
from diana_route.stores.sqlite import SqliteJournal
from tests.unit.route.rule_files import rule

FEED = "{store: inbox}"


def test_rules_stand_with_their_jobs_and_their_troubles(tmp_path: Path) -> None:
    rules = [rule(FEED, name="one"), rule(FEED, name="two"), rule(FEED, name="three")]
    journal = SqliteJournal(tmp_path / "jobs.sqlite")
    item = StudyItem("inbox", "1.2")
    [job] = journal.add([NewJob("one", "d", item, ["send to PACS"], ["peer PACS"], "1")], 1.0)
    journal.add([NewJob("one", "d", item, ["send to PACS"], ["peer PACS"], "2")], 1.0)
    journal.cancel(job.name, 2.0)
    stopped = {"two": "it fed itself"}
    troubles = {"two": "the archive does not answer", "three": "the archive does not answer", "one": ""}
    one, two, three = Rulebook(rules, journal, lambda: stopped, lambda: troubles).standings()
    assert (one.waiting_count, one.done_count, one.dead_count, one.trouble, one.stopped) == (1, 0, 0, "", False)
    assert (two.trouble, two.stopped) == ("it fed itself; the archive does not answer", True)
    assert (three.trouble, three.stopped) == ("the archive does not answer", False)
    journal.close()


def test_the_configurations_digest_changes_with_any_rule() -> None:
    rules = [rule(FEED, when="Rows = 1"), rule("{folder: /incoming}", "[put: inbox]", name="two")]
    same = [rule(FEED, when="Rows=1"), rule("{folder: /incoming}", "[{put: inbox}]", name="two")]
    assert configuration_digest(rules) == configuration_digest(same)
    assert configuration_digest(rules) != configuration_digest([rule(FEED, when="Rows = 2"), rules[1]])
    assert configuration_digest(rules) != configuration_digest(rules[:1])

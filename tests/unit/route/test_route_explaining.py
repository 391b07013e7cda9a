"""Why rules made jobs of an item, or did not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from diana_common.errors import DianaError, Reason
from diana_route.adapters.folders import HostFolder
from diana_route.core.examining import Examiner
from diana_route.core.explaining import Explainer
from diana_route.core.journal import Learnt
from diana_route.core.model import FileItem, InstanceItem, Item, NewJob, StudyItem
from diana_route.core.rules import Rule
from diana_route.stores.sqlite import SqliteJournal
from tests.support.dicom_files import make_small
from tests.unit.route.route_fakes import FakeArchive, FakeIndex
from tests.unit.route.rule_files import header, rule

CT, MR = header(Modality="CT"), header(Modality="MR")
RULES = [
    rule("{store: inbox}", name="all"),
    rule("{store: inbox}", when="Modality = MR", name="mr"),
    rule("{store: inbox, event: instance_stored}", when="Modality = CT", name="each"),
    rule("{query: Modality = CT, store: inbox, every: 1h}", name="query"),
]


@pytest.fixture
def archive() -> FakeArchive:
    return FakeArchive()


@pytest.fixture
def index() -> FakeIndex:
    return FakeIndex()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    journal = SqliteJournal(tmp_path / "jobs.sqlite")
    yield journal
    journal.close()


class Why:
    """Explains, each rule by its name."""

    def __init__(self, archive: FakeArchive, index: FakeIndex, journal: SqliteJournal, rules: list[Rule]) -> None:
        self.stopped: dict[str, str] = {}
        self.folders: dict[str, HostFolder] = {}
        examiner = Examiner(archive, index, self.folders.__getitem__, journal)
        self.explainer = Explainer(rules, examiner, journal, lambda: self.stopped)

    def __call__(self, item: Item) -> dict[str, tuple[bool, str]]:
        return {name: (one.fires, one.reason) for name, one in self.explainer.explain(item).verdicts}


@pytest.fixture
def why(archive: FakeArchive, index: FakeIndex, journal: SqliteJournal) -> Why:
    return Why(archive, index, journal, RULES)


def test_each_rule_says_what_it_makes_of_a_study(archive: FakeArchive, why: Why) -> None:
    archive.add_study("1.2", 0, CT)
    assert why(StudyItem("inbox", "1.2")) == {
        "all": (True, "it comes from the rule's source, and there is no condition"),
        "mr": (False, "the condition is false: Modality = MR"),
        "each": (False, "it looks at instances one by one, not at studies"),
        "query": (False, "the rule's query does not find it"),
    }


def test_a_study_that_is_not_complete_waits(archive: FakeArchive, why: Why) -> None:
    archive.add_study("1.2", 0, CT, complete=False)
    assert why(StudyItem("inbox", "1.2"))["all"] == (False, "the study is not complete")


def test_the_index_says_whether_a_query_finds_a_study(archive: FakeArchive, index: FakeIndex, why: Why) -> None:
    archive.add_study("1.2", 0, CT)
    index.found.add("1.2")
    assert why(StudyItem("inbox", "1.2"))["query"][0]
    assert index.asked == ["(Modality = CT) AND StudyInstanceUID = 1.2"]


def test_what_led_to_a_study_is_known_from_the_journal(archive: FakeArchive, journal: SqliteJournal, why: Why) -> None:
    archive.add_study("1.2", 0, CT)
    journal.add([], 0.0, Learnt(trails={("inbox", "1.2"): ("all",)}))
    assert why(StudyItem("inbox", "1.2"))["all"] == (False, "it was made by this rule itself")


def test_a_rule_that_was_stopped_says_so(archive: FakeArchive, why: Why) -> None:
    archive.add_study("1.2", 0, CT)
    why.stopped["all"] = "it fed itself"
    assert why(StudyItem("inbox", "1.2"))["all"] == (False, "the rule was stopped: it fed itself")


def test_an_instance_is_explained_by_its_own_header(archive: FakeArchive, why: Why) -> None:
    archive.add_instance("1.2.3", 0, CT)
    told = why(InstanceItem("inbox", "", "1.2.3"))
    assert told["each"] == (True, "the condition holds: Modality = CT")
    assert told["all"] == (False, "it looks at whole studies, not at single instances")


def test_what_led_to_an_instance_is_its_own_and_not_its_studys(
    archive: FakeArchive, journal: SqliteJournal, why: Why
) -> None:
    archive.add_instance("1.1", 0, CT, rule="each")
    archive.add_instance("1.2", 0, CT)
    assert why(InstanceItem("inbox", "", "1.1"))["each"] == (False, "it was made by this rule itself")
    journal.add([], 0.0, Learnt(trails={("inbox", "1"): ("each",)}))
    assert why(InstanceItem("inbox", "", "1.2"))["each"] == (True, "the condition holds: Modality = CT")
    archive.told.clear()  # as after a rebuild: then the study's is the best that is known
    assert why(InstanceItem("inbox", "", "1.2"))["each"] == (False, "it was made by this rule itself")


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (StudyItem("inbox", "9"), Reason.STUDY_NOT_FOUND),
        (InstanceItem("inbox", "", "9"), Reason.INSTANCE_NOT_FOUND),
        (FileItem("all", "a.dcm", ""), Reason.SOURCE_NOT_FOUND),
    ],
)
def test_what_is_not_there_cannot_be_explained(why: Why, item: Item, reason: Reason) -> None:
    with pytest.raises(DianaError) as refused:
        why(item)
    assert refused.value.reason is reason


def test_the_jobs_that_were_made_are_told(archive: FakeArchive, journal: SqliteJournal, why: Why) -> None:
    item = archive.add_study("1.2", 0, CT)
    journal.add([NewJob("all", "d", item, ["send to PACS"], ["peer PACS"], "p0")], 1.0)
    explained = why.explainer.explain(StudyItem("inbox", "1.2"))
    assert [(job.rule, job.item.key) for job in explained.jobs] == [("all", "study inbox 1.2")]


@pytest.mark.parametrize("item", [StudyItem("inbox", "9"), FileItem("watch", "a/visit.zip", "1-2")])
def test_of_what_is_gone_the_jobs_are_told(
    archive: FakeArchive, index: FakeIndex, journal: SqliteJournal, tmp_path: Path, item: Item
) -> None:
    why = Why(archive, index, journal, [rule("{folder: /incoming}", "[put: inbox, delete]", name="watch"), RULES[0]])
    why.folders["watch"] = HostFolder(tmp_path, "")
    journal.add([NewJob("watch", "d", item, ["put inbox"], ["archive"], "p0")], 1.0)
    assert why(item) == dict.fromkeys(("watch", "all"), (False, "it is not there any more"))
    assert [job.rule for job in why.explainer.explain(item).jobs] == ["watch"]


def test_a_file_is_explained_where_it_lies(
    archive: FakeArchive, index: FakeIndex, journal: SqliteJournal, tmp_path: Path
) -> None:
    watching = rule('{folder: /incoming, layout: "{site}"}', "[put: inbox]", when="Modality = CT", name="watch")
    why = Why(archive, index, journal, [watching, RULES[0]])
    why.folders["watch"] = HostFolder(tmp_path, "{site}")
    site = tmp_path / "a"
    site.mkdir()
    (site / "notes.txt").write_text("hello")
    (tmp_path / "stray.dcm").write_text("hello")
    with ZipFile(site / "study.zip", "w") as packed:
        packed.writestr("ct.dcm", make_small())
    (site / "mr.dcm").write_bytes(make_small(Modality="MR"))
    (site / "broken.zip").write_bytes(b"PK\x03\x04 and so on")
    assert why(FileItem("watch", "a/notes.txt", "")) == {
        "watch": (True, "there is no instance in it, which its job is to tell"),
        "all": (False, "it looks at store inbox, at no files"),
    }
    assert why(FileItem("watch", "a/study.zip", ""))["watch"] == (True, "the condition holds: Modality = CT")
    assert why(FileItem("watch", "a/mr.dcm", ""))["watch"] == (False, "the condition is false: Modality = CT")
    broken, reason = why(FileItem("watch", "a/broken.zip", ""))["watch"]
    assert broken and reason.startswith("it cannot be read, which its job is to tell: ")
    assert why(FileItem("watch", "stray.dcm", ""))["watch"] == (
        False,
        "it lies elsewhere than the layout says: {site}",
    )
    with pytest.raises(DianaError):
        why(FileItem("watch", "a/../../etc/passwd", ""))

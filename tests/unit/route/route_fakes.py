"""An archive in memory, as the core sees it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from diana_common.conditions import Header
from diana_common.errors import DianaError, Reason
from diana_route.core.archive import StudySummary
from diana_route.core.feed import Batch, Told
from diana_route.core.model import InstanceItem, StudyItem
from diana_route.core.rules import Event


class FakeWatch:
    """What there is, in one batch an entry."""

    def __init__(self, told: Sequence[Told]) -> None:
        self.told = told
        self.cancelled = False

    def __iter__(self) -> Iterator[Batch]:
        for one in self.told:
            if self.cancelled:
                return
            yield Batch([one], one.position)

    def cancel(self) -> None:
        self.cancelled = True


class FakeArchive:
    """core.feed.Feed and core.archive.Holdings."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.headers: dict[str, list[Header]] = {}
        self.summaries: dict[str, StudySummary] = {}
        self.watches: list[FakeWatch] = []
        self.reads = 0
        self.stores_there = ["inbox", "trial", "default"]

    def add_study(self, uid: str, time: float, *headers: Header, rule: str = "", complete: bool = True) -> StudyItem:
        """A study of the inbox, of one series for each header; and its entry, if it is complete."""
        item = StudyItem("inbox", uid, {"site": "a"})
        self.headers[uid] = list(headers)
        self.summaries[uid] = StudySummary(complete, item.attributes)
        if complete:
            self.told.append(Told(Event.STUDY_COMPLETED, item, f"p{len(self.told)}", time, rule))
        return item

    def add_instance(self, uid: str, time: float, header: Header, rule: str = "") -> InstanceItem:
        """An instance of the inbox, and its entry."""
        item = InstanceItem("inbox", "1", uid)
        self.headers[uid] = [header]
        self.told.append(Told(Event.INSTANCE_STORED, item, f"p{len(self.told)}", time, rule))
        return item

    def head(self) -> str:
        return self.told[-1].position if self.told else ""

    def stores(self) -> list[str]:
        return self.stores_there

    def watch(
        self, after: str, stores: Sequence[str], headers: bool, to_head: bool = False, since: float | None = None
    ) -> FakeWatch:
        later = [one for one in self.told if since is None or one.time > since]
        watch = FakeWatch([one for one in later if one.item.store in stores])
        self.watches.append(watch)
        return watch

    def study(self, store: str, study_uid: str) -> StudySummary:
        if store != "inbox" or study_uid not in self.summaries:
            raise DianaError(Reason.STUDY_NOT_FOUND, "No such study.")
        return self.summaries[study_uid]

    def first_headers(self, store: str, study_uid: str) -> Iterator[Header]:
        self.reads += 1
        yield from self.headers.get(study_uid, ())

    def instance(self, store: str, sop_instance_uid: str) -> tuple[str, Header]:
        self.reads += 1
        if sop_instance_uid not in self.headers:
            raise DianaError(Reason.INSTANCE_NOT_FOUND, "No such instance.")
        return "1", self.headers[sop_instance_uid][0]

    def stored(self, store: str, sop_instance_uid: str) -> Told | None:
        return next((one for one in self.told if one.item.key == f"instance {store} {sop_instance_uid}"), None)


class FakeIndex:
    """core.querying.Index that knows which studies any query finds."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self.asked: list[str] = []

    def studies(self, store: str, query: str, at_least_position: str) -> Iterator[Sequence[str]]:
        self.asked.append(query)
        found = sorted(uid for uid in self.found if f"StudyInstanceUID = {uid}" in query)
        return iter([found] if found else [])

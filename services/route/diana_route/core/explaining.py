"""Why rules made jobs of something, or did not: what rules are asked when it arrives is asked once more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from diana_common.errors import DianaError, Reason
from diana_route.core.archive import Holdings
from diana_route.core.file_matching import judge_file
from diana_route.core.files import Folder
from diana_route.core.journal import Journal
from diana_route.core.matching import Seen, Verdict, judge_all
from diana_route.core.model import FileItem, InstanceItem, Item, Job, StudyItem
from diana_route.core.querying import Index
from diana_route.core.rules import QuerySource, Rule

_MOST_JOBS = 100
_GONE = (Reason.STUDY_NOT_FOUND, Reason.INSTANCE_NOT_FOUND, Reason.SOURCE_NOT_FOUND)


@dataclass(frozen=True, slots=True)
class Explained:
    """What becomes of an item."""

    verdicts: Sequence[tuple[str, Verdict]]
    """Each rule's name, and what it makes of it."""

    jobs: Sequence[Job]
    """That were made of it, newest first."""


class Explainer:
    """Explains. Safe to share between threads."""

    def __init__(
        self,
        rules: Sequence[Rule],
        holdings: Holdings,
        index: Index,
        folder: Callable[[str], Folder],
        journal: Journal,
        stopped: Callable[[], Mapping[str, str]],
    ) -> None:
        """`folder` gives that of a rule, or raises KeyError; `stopped` says which rules were stopped, and why."""
        self._rules = rules
        self._holdings = holdings
        self._index = index
        self._folder = folder
        self._journal = journal
        self._stopped = stopped

    def explain(self, item: Item) -> Explained:
        """Of what is gone, the jobs that were made of it.

        Raises DianaError: STUDY_NOT_FOUND, INSTANCE_NOT_FOUND, SOURCE_NOT_FOUND (where there were no jobs either),
        STORE_UNKNOWN, PEER_UNAVAILABLE.
        """
        jobs = self._journal.of_item(item.key, _MOST_JOBS)
        try:
            verdicts = self._verdicts(item)
        except DianaError as error:
            if error.reason not in _GONE or not jobs:
                raise
            verdicts = [Verdict(False, "it is not there any more")] * len(self._rules)
        stopped = self._stopped()
        told = [
            (rule.name, Verdict(False, f"the rule was stopped: {stopped[rule.name]}") if rule.name in stopped else one)
            for rule, one in zip(self._rules, verdicts, strict=True)
        ]
        return Explained(told, jobs)

    def _verdicts(self, item: Item) -> list[Verdict]:
        return self._file_verdicts(item) if isinstance(item, FileItem) else judge_all(self._rules, self._held(item))

    def _held(self, item: StudyItem | InstanceItem) -> Seen:
        if isinstance(item, InstanceItem):
            study_uid, header = self._holdings.instance(item.store, item.sop_instance_uid)
            return Seen(item, lambda: [header], self._trail(item.store, study_uid))
        store, study_uid = item.store, item.study_uid
        study = self._holdings.study(store, study_uid)
        return Seen(
            item=StudyItem(store, study_uid, study.attributes),
            headers=lambda: self._holdings.first_headers(store, study_uid),
            trail=self._trail(store, study_uid),
            complete=study.complete,
            is_found=lambda query: self._finds(query, study_uid),
        )

    def _finds(self, query: QuerySource, study_uid: str) -> bool:
        asked = f"({query.query}) AND StudyInstanceUID = {study_uid}"
        return any(self._index.studies(query.store, asked, at_least_position=""))

    def _trail(self, store: str, study_uid: str) -> Sequence[str]:
        return self._journal.study_trail(store, study_uid) or ()

    def _file_verdicts(self, item: FileItem) -> list[Verdict]:
        try:
            folder = self._folder(item.rule)
        except KeyError:
            raise DianaError(Reason.SOURCE_NOT_FOUND, f"There is no rule {item.rule} that watches a folder.") from None
        found = replace(item, stamp=folder.status(item.path).stamp)
        others = judge_all(self._rules, Seen(found, lambda: ()))
        return [
            judge_file(rule, folder, found) if rule.name == item.rule else other
            for rule, other in zip(self._rules, others, strict=True)
        ]

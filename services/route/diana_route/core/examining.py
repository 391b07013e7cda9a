"""An item as it is now, and what rules make of it: what they are asked when it arrives is asked once more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from diana_common.errors import DianaError, Reason
from diana_route.core.archive import Holdings
from diana_route.core.file_matching import judge_file
from diana_route.core.files import Folder
from diana_route.core.folders import read_layout
from diana_route.core.journal import Journal
from diana_route.core.matching import Seen, Verdict, judge_all
from diana_route.core.model import FileItem, InstanceItem, Item, StudyItem
from diana_route.core.querying import Index
from diana_route.core.rules import FolderSource, QuerySource, Rule
from diana_route.core.trails import Trails


@dataclass(frozen=True, slots=True)
class Examined:
    """An item, and what rules make of it."""

    item: Item
    """As it is now: a study's attributes, a file's stamp."""

    trail: Sequence[str]
    """The rules whose work led to it, the earliest first."""

    verdicts: Sequence[Verdict]
    """In the order of the rules that were asked."""


class Examiner:
    """Looks at items. Safe to share between threads."""

    def __init__(self, holdings: Holdings, index: Index, folder: Callable[[str], Folder], journal: Journal) -> None:
        """`folder` gives that of a rule, or raises KeyError."""
        self._holdings = holdings
        self._index = index
        self._folder = folder
        self._journal = journal

    def examine(self, rules: Sequence[Rule], item: Item, trail: Sequence[str] | None = None) -> Examined:
        """Ask rules of an item of which a request knows no more than its key; `trail` if the caller knows it better.

        Raises DianaError: STUDY_NOT_FOUND, INSTANCE_NOT_FOUND, SOURCE_NOT_FOUND, STORE_UNKNOWN, PEER_UNAVAILABLE.
        """
        if isinstance(item, FileItem):
            return self._of_file(rules, item)
        seen = self.seen(item, trail)
        return Examined(seen.item, seen.trail, judge_all(rules, seen))

    def seen(self, item: StudyItem | InstanceItem, trail: Sequence[str] | None = None) -> Seen:
        """What a store has of an item; see `examine`."""
        if isinstance(item, InstanceItem):
            study_uid, header = self._holdings.instance(item.store, item.sop_instance_uid)
            found = replace(item, study_uid=study_uid)
            return Seen(found, lambda: [header], self._own_trail(found) if trail is None else trail)
        store, study_uid = item.store, item.study_uid
        study = self._holdings.study(store, study_uid)
        return Seen(
            item=StudyItem(store, study_uid, study.attributes),
            headers=lambda: self._holdings.first_headers(store, study_uid),
            trail=self._trail(store, study_uid, trail),
            complete=study.complete,
            is_found=lambda query: self._finds(query, study_uid),
        )

    def _finds(self, query: QuerySource, study_uid: str) -> bool:
        asked = f"({query.query}) AND StudyInstanceUID = {study_uid}"
        return any(self._index.studies(query.store, asked, at_least_position=""))

    def _own_trail(self, item: InstanceItem) -> Sequence[str]:
        """What led to an instance: not to its study, which others may have begun."""
        told = self._holdings.stored(item.store, item.sop_instance_uid)
        if told is None:
            return self._trail(item.store, item.study_uid, None)
        return Trails(self._journal).of_origin(told)

    def _trail(self, store: str, study_uid: str, trail: Sequence[str] | None) -> Sequence[str]:
        return (self._journal.study_trail(store, study_uid) or ()) if trail is None else trail

    def _of_file(self, rules: Sequence[Rule], item: FileItem) -> Examined:
        try:
            folder = self._folder(item.rule)
        except KeyError:
            raise DianaError(Reason.SOURCE_NOT_FOUND, f"There is no rule {item.rule} that watches a folder.") from None
        found = replace(item, stamp=folder.status(item.path).stamp, attributes=_attributes(rules, item))
        others = judge_all(rules, Seen(found, tuple))
        verdicts = [
            judge_file(rule, folder, found) if rule.name == item.rule else other
            for rule, other in zip(rules, others, strict=True)
        ]
        return Examined(found, (), verdicts)


def _attributes(rules: Sequence[Rule], item: FileItem) -> Mapping[str, str]:
    layouts = [rule.source.layout for rule in rules if rule.name == item.rule and isinstance(rule.source, FolderSource)]
    return next((read_layout(layout, item.path) for layout in layouts), None) or {}

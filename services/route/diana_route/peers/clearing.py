"""Removing files, once all that is in them is in a store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from diana_client import ArchiveClient
from diana_common.attempts import Failed, Refused
from diana_common.errors import DianaError, Reason
from diana_route.core.actions import Joint
from diana_route.core.files import Folder
from diana_route.core.folders import Status
from diana_route.core.model import FileItem, Item, Task
from diana_route.core.parts import Instance, identify
from diana_route.peers.arrivals import file_failure
from diana_route.peers.claims import file_of
from diana_route.peers.faults import attempted
from diana_route.peers.held import ARCHIVE
from diana_route.peers.moved_on import moved_on

_MOST_AT_ONCE = 10_000


@dataclass
class _Look:
    """A file looked at before it goes: what it holds, or why it stays."""

    task: Task
    item: FileItem
    instances: list[Instance] = field(default_factory=list)
    read: Status | None = None
    """How it was before it was read."""
    failed: Failed | None = None
    is_gone: bool = False


class DeleteFiles(Joint):
    """core.actions.Action, Joint: a rule's files, removed from its folder.

    Each is read once more, and goes only if the archive says that each store has every instance of it with the very
    same data set (by SHA-256), or had it until a rule took it on from there. A zip with a member that was refused, or
    that the rule's condition left out, stays as it is, and so does a file that somebody wrote to after its job was
    made. Directories are left to who watches the folder (core.folder_watching).
    """

    def __init__(
        self, archive: ArchiveClient, folder: Folder, stores: Sequence[str], removed: Callable[[Sequence[str]], None]
    ) -> None:
        """`stores`: where the rule puts them, each of them. `removed` is told the paths of those that are gone."""
        self._archive = archive
        self._folder = folder
        self._stores = stores
        self._removed = removed

    def target(self, item: Item) -> str:
        """See Action."""
        return "archive"

    def carry_out_all(self, tasks: Sequence[Task]) -> Sequence[Failed | None]:
        """See Joint."""
        looks: list[_Look] = []
        waiting: list[_Look] = []
        for task in tasks:
            look = self._look(task)
            looks.append(look)
            waiting.append(look)
            if sum(len(one.instances) for one in waiting) >= _MOST_AT_ONCE:
                self._clear(waiting)
                waiting = []
        self._clear(waiting)
        return [one.failed for one in looks]

    def _look(self, task: Task) -> _Look:
        look = _Look(task, file_of(task))
        if task.job.refused_count:
            look.failed = Refused(f"the file is kept: {task.job.refused_count} of its instances were refused")
            return look
        try:
            look.read = self._folder.status(look.item.path)
            look.instances = [identify(part) for part in self._folder.parts(look.item) if part.content is not None]
        except DianaError as error:
            # gone: by an attempt whose end was not recorded, or by whoever owns it
            look.is_gone = look.read is None and error.reason is Reason.SOURCE_NOT_FOUND
            look.failed = None if look.is_gone else _failed(error)
        return look

    def _clear(self, looks: Sequence[_Look]) -> None:
        """Remove those that the archive has, and let go of what they hold."""
        try:
            with attempted(ARCHIVE):
                missing = self._missing(looks)
        except Failed as failed:
            for one in looks:
                one.failed = one.failed or failed
            return
        for one in looks:
            self._settle(one, missing)
            one.instances = []
        if gone := [one.item.path for one in looks if one.is_gone]:
            self._removed(gone)

    def _missing(self, looks: Sequence[_Look]) -> set[Instance]:
        return {of for store in self._stores for of in self._missing_in(store, looks)}

    def _missing_in(self, store: str, looks: Sequence[_Look]) -> set[Instance]:
        """Those that a store neither has, nor had until a rule took them on from there."""
        asked = [(of.sop_instance_uid, of.data_set_sha256) for one in looks for of in one.instances]
        uids = set(self._archive.find_missing(asked, store=store)) if asked else set()
        if not uids:
            return set()
        missing = {of for one in looks for of in one.instances if of.sop_instance_uid in uids}
        studies = {of.study_uid for of in missing}
        delivered = moved_on(self._archive, store, studies, min(one.task.job.create_time for one in looks))
        return {of for of in missing if (of.sop_instance_uid, of.data_set_sha256) not in delivered}

    def _settle(self, one: _Look, missing: set[Instance]) -> None:
        if one.failed or one.is_gone or one.read is None:
            return
        absent = sum(of in missing for of in one.instances)
        if absent or not one.instances:
            text = (
                f"{absent} of its instances are not in {' and '.join(self._stores)}"
                if absent
                else "nothing in it was stored"
            )
            one.failed = Refused(f"the file is kept: {text}")
            return
        try:
            self._folder.remove(one.item, one.read)
            one.is_gone = True
        except DianaError as error:
            one.failed = _failed(error)


def _failed(error: DianaError) -> Failed:
    failed = file_failure(error)
    return Refused(f"the file is kept: {error.message}") if isinstance(failed, Refused) else failed

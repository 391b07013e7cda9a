"""Storing what is in files: an instance, or the instances of a zip; many files on the same streams."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from diana.archive.v1.feed_pb2 import Evidence, SourceCount
from diana.type.v1.origin_pb2 import Origin
from diana_client import ArchiveClient, MeshError, UploadItem
from diana_common.attempts import Failed, Postponed, Refused, Unreachable
from diana_common.conditions import Condition
from diana_common.errors import DianaError
from diana_route.core.files import Folder, Part
from diana_route.core.journal import Journal
from diana_route.core.model import FileItem, Item, Task
from diana_route.core.parts import dicom_json, read_part
from diana_route.peers.arrivals import Arrival, file_failure
from diana_route.peers.faults import attempted, failure
from diana_route.peers.held import ARCHIVE

DOOR = "folder"
_STREAMS = 1
_ATTEMPTS = 2
_LONGEST_SOURCE = 255

_Told = dict[tuple[str, str], Failed | None]
"""What came of giving a study, by its UID, the attributes of a folder."""


class _Key(NamedTuple):
    """What an upload's answer leads back to."""

    arrival: Arrival
    part: Part


class PutFiles:
    """core.actions.Action, Joint: the instances of a rule's files into a store of the archive.

    The archive answers an instance once it would survive a power cut, so that nothing needs to be asked after it. At
    every further attempt all is sent again, and what is there already stays as it is. Of a zip that came whole the
    archive is told how many instances each study has in it, which completes the study at once; what single files there
    will be nobody knows, and the store's quiet period completes their study. A study has the attributes of its folder
    from its first answer on; one that has others keeps them, and the file is refused.
    """

    def __init__(
        self,
        archive: ArchiveClient,
        folder: Folder,
        journal: Journal,
        store: str,
        when: Condition | None = None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """`when` is asked of each instance: of a zip, others may be what its job was made for. `stopping` says whether
        to read no further."""
        self._archive = archive
        self._folder = folder
        self._journal = journal
        self._store = store
        self._when = when
        self._stopping = stopping

    def target(self, item: Item) -> str:
        """See Action."""
        return "archive"

    def carry_out(self, task: Task) -> None:
        """See Action."""
        (failed,) = self.carry_out_all([task])
        if failed is not None:
            raise failed

    def carry_out_all(self, tasks: Sequence[Task]) -> Sequence[Failed | None]:
        """See Joint."""
        outcomes: dict[int, Failed | None] = {}
        by_source: dict[str, list[Task]] = defaultdict(list)
        for task in tasks:
            by_source[file_of(task).attributes.get("site", "")].append(task)
        zips = [task for some in by_source.values() for task in self._store_all(some, outcomes, len(tasks) == 1)]
        for task in zips:
            self._store_all([task], outcomes, True)
        return [outcomes[task.job.number] for task in tasks]

    def _store_all(self, tasks: Sequence[Task], outcomes: dict[int, Failed | None], with_zips: bool) -> list[Task]:
        """All of one source, so that they share streams; those that are put off, being zips, which may be large."""
        arrivals = [Arrival(task) for task in tasks]
        self._upload(arrivals, with_zips)
        done = [one for one in arrivals if with_zips or not one.is_zip]
        self._give_counts(done)
        self._journal.count_instances({one.task.job.number: one.counted for one in done})
        outcomes.update({one.task.job.number: one.verdict() for one in done})
        return [one.task for one in arrivals if one.task.job.number not in outcomes]

    def _upload(self, arrivals: Sequence[Arrival], with_zips: bool) -> None:
        origin = _origin(arrivals[0].task)
        items = self._items(arrivals, with_zips)
        told: _Told = {}
        try:
            for result in self._archive.upload(
                items, store=self._store, origin=origin, streams=_STREAMS, attempts=_ATTEMPTS
            ):
                result.key.arrival.answer(result.key.part, result)
                if result.error is None:
                    self._give_attributes(result.key.arrival, result.instance.study_uid, told)
        except MeshError as error:
            failed = failure(ARCHIVE, error)
            for one in arrivals:
                if not one.is_settled:  # no file is to blame for what ended them all
                    one.fail(failed if isinstance(failed, Unreachable) else Postponed(failed.why))

    def _items(self, arrivals: Sequence[Arrival], with_zips: bool) -> Iterator[UploadItem]:
        for arrival in arrivals:
            try:
                yield from self._parts(arrival, with_zips)
            except DianaError as error:
                arrival.fail(file_failure(error))

    def _parts(self, arrival: Arrival, with_zips: bool) -> Iterator[UploadItem]:
        for part in self._folder.parts(file_of(arrival.task)):
            arrival.is_zip = bool(part.label)
            if self._stopping() or (arrival.is_zip and not with_zips):
                return
            if isinstance(part.content, DianaError):
                arrival.leave_out(part, part.content)
            elif part.content is not None and self._is_wanted(arrival, part):
                arrival.sent()
                yield UploadItem(_Key(arrival, part), part.content, part.size)
        arrival.read()

    def _is_wanted(self, arrival: Arrival, part: Part) -> bool:
        if self._when is None:
            return True
        try:
            return self._when(dicom_json(read_part(part)))
        except DianaError as error:
            arrival.leave_out(part, error)
            return False

    def _give_attributes(self, one: Arrival, study_uid: str, told: _Told) -> None:
        """While its other instances are on their way: its store may complete the study whenever it rests."""
        item = file_of(one.task)
        key = (study_uid, item.path.rpartition("/")[0])
        if item.attributes and key not in told:
            told[key] = self._set_attributes(one, study_uid)
        if failed := told.get(key):
            one.fail(failed)

    def _set_attributes(self, one: Arrival, study_uid: str) -> Failed | None:
        """Refused where the study has others: whoever can write into one folder has no say in another's."""
        attributes = file_of(one.task).attributes
        try:
            with attempted(ARCHIVE):
                there = self._archive.study(study_uid, store=self._store).attributes
                if any(there.get(key, value) != value for key, value in attributes.items()):
                    return Refused("the study came from another folder already")
                if any(key not in there for key in attributes):
                    self._archive.update_attributes(study_uid, attributes, store=self._store, origin=_origin(one.task))
        except Failed as failed:
            return failed
        return None

    def _give_counts(self, arrivals: Sequence[Arrival]) -> None:
        """Tell how many instances the studies of whole zips have, which completes them."""
        for one in arrivals:
            if not (one.is_zip and one.is_whole and one.verdict() is None):
                continue
            try:
                with attempted(ARCHIVE):
                    self._give_count(one)
            except Failed as failed:
                one.fail(failed)

    def _give_count(self, one: Arrival) -> None:
        for study_uid, count in one.studies.items():
            evidence = Evidence(source_count=SourceCount(instance_count=count))
            self._archive.record_evidence(study_uid, evidence, store=self._store, origin=_origin(one.task))


def _origin(task: Task) -> Origin:
    """What bears it is the job's work. Files that go together are the first one's: all their trails are the same."""
    source = file_of(task).attributes.get("site", "")[:_LONGEST_SOURCE]
    return Origin(door=DOOR, rule=task.job.rule, operation=task.job.name, source=source)


def file_of(task: Task) -> FileItem:
    """The file that a task is about. Raises Refused for what is none."""
    if not isinstance(task.job.item, FileItem):
        raise Refused("only what lies in a folder can be put into a store")
    return task.job.item

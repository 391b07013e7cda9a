"""Storing what is in files: an instance, or the instances of a zip; many files on the same streams."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from diana.archive.v1.feed_pb2 import Evidence, SourceCount
from diana_client import ArchiveClient, MeshError, NotFound, UploadItem
from diana_common.attempts import Failed, Postponed, Unreachable
from diana_common.conditions import Condition
from diana_common.errors import DianaError
from diana_route.core.actions import Joint
from diana_route.core.files import Folder, Part
from diana_route.core.journal import Journal
from diana_route.core.model import Item, Task
from diana_route.core.parts import dicom_json, read_part
from diana_route.peers.arrivals import Arrival, file_failure
from diana_route.peers.claims import Claims, file_of, origin_of
from diana_route.peers.faults import attempted, failure
from diana_route.peers.held import ARCHIVE

_STREAMS = 1
_ATTEMPTS = 2


class _Key(NamedTuple):
    """What an upload's answer leads back to."""

    arrival: Arrival
    part: Part


class PutFiles(Joint):
    """core.actions.Action, Joint: the instances of a rule's files into a store of the archive.

    The archive answers an instance once it would survive a power cut, so that nothing needs to be asked after it. At
    every further attempt all is sent again, and what is there already stays as it is. Of a zip that came whole the
    archive is told how many instances each study has in it, which completes the study at once; what single files there
    will be nobody knows, and the store's quiet period completes their study. A study has the attributes of its folder
    from its first answer on; one that came from another folder is left as it is, and the file is refused.
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
        origin = origin_of(arrivals[0].task)
        claims = Claims(self._archive, self._store, self._journal)
        items = self._items(arrivals, with_zips, claims)
        try:
            for result in self._archive.upload(
                items, store=self._store, origin=origin, streams=_STREAMS, attempts=_ATTEMPTS
            ):
                result.key.arrival.answer(result.key.part, result)
                if result.error is None:
                    _claim(result.key.arrival, result.instance.study_uid, claims.take)
        except MeshError as error:
            failed = failure(ARCHIVE, error)
            for one in arrivals:
                if not one.is_settled:  # no file is to blame for what ended them all
                    one.fail(failed if isinstance(failed, Unreachable) else Postponed(failed.why))

    def _items(self, arrivals: Sequence[Arrival], with_zips: bool, claims: Claims) -> Iterator[UploadItem]:
        for arrival in arrivals:
            try:
                yield from self._parts(arrival, with_zips, claims)
            except DianaError as error:
                arrival.fail(file_failure(error))

    def _parts(self, arrival: Arrival, with_zips: bool, claims: Claims) -> Iterator[UploadItem]:
        for part in self._folder.parts(file_of(arrival.task)):
            arrival.is_zip = bool(part.label)
            if self._stopping() or (arrival.is_zip and not with_zips):
                return
            if isinstance(part.content, DianaError):
                arrival.leave_out(part, part.content)
            elif part.content is not None and self._is_wanted(arrival, part, claims):
                arrival.sent()
                yield UploadItem(_Key(arrival, part), part.content, part.size)
        arrival.read()

    def _is_wanted(self, arrival: Arrival, part: Part, claims: Claims) -> bool:
        """Whether the condition holds for it, and its study is no other folder's."""
        if self._when is None and not file_of(arrival.task).attributes:
            return True
        try:
            header = read_part(part)
        except DianaError as error:
            if self._when is None:
                return True  # the archive says what is wrong with it
            arrival.leave_out(part, error)
            return False
        if self._when is not None and not self._when(dicom_json(header)):
            return False
        return _claim(arrival, header.study_uid, claims.look)

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
            with suppress(NotFound):  # it was complete without us, and a rule took it on
                self._archive.record_evidence(study_uid, evidence, store=self._store, origin=origin_of(one.task))


def _claim(arrival: Arrival, study_uid: str, how: Callable[[Task, str], Failed | None]) -> bool:
    """Whether nothing is against a study's being the folder's; what is, its file is refused for."""
    failed = how(arrival.task, study_uid)
    if failed is not None:
        arrival.fail(failed)
    return failed is None

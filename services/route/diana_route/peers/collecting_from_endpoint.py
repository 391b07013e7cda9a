"""An endpoint of the configuration as a collection's source: found and got, or read through where it cannot find."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from diana.archive.v1.feed_pb2 import Evidence, SourceCount
from diana_client import ArchiveClient, UploadItem
from diana_client.collect import SOURCE_KEYS
from diana_common.attempts import Failed, Postponed, Refused
from diana_common.dicomjson import first_value
from diana_common.errors import DianaError, Reason
from diana_endpoints.headers import fill_header
from diana_endpoints.items import Item
from diana_endpoints.pieces import upload_source
from diana_endpoints.protocol.endpoint import Endpoint
from diana_endpoints.protocol.items import Finder, Getter, Lister
from diana_endpoints.protocol.query import Query
from diana_route.core.collecting import Collected
from diana_route.core.model import Task
from diana_route.peers.collecting_from_peer import is_wanted
from diana_route.peers.endpoints import Endpoints, attempting, item_refusal
from diana_route.peers.faults import attempted, failure
from diana_route.peers.held import ARCHIVE, origin

_ACCESSION_NUMBER, _STUDY_UID, _INSTANCE_COUNT = "00080050", "0020000D", "00201208"


@dataclass
class _Catalogue:
    """Where the instances of an endpoint lie that can only list them."""

    studies: dict[str, list[Any]] = field(default_factory=dict)
    accessions: dict[str, set[str]] = field(default_factory=dict)

    def add(self, item: Item) -> None:
        """Note one; what cannot be read, or is no instance, is passed over. Raises OSError."""
        try:
            fill_header(item)
        except DianaError:
            return
        study_uid, named = item.meta.get("study_uid"), item.meta.get("id")
        if not study_uid or named is None:
            return
        self.studies.setdefault(study_uid, []).append(named)
        if number := (first_value(item.header or {}, _ACCESSION_NUMBER) or "").strip():
            self.accessions.setdefault(number, set()).add(study_uid)


class EndpointSource:
    """Studies of an endpoint, for one run of one collection. One that cannot find, or only by reading all that it has,
    is read through once."""

    def __init__(
        self, name: str, endpoints: Endpoints, archive: ArchiveClient, stopping: Callable[[], bool] = lambda: False
    ) -> None:
        """`stopping`: whether to end between two instances."""
        self._name, self._endpoints, self._archive, self._stopping = name, endpoints, archive, stopping
        self._catalogue: _Catalogue | None = None
        self._asks = not endpoints.reads_through(name)

    def studies(self, item: Collected) -> Iterator[dict[str, Any]]:
        """What the endpoint says of an item's studies, as DICOM JSON. Raises Failed."""
        with self._endpoints.opened(self._name) as endpoint:
            if self._asks and isinstance(endpoint, Finder):
                yield from _asked(endpoint, item)
                return
            for study_uid in self._listed(endpoint, item):
                for one in self._got(endpoint, study_uid):
                    fill_header(one)
                    yield one.header or {}
                    break

    def find(self, item: Collected) -> Sequence[str]:
        """See Steps."""
        with self._endpoints.opened(self._name) as endpoint:
            if self._asks and isinstance(endpoint, Finder):
                found = (first_value(header, _STUDY_UID) or "" for header in _asked(endpoint, item))
                return sorted({uid for uid in found if uid})
            return self._listed(endpoint, item)

    def retrieve(self, item: Collected, task: Task, store: str) -> None:
        """Bring a study, whole by the endpoint's own count where it tells. Raises Failed."""
        upload = _Upload(item.study_uid, self._stopping)
        with self._endpoints.opened(self._name) as endpoint:
            expected = _count(endpoint, item) if self._asks else 0
            with attempted(ARCHIVE):
                items = upload.items(self._got(endpoint, item.study_uid))
                self._store(items, upload, task, store)
        upload.check(self._name, expected)
        with attempted(ARCHIVE):
            evidence = Evidence(source_count=SourceCount(instance_count=len(upload.stored)))
            self._archive.record_evidence(item.study_uid, evidence, store=store, origin=origin(task.job))

    def _store(self, items: Iterator[UploadItem], upload: _Upload, task: Task, store: str) -> None:
        with closing(self._archive.upload(items, store=store, origin=origin(task.job))) as results:
            for result in results:
                if result.error:
                    upload.failed.append(failure(ARCHIVE, result.error))
                else:
                    upload.stored.add(result.instance.sop_instance_uid)

    def _got(self, endpoint: Endpoint, study_uid: str) -> Iterator[Item]:
        """The instances of a study. What the endpoint raises is Failed, wherever it is raised."""
        with attempting(self._name):
            if not isinstance(endpoint, Getter):
                raise Refused(f"endpoint {self._name} gives nothing back")
            if self._asks and self._catalogue is None:
                try:
                    yield from endpoint.get(Item({"study_uid": study_uid}))
                    return
                except DianaError as error:
                    if error.reason is not Reason.INVALID_FIELD or not isinstance(endpoint, Lister):
                        raise
            for one in self._read_through(endpoint).studies.get(study_uid, ()):
                yield from endpoint.get(Item({"id": one}))

    def _listed(self, endpoint: Endpoint, item: Collected) -> Sequence[str]:
        """The studies of an endpoint that cannot find."""
        if item.study_uid and self._asks:
            return (item.study_uid,)  # whether it is there, getting it tells
        if not isinstance(endpoint, Lister):
            raise Refused(f"endpoint {self._name} cannot find studies by accession number")
        catalogue = self._read_through(endpoint)
        if item.study_uid:
            return (item.study_uid,) if item.study_uid in catalogue.studies else ()
        return sorted(catalogue.accessions.get(item.accession_number, ()))

    def _read_through(self, endpoint: Endpoint) -> _Catalogue:
        if self._catalogue is None and isinstance(endpoint, Lister):
            catalogue = _Catalogue()
            for one in endpoint.list():
                if self._stopping():
                    raise Postponed(f"endpoint {self._name} is being read through")
                if not one.failure:
                    catalogue.add(one)
            self._catalogue = catalogue
        return self._catalogue or _Catalogue()


@dataclass
class _Upload:
    """What became of the instances of one study."""

    study_uid: str
    stopping: Callable[[], bool]
    stored: set[str] = field(default_factory=set)
    failed: list[Failed] = field(default_factory=list)
    is_cut: bool = False

    def items(self, got: Iterator[Item]) -> Iterator[UploadItem]:
        """What is to be stored of what was got."""
        for one in got:
            if self.stopping():
                self.is_cut = True
                return
            if one.failure:
                self.failed.append(item_refusal("", one.failure))
            elif self._fits(one):
                yield UploadItem(
                    one.meta["sop_instance_uid"], upload_source(one), one.content.size if one.content else 0
                )

    def check(self, name: str, expected: int) -> None:
        """Raises Failed unless all is stored."""
        if self.is_cut:
            raise Postponed("it was interrupted, and is gone on with")
        if self.failed:
            count = len(self.failed)
            raise type(self.failed[0])(f"{count} instances of endpoint {name} cannot be had: {self.failed[0].why}")
        if not self.stored:
            raise Refused(f"endpoint {name} has nothing of the study")
        if len(self.stored) < expected:
            raise Postponed(f"endpoint {name} gave {len(self.stored)} of {expected} instances")

    def _fits(self, one: Item) -> bool:
        """Whether it is an instance of the study: others are left."""
        fill_header(one)
        return bool(one.content) and one.meta.get("study_uid") == self.study_uid


def _asked(endpoint: Finder, item: Collected) -> Iterator[dict[str, Any]]:
    key, value = ("StudyInstanceUID", item.study_uid) if item.study_uid else ("AccessionNumber", item.accession_number)
    for found in endpoint.find(Query("study", {key: [value]}, return_keys=SOURCE_KEYS)):
        if found.failure:
            raise item_refusal("", found.failure)
        header = found.header or {}
        if uid := found.meta.get("study_uid"):
            header = {_STUDY_UID: {"vr": "UI", "Value": [str(uid)]}, **header}
        if is_wanted(item, header):
            yield header


def _count(endpoint: Endpoint, item: Collected) -> int:
    """How many instances the endpoint says a study has; 0 where it does not."""
    if not isinstance(endpoint, Finder):
        return 0
    asked = Query("study", {"StudyInstanceUID": [item.study_uid]}, return_keys=("NumberOfStudyRelatedInstances",))
    told = [first_value(found.header or {}, _INSTANCE_COUNT) for found in endpoint.find(asked)]
    return max((int(count) for count in told if count and str(count).isdigit()), default=0)

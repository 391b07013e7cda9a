"""The archive's client, synchronous: upload, download, list, delete, attributes, the change feed."""

from __future__ import annotations

import uuid
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1.archive_service_pb2_grpc import ArchiveServiceStub
from diana.archive.v1.feed_pb2 import CompletionReason, Evidence
from diana.archive.v1.resources_pb2 import Instance, Series, Store, Study
from diana.operation.v1.operation_service_pb2 import Operation
from diana.type.v1.origin_pb2 import Origin
from diana_client.adopting import Adoption
from diana_client.archive_requests import ATTEMPTS, WINDOW, ReadCheck, digests, select
from diana_client.calls import LARGEST_PAGE, Caller
from diana_client.channel import Channel
from diana_client.download import DownloadedInstance, InstanceFile, SavedInstance, assembled, instances
from diana_client.feed import FeedWatch, watch_request
from diana_client.items import Uploadable, UploadResult
from diana_client.upload import Upload


class ArchiveClient(Caller):
    """Talks to `ArchiveService`. Safe to share between threads. An empty `store` means "default".

    Every method raises `MeshError` and its subclasses only, and what the caller's own iterables raise.
    `stub` is the generated stub, for what has no method here and for single pages.
    """

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self.stub = ArchiveServiceStub(channel.raw)
        self._raw = channel.raw

    def upload(
        self,
        items: Iterable[Uploadable],
        *,
        store: str = "",
        origin: Origin | None = None,
        streams: int = 1,
        window: int = WINDOW,
        attempts: int = ATTEMPTS,
        timeout: float | None = None,
    ) -> Generator[UploadResult, None, None]:
        """Upload instances; yields a result for each as soon as it is durable or refused, in that order.

        A refused item comes as a result with its `error`. `items` may be endless: it is read in a thread of
        its own, and only while less than `window` bytes wait for their results to be taken. What breaks
        with the connection is sent again, as far as it can be read again; of what is large (64 MiB and more),
        only what the archive lacks. That holds after this program was killed and started anew too, for files
        and for items with an `upload_id`. `timeout` is the seconds each stream may last. Raises Unavailable
        after `attempts` streams broke one after another.
        """
        return Upload(self._raw, store, origin, window, attempts, timeout).run(items, streams)

    def adopt(
        self, names: Iterable[str], *, spool: str, store: str = "", origin: Origin | None = None
    ) -> Generator[UploadResult, None, None]:
        """Have the archive, on this same host, take files over from the spool directory that it knows as `spool`.

        `names` are those of files there, whole and closed; it may be endless. Yields a result for each as it comes,
        its key the name; files are gone from the spool then, except after ResourceExhausted, Unavailable and
        InternalError. What was not answered when the connection breaks may be asked for again. Raises
        PermissionDenied when no such spool is open or this is another host.
        """
        return Adoption(self.stub.AdoptInstances, spool, store, origin).run(names)

    def find_missing(self, instances: Iterable[str | tuple[str, bytes]], *, store: str = "") -> Iterator[str]:
        """The SOP Instance UIDs of those that the store lacks, in order.

        Each is a UID, or a pair of UID and data set digest (SHA-256): another data set then counts as missing.
        """
        for batch in digests(instances):
            request = pb.FindMissingInstancesRequest(store=store, instances=batch)
            yield from self._ask(self.stub.FindMissingInstances, request).missing_sop_instance_uids

    def read(
        self, sop_instance_uid: str, *, store: str = "", version: str = "", offset: int = 0, limit: int = 0
    ) -> Generator[bytes, None, None]:
        """One instance's bytes in pieces of about 1 MiB: from `offset`, `limit` bytes at most (0: to the end)."""
        request = pb.ReadInstanceRequest(
            store=store, sop_instance_uid=sop_instance_uid, version=version, read_offset=offset, read_limit=limit
        )
        check = ReadCheck(request)
        with closing(self._stream(self.stub.ReadInstance, request)) as responses:
            for response in responses:
                yield check.accept(response)
        check.check_complete()

    def download(
        self,
        study_uid: str = "",
        *,
        series_uid: str = "",
        sop_instance_uids: str | Iterable[str] = (),
        store: str = "",
    ) -> Generator[DownloadedInstance, None, None]:
        """All current instances of a study, of a series, or named ones, in one stream.

        Take each one's data before asking for the next. Raises NotFound when nothing is selected.
        """
        request = pb.DownloadInstancesRequest(store=store, selector=select(study_uid, series_uid, sop_instance_uids))
        return instances(assembled(self._stream(self.stub.DownloadInstances, request)))

    def download_to(
        self,
        folder: Path,
        study_uid: str = "",
        *,
        series_uid: str = "",
        sop_instance_uids: str | Iterable[str] = (),
        store: str = "",
    ) -> Generator[SavedInstance, None, None]:
        """As `download`, into files STUDY/SERIES/SOP-INSTANCE.dcm under `folder`, each there whole or not at all.

        Files of the same name are replaced. Raises OSError when the folder cannot be written.
        """
        selected = self.download(study_uid, series_uid=series_uid, sop_instance_uids=sop_instance_uids, store=store)
        with closing(selected):
            for downloaded in selected:
                with InstanceFile(folder, downloaded.instance) as file:
                    for data in downloaded:
                        file.write(data)
                yield file.saved

    def header(self, sop_instance_uid: str, *, store: str = "", version: str = "") -> pb.GetInstanceHeaderResponse:
        """An instance and its header as DICOM JSON."""
        request = pb.GetInstanceHeaderRequest(store=store, sop_instance_uid=sop_instance_uid, version=version)
        return self._ask(self.stub.GetInstanceHeader, request)

    def stores(self) -> Sequence[Store]:
        """The archive's stores, by name."""
        return self._ask(self.stub.ListStores, pb.ListStoresRequest()).stores

    def study(self, study_uid: str, *, store: str = "") -> Study:
        """One study's summary and attributes."""
        return self._ask(self.stub.GetStudy, pb.GetStudyRequest(store=store, study_uid=study_uid)).study

    def studies(self, *, store: str = "", page_size: int = LARGEST_PAGE) -> Iterator[Study]:
        """All studies, by Study Instance UID."""
        request = pb.ListStudiesRequest(store=store, page_size=page_size)
        return self._pages(self.stub.ListStudies, request, lambda page: page.studies)

    def series(self, study_uid: str, *, store: str = "", page_size: int = LARGEST_PAGE) -> Iterator[Series]:
        """A study's series, by Series Instance UID."""
        request = pb.ListSeriesRequest(store=store, study_uid=study_uid, page_size=page_size)
        return self._pages(self.stub.ListSeries, request, lambda page: page.series)

    def instances(
        self,
        study_uid: str,
        series_uid: str = "",
        *,
        store: str = "",
        show_all: bool = False,
        page_size: int = LARGEST_PAGE,
    ) -> Iterator[Instance]:
        """A study's or a series' instances; `show_all` adds older versions and deleted ones."""
        request = pb.ListInstancesRequest(
            store=store, study_uid=study_uid, series_uid=series_uid, show_all=show_all, page_size=page_size
        )
        return self._pages(self.stub.ListInstances, request, lambda page: page.instances)

    def delete(
        self,
        study_uid: str = "",
        *,
        series_uid: str = "",
        sop_instance_uids: str | Iterable[str] = (),
        store: str = "",
        origin: Origin | None = None,
    ) -> pb.DeleteInstancesResponse:
        """Delete instances, selected as in `download`; they can come back within the store's grace period."""
        selector = select(study_uid, series_uid, sop_instance_uids)
        request = pb.DeleteInstancesRequest(store=store, selector=selector, origin=origin)
        return self._ask(self.stub.DeleteInstances, request)

    def undelete(
        self,
        study_uid: str = "",
        *,
        series_uid: str = "",
        sop_instance_uids: str | Iterable[str] = (),
        store: str = "",
        origin: Origin | None = None,
    ) -> pb.UndeleteInstancesResponse:
        """Bring deleted instances back."""
        selector = select(study_uid, series_uid, sop_instance_uids)
        request = pb.UndeleteInstancesRequest(store=store, selector=selector, origin=origin)
        return self._ask(self.stub.UndeleteInstances, request)

    def update_attributes(
        self,
        study_uid: str,
        attributes: Mapping[str, str] | None = None,
        *,
        remove: Iterable[str] = (),
        store: str = "",
        origin: Origin | None = None,
    ) -> pb.UpdateStudyAttributesResponse:
        """Set and remove a study's plain attributes. They must not hold patient values."""
        request = pb.UpdateStudyAttributesRequest(
            store=store, study_uid=study_uid, set=attributes, remove=remove, origin=origin
        )
        return self._ask(self.stub.UpdateStudyAttributes, request)

    def seal_attributes(
        self, study_uid: str, attributes: Mapping[str, str], *, store: str = "", origin: Origin | None = None
    ) -> pb.SealStudyAttributesResponse:
        """Add attributes to a study that are kept encrypted."""
        request = pb.SealStudyAttributesRequest(store=store, study_uid=study_uid, attributes=attributes, origin=origin)
        return self._ask(self.stub.SealStudyAttributes, request)

    def unseal_attributes(self, study_uid: str, *, store: str = "") -> dict[str, str]:
        """A study's sealed attributes, in the open."""
        request = pb.UnsealStudyAttributesRequest(store=store, study_uid=study_uid)
        return dict(self._ask(self.stub.UnsealStudyAttributes, request).attributes)

    def complete(
        self,
        study_uid: str,
        reason: CompletionReason.ValueType,
        *,
        expected_instances: int | None = None,
        store: str = "",
        origin: Origin | None = None,
    ) -> str:
        """Declare a study complete; returns the feed position after that."""
        request = pb.CompleteStudyRequest(
            store=store, study_uid=study_uid, reason=reason, expected_instance_count=expected_instances, origin=origin
        )
        return self._ask(self.stub.CompleteStudy, request).position

    def record_evidence(
        self, study_uid: str, evidence: Evidence, *, store: str = "", origin: Origin | None = None
    ) -> pb.RecordEvidenceResponse:
        """Tell what is known about a study's completeness; it may come before the study.

        `evidence` is a session's end, the source's own count, or a procedure step. The answer says whether the study
        is believed complete now.
        """
        request = pb.RecordEvidenceRequest(store=store, study_uid=study_uid, evidence=evidence, origin=origin)
        return self._ask(self.stub.RecordEvidence, request)

    def statistics(self, *, store: str = "") -> pb.GetStatisticsResponse:
        """A store's counts and sizes."""
        return self._ask(self.stub.GetStatistics, pb.GetStatisticsRequest(store=store))

    def verify(self, *, store: str = "", repair: bool = False, request_id: str = "") -> Operation:
        """Start to hold a store's bytes against their digests; follow it with `OperationClient` on the same channel.

        The result is a `VerifyStoreResult`. Calls with the same `request_id` start one verification.
        """
        request = pb.VerifyStoreRequest(request_id=request_id or str(uuid.uuid4()), store=store, repair=repair)
        return self._ask(self.stub.VerifyStore, request).operation

    def import_instances(
        self, path: str, *, store: str = "", origin: Origin | None = None, request_id: str = ""
    ) -> Operation:
        """Start to store what lies under a path of the archive's host: a folder, a zip file, a DICOMDIR or one file.

        Follow it with `OperationClient` on the same channel; its result is an `ImportInstancesResult`, its failures
        name the files that were refused. Raises PermissionDenied outside the archive's import_dirs.
        """
        request = pb.ImportInstancesRequest(
            request_id=request_id or str(uuid.uuid4()), store=store, path=path, origin=origin
        )
        return self._ask(self.stub.ImportInstances, request).operation

    def back_up(self, *, request_id: str = "") -> Operation:
        """Start to bring the archive's backup up to date; follow it with `OperationClient` on the same channel.

        The result is a `BackUpArchiveResult`.
        """
        request = pb.BackUpArchiveRequest(request_id=request_id or str(uuid.uuid4()))
        return self._ask(self.stub.BackUpArchive, request).operation

    def watch_feed(
        self,
        after_position: str = "",
        *,
        after_time: datetime | None = None,
        stores: Iterable[str] = (),
        stop_at_head: bool = False,
        omit_headers: bool = False,
        reconnect: bool = False,
    ) -> FeedWatch:
        """Follow the changes after a position, and after a time with a zone. `cancel` on it ends it, from any thread.

        With `reconnect`, a broken connection is made anew from the last position, for as long as it takes.
        Raises FailedPrecondition (EPOCH_CHANGED) when the archive was restored or rebuilt since.
        """
        request = watch_request(after_position, after_time, stores, stop_at_head, omit_headers)
        return FeedWatch(self.stub.WatchFeed, request, reconnect)

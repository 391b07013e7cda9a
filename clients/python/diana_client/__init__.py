"""The client of DIANA mesh: needs grpcio and protobuf, and no server code.

    from diana_client import ArchiveClient, IndexClient, connect

    with connect("127.0.0.1:50061") as archive, connect("127.0.0.1:50062") as index:
        for result in ArchiveClient(archive).upload(["a.dcm", "b.dcm"]):
            print(result.key, result.error or result.instance.sop_instance_uid)
        for record in IndexClient(index).find("study", {"PatientID": "P1"}, at_least_position=result.position):
            print(record.study_uid)

Methods take plain arguments and return the contract's messages (`diana.archive.v1` and so on); they
raise `MeshError` and its subclasses. Each client has a twin for asyncio, named `Async...`.
"""

from diana_client.anon import AnonClient, AnonymizedFile, AsyncAnonClient, AsyncAnonymizedFile, study_result
from diana_client.archive import ArchiveClient
from diana_client.archive_async import AsyncArchiveClient
from diana_client.channel import AsyncChannel, Channel, TlsOptions, connect, connect_async
from diana_client.cohorts import AsyncCohortClient, CohortClient, frozen_cohort
from diana_client.download import AsyncDownloadedInstance, DownloadedInstance, SavedInstance
from diana_client.errors import (
    BadAnswer,
    Cancelled,
    Conflict,
    DataLoss,
    DeadlineExceeded,
    FailedPrecondition,
    InternalError,
    InvalidRequest,
    MeshError,
    NotFound,
    OutOfRange,
    PermissionDenied,
    ResourceExhausted,
    SourceUnreadable,
    Unavailable,
)
from diana_client.feed import FeedWatch
from diana_client.folders import AsyncFolderClient, AsyncFolderFile, FileUnreadable, FolderClient, FolderFile
from diana_client.guid import AsyncGuidClient, GuidClient, Minted, subject
from diana_client.health import AsyncHealthClient, HealthClient, Serving
from diana_client.index import AsyncIndexClient, IndexClient, record_attributes
from diana_client.items import UploadItem, UploadResult
from diana_client.notify import AsyncNotifyClient, NotifyClient
from diana_client.operation import AsyncOperationClient, OperationClient, has_ended, raise_if_failed
from diana_client.reports import AsyncReportClient, ReportClient

__all__ = [
    "AnonClient",
    "AnonymizedFile",
    "ArchiveClient",
    "AsyncAnonClient",
    "AsyncAnonymizedFile",
    "AsyncArchiveClient",
    "AsyncChannel",
    "AsyncCohortClient",
    "AsyncDownloadedInstance",
    "AsyncFolderClient",
    "AsyncFolderFile",
    "AsyncGuidClient",
    "AsyncHealthClient",
    "AsyncIndexClient",
    "AsyncNotifyClient",
    "AsyncOperationClient",
    "AsyncReportClient",
    "BadAnswer",
    "Cancelled",
    "Channel",
    "CohortClient",
    "Conflict",
    "DataLoss",
    "DeadlineExceeded",
    "DownloadedInstance",
    "FailedPrecondition",
    "FeedWatch",
    "FileUnreadable",
    "FolderClient",
    "FolderFile",
    "GuidClient",
    "HealthClient",
    "IndexClient",
    "InternalError",
    "InvalidRequest",
    "MeshError",
    "Minted",
    "NotFound",
    "NotifyClient",
    "OperationClient",
    "OutOfRange",
    "PermissionDenied",
    "ReportClient",
    "ResourceExhausted",
    "SavedInstance",
    "Serving",
    "SourceUnreadable",
    "TlsOptions",
    "Unavailable",
    "UploadItem",
    "UploadResult",
    "connect",
    "connect_async",
    "frozen_cohort",
    "has_ended",
    "raise_if_failed",
    "record_attributes",
    "study_result",
    "subject",
]

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

from diana_client.anon import AnonClient, AnonymizedFile, AsyncAnonClient, AsyncAnonymizedFile
from diana_client.anon_requests import studies_result, study_result
from diana_client.archive import ArchiveClient
from diana_client.archive_async import AsyncArchiveClient
from diana_client.channel import AsyncChannel, Channel, TlsOptions, connect, connect_async
from diana_client.cohorts import AsyncCohortClient, CohortClient, frozen_cohort
from diana_client.collect import AsyncCollectClient, CollectClient, collect_request
from diana_client.crosswalk import AsyncCrosswalkClient, CrosswalkClient, reidentification_digest
from diana_client.dimse import AsyncDimseClient, DimseClient
from diana_client.dimse_requests import retrieve_result, send_result
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
from diana_client.keys import AsyncKeyClient, KeyClient
from diana_client.notify import AsyncNotifyClient, NotifyClient
from diana_client.operation import AsyncOperationClient, OperationClient, has_ended, raise_if_failed
from diana_client.profiles import AsyncProfileClient, ProfileClient
from diana_client.receipts import AsyncReceiptClient, ReceiptClient
from diana_client.reports import AsyncReportClient, ReportClient
from diana_client.route import AsyncRouteClient, RouteClient
from diana_client.submitting import Submission
from diana_client.verifying import ReceiptInvalid, file_sha256, verify_receipt

__all__ = [
    "AnonClient",
    "AnonymizedFile",
    "ArchiveClient",
    "AsyncAnonClient",
    "AsyncAnonymizedFile",
    "AsyncArchiveClient",
    "AsyncChannel",
    "AsyncCohortClient",
    "AsyncCollectClient",
    "AsyncCrosswalkClient",
    "AsyncDimseClient",
    "AsyncDownloadedInstance",
    "AsyncFolderClient",
    "AsyncFolderFile",
    "AsyncGuidClient",
    "AsyncHealthClient",
    "AsyncIndexClient",
    "AsyncKeyClient",
    "AsyncNotifyClient",
    "AsyncOperationClient",
    "AsyncProfileClient",
    "AsyncReceiptClient",
    "AsyncReportClient",
    "AsyncRouteClient",
    "BadAnswer",
    "Cancelled",
    "Channel",
    "CohortClient",
    "CollectClient",
    "Conflict",
    "CrosswalkClient",
    "DataLoss",
    "DeadlineExceeded",
    "DimseClient",
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
    "KeyClient",
    "MeshError",
    "Minted",
    "NotFound",
    "NotifyClient",
    "OperationClient",
    "OutOfRange",
    "PermissionDenied",
    "ProfileClient",
    "ReceiptClient",
    "ReceiptInvalid",
    "ReportClient",
    "ResourceExhausted",
    "RouteClient",
    "SavedInstance",
    "Serving",
    "SourceUnreadable",
    "Submission",
    "TlsOptions",
    "Unavailable",
    "UploadItem",
    "UploadResult",
    "collect_request",
    "connect",
    "connect_async",
    "file_sha256",
    "frozen_cohort",
    "has_ended",
    "raise_if_failed",
    "record_attributes",
    "reidentification_digest",
    "retrieve_result",
    "send_result",
    "studies_result",
    "study_result",
    "subject",
    "verify_receipt",
]

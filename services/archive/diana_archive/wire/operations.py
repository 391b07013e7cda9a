"""What operations came to."""

from __future__ import annotations

from diana.archive.v1 import archive_service_pb2 as pb
from diana_archive.core.backing_up import BackedUp
from diana_archive.core.importing import Imported
from diana_archive.core.verifying import Verified


def verify_result(verified: Verified) -> pb.VerifyStoreResult:
    """The result of a verification."""
    return pb.VerifyStoreResult(
        instance_count=verified.instance_count,
        size_bytes=verified.size_bytes,
        damaged_count=verified.damaged_count,
        orphan_count=verified.orphan_count,
    )


def import_result(imported: Imported) -> pb.ImportInstancesResult:
    """The result of an import."""
    return pb.ImportInstancesResult(
        file_count=imported.file_count,
        stored_count=imported.stored_count,
        already_stored_count=imported.already_stored_count,
        refused_count=imported.refused_count,
        skipped_count=imported.skipped_count,
        stored_bytes=imported.stored_bytes,
    )


def backup_result(done: BackedUp) -> pb.BackUpArchiveResult:
    """The result of a backup."""
    return pb.BackUpArchiveResult(
        instance_count=done.instance_count, copied_count=done.copied_count, copied_bytes=done.copied_bytes
    )

"""The archive's long work, as operations; one that was cut short goes on where it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from diana.archive.v1 import archive_service_pb2 as pb
from diana_archive.core.archive import Archive
from diana_archive.core.importing import Imported, ImportSources
from diana_archive.core.ports import Backup
from diana_archive.core.verifying import Verified
from diana_archive.wire import operations, resources
from diana_common.errors import DianaError, Reason
from diana_common.settings import config_invalid
from diana_server.operations import Operation, OperationQueue, Work

VERIFY = "archive.verify"
BACKUP = "archive.backup"
IMPORT = "archive.import"
_FILES_A_CHECKPOINT = 100
_MOST_FAILURES = 10_000
"""Of an import, in its operation; those after them are counted only."""


class LongWork:
    """Starts the archive's operations, and does them when their turn comes."""

    def __init__(
        self,
        archive: Archive,
        queue: OperationQueue,
        backup: Callable[[], Backup] | None,
        sources: ImportSources | None,
    ) -> None:
        """`backup` opens the place of backups, where there is one; `sources` is where imports may come from."""
        self._archive = archive
        self._queue = queue
        self._backup = backup
        self._sources = sources
        queue.register(VERIFY, self._verify)
        queue.register(BACKUP, self._back_up)
        queue.register(IMPORT, self._import)

    def start_verify(self, request: pb.VerifyStoreRequest) -> Operation:
        """Start to verify a store, or join the operation that does."""
        store = self._archive.policies.find(request.store).name
        payload = pb.VerifyStoreRequest(store=store, repair=request.repair).SerializeToString(deterministic=True)
        return self._queue.submit_or_join(VERIFY, payload, store, request.request_id)

    def start_backup(self, request: pb.BackUpArchiveRequest) -> Operation:
        """Start a backup, or join the one that runs. Raises DianaError CONFIG_INVALID without a place for it."""
        if self._backup is None:
            raise config_invalid("backup_dir", "is not configured")
        return self._queue.submit_or_join(BACKUP, request_id=request.request_id)

    def start_import(self, request: pb.ImportInstancesRequest) -> Operation:
        """Start an import. Its path is in the operation's payload, which no RPC shows."""
        store = self._archive.policies.find(request.store).name
        resources.to_origin(request.origin)
        kept = pb.ImportInstancesRequest(store=store, path=request.path, origin=request.origin)
        asked = IMPORT, kept.SerializeToString(deterministic=True), store, request.request_id
        if operation := self._queue.repeated(*asked):
            return operation
        self._open_sources().open(request.path)
        return self._queue.submit(*asked)

    def _verify(self, work: Work) -> pb.VerifyStoreResult:
        """An operation of kind `archive.verify`; one that was cut short goes on where it was."""
        request = pb.VerifyStoreRequest.FromString(work.payload)
        begun = Verified.from_bytes(work.last_checkpoint)
        return operations.verify_result(
            self._archive.verifying.verify(request.store, request.repair, begun, _Watcher(work))
        )

    def _back_up(self, work: Work) -> pb.BackUpArchiveResult:
        """An operation of kind `archive.backup`; one that was cut short begins anew and finds most of it there."""
        if self._backup is None:
            raise config_invalid("backup_dir", "is not configured")
        return operations.backup_result(self._archive.backing_up.back_up(self._backup(), _Watcher(work)))

    def _import(self, work: Work) -> pb.ImportInstancesResult:
        """An operation of kind `archive.import`; one that was cut short goes on where it was."""
        request = pb.ImportInstancesRequest.FromString(work.payload)
        source = self._open_sources().open(request.path)
        origin = replace(resources.to_origin(request.origin), operation=work.operation)
        begun = Imported.from_bytes(work.last_checkpoint)
        done = self._archive.importing.run(source, request.store, origin, begun, _ImportWatcher(work, begun))
        work.progress(done.file_count, done.file_count, "file")
        return operations.import_result(done)

    def _open_sources(self) -> ImportSources:
        if self._sources is None:
            raise DianaError(Reason.PATH_FORBIDDEN, "No directory is open for imports.")
        return self._sources


class _Watcher:
    """core.verifying.Watcher over an operation."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def progress(self, done: int, total: int) -> None:
        self._work.progress(done, total, "instance")
        self._work.raise_if_cancelled()

    def fail(self, item: str, error: DianaError) -> None:
        self._work.fail_item(item, error)

    def reached(self, verified: Verified) -> None:
        self._work.checkpoint(verified.to_bytes())
        self._work.raise_if_cancelled()


class _ImportWatcher:
    """core.importing.ImportWatcher over an operation."""

    def __init__(self, work: Work, begun: Imported) -> None:
        self._work = work
        self._latest = self._kept = begun
        # Files since the checkpoint come again after a restart, and were told of already.
        self._told_before = work.failed_items
        self._told = len(self._told_before)

    def working(self) -> None:
        if self._work.cancelled():
            self._keep()
            self._work.raise_if_cancelled()

    def reached(self, imported: Imported) -> None:
        self._latest = imported
        self._work.progress(imported.file_count, 0, "file")
        if imported.file_count - self._kept.file_count >= _FILES_A_CHECKPOINT:
            self._keep()
        self.working()

    def fail(self, name: str, error: DianaError) -> None:
        if name not in self._told_before and self._told < _MOST_FAILURES:
            self._told += 1
            self._work.fail_item(name, error)

    def _keep(self) -> None:
        self._work.checkpoint(self._latest.to_bytes())
        self._kept = self._latest

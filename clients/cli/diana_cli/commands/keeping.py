"""import, verify-store and backup: an archive's long work on what it keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import rich_click as click

from diana_cli.chain import Flow, Stage, Takes
from diana_cli.progress import progress_bar
from diana_cli.selection import in_option
from diana_cli.session import Session
from diana_cli.tables import Column, meta_column, show_table
from diana_cli.words import Worded
from diana_endpoints.items import Item
from diana_endpoints.protocol.archive import Keeper

_STARTED: Sequence[Column] = (meta_column("Operation", "operation"),)
_IMPORTED: Sequence[Column] = (
    meta_column("Store", "store"),
    meta_column("Files", "file_count"),
    meta_column("Stored", "stored_count"),
    meta_column("There already", "already_stored_count"),
    meta_column("Refused", "refused_count"),
    meta_column("No DICOM", "skipped_count"),
    meta_column("Bytes stored", "stored_bytes"),
)
_VERIFIED: Sequence[Column] = (
    meta_column("Store", "store"),
    meta_column("Instances", "instance_count"),
    meta_column("Bytes", "size_bytes"),
    meta_column("Damaged", "damaged_count"),
    meta_column("Orphans", "orphan_count"),
)
_BACKED_UP: Sequence[Column] = (
    meta_column("Instances", "instance_count"),
    meta_column("Copied", "copied_count"),
    meta_column("Bytes copied", "copied_bytes"),
)


def _archive(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that all share."""
    for option in (
        click.option("--no-wait", is_flag=True, help="Start the work, and do not wait for its end."),
        in_option("archive:", "Archive and store."),
    ):
        command = option(command)
    return command


@click.command("import", cls=Worded, epilog="Example: diana-cli import /srv/incoming/disc1/DICOMDIR --in archive:trial")
@click.argument("path")
@_archive
def import_(path: str, endpoint: str, no_wait: bool) -> Stage:
    """Have the archive store what lies under a path of its own host.

    PATH is absolute, inside one of the archive's import_dirs: a folder with all below it, a zip file, a DICOMDIR
    (exactly the files that it lists) or a single file. Files that are not DICOM are counted and passed over;
    those that are refused are told with their reason. Ctrl-C ends the waiting, not the work.
    """
    return _stage("import", endpoint, no_wait, _IMPORTED, lambda archive: archive.start_import(path))


@click.command("verify-store", epilog="Example: diana-cli --failures damaged.jsonl verify-store --repair")
@click.option("--repair", is_flag=True, help="Mark what is damaged as missing, and set aside bytes that nobody owns.")
@_archive
def verify_store(repair: bool, endpoint: str, no_wait: bool) -> Stage:
    """Hold every instance of a store against its digest, and the store against its catalogue.

    Damaged instances are told by UID. Everything goes on meanwhile; Ctrl-C ends the waiting, not the work.
    """
    return _stage("verify-store", endpoint, no_wait, _VERIFIED, lambda archive: archive.start_verify(repair))


@click.command("backup", epilog="Example: diana-cli backup --no-wait")
@_archive
def backup(endpoint: str, no_wait: bool) -> Stage:
    """Bring the archive's backup up to date, all stores of it.

    It goes where the archive's backup_dir says. Ctrl-C ends the waiting, not the work.
    """
    return _stage("backup", endpoint, no_wait, _BACKED_UP, lambda archive: archive.start_backup())


def _stage(name: str, endpoint: str, no_wait: bool, columns: Sequence[Column], start: Callable[[Keeper], str]) -> Stage:
    run = partial(_run, name, endpoint, no_wait, start)
    return Stage(name, Takes.NOTHING, run, show_table(_STARTED if no_wait else columns))


def _run(
    name: str, endpoint: str, no_wait: bool, start: Callable[[Keeper], str], session: Session, _: Flow | None
) -> Flow:
    """The items that failed, and the counts; or the operation that was started."""
    archive = cast(Keeper, session.endpoint(endpoint, Keeper, f"do {name}"))
    operation = start(archive)
    if no_wait:
        yield Item({"operation": operation, "outcome": "started"})
        return
    with progress_bar(session, name) as bar:
        done = list(archive.await_work(operation, bar))
    yield from done


COMMANDS = (import_, verify_store, backup)

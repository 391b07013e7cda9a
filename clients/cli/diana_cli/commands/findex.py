"""findex and its like: files where they lie, by accession number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, cast

import rich_click as click

from diana_cli.chain import Flow, Stage, Takes, show_nothing, show_summary
from diana_cli.params import ARRAY, ENDPOINT
from diana_cli.progress import progress_bar
from diana_cli.selection import in_option, source_of
from diana_cli.session import Session
from diana_cli.tables import Column, meta_column, show_table
from diana_cli.words import Worded
from diana_endpoints.folder import Folder, FolderSettings
from diana_endpoints.items import Item
from diana_endpoints.protocol.index import FolderIndexer

_KINDS = click.Choice(["accession", "study", "patient"])
_STARTED: Sequence[Column] = (meta_column("Operation", "operation"),)
_INDEXED: Sequence[Column] = (
    meta_column("Files", "file_count"),
    meta_column("Read", "read_count"),
    meta_column("Unchanged", "unchanged_count"),
    meta_column("Forgotten", "forgotten_count"),
    meta_column("No DICOM", "skipped_count"),
    meta_column("Failed", "failed_count"),
)
_FOLDERS: Sequence[Column] = (
    meta_column("Folder", "path"),
    meta_column("Files", "files"),
    meta_column("Indexed", "time"),
)
_COLLECTIONS: Sequence[Column] = (meta_column("Collection", "value"), meta_column("Files", "files"))
_FILES: Sequence[Column] = (
    meta_column("Path", "path"),
    meta_column("Bytes", "size_bytes"),
    meta_column("Modality", "modality"),
    meta_column("SOP Instance UID", "sop_instance_uid"),
)

_INDEX = in_option("index:", "The index that does it.")


def _of_kind(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--by", type=_KINDS, default="accession", show_default=True, help="What VALUE or ARRAY is of.")(
        command
    )


@click.command("findex", cls=Worded, epilog="Example: diana-cli findex /srv/old-archive")
@click.argument("path")
@click.argument("place", type=ENDPOINT, required=False, metavar="[INDEX]")
@click.option("--read-all", is_flag=True, help="Read every file again, changed or not.")
@click.option("--no-wait", is_flag=True, help="Start the work, and do not wait for its end.")
@_INDEX
def findex(path: str, place: str | None, read_all: bool, no_wait: bool, endpoint: str) -> Stage:
    """Index the DICOM files below a folder where they lie, members of zip files too.

    PATH is absolute, with or without path: before it, at the index' host, inside one of its folder_dirs. Only what is
    new or changed is read; files that are gone are forgotten. What cannot be read is told with its reason. Ctrl-C ends
    the waiting, not the work.
    """

    where = source_of(place, endpoint)

    def run(session: Session, _: Flow | None) -> Flow:
        index = _indexer(session, where)
        operation = index.start_folder(path.removeprefix("path:"), read_all)
        if no_wait:
            yield Item({"operation": operation, "outcome": "started"})
            return
        with progress_bar(session, "findex") as bar:
            done = list(index.await_work(operation, bar))
        yield from done

    return Stage("findex", Takes.NOTHING, run, show_table(_STARTED if no_wait else _INDEXED))


@click.command("findex-get", cls=Worded, epilog="Example: diana-cli findex-get A1 put archive:")
@click.argument("values", type=ARRAY, metavar="ARRAY")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write STUDY/SERIES/INSTANCE.dcm here.")
@_of_kind
@_INDEX
def findex_get(values: list[str], out: Path | None, by: str, endpoint: str) -> Stage:
    """Fetch the files of accession numbers from where they lie.

    They are handed on, to be put or anonymized; with --out they are written to a folder.
    """

    def run(session: Session, _: Flow | None) -> Flow:
        index = _indexer(session, endpoint)
        found: Flow = chain.from_iterable(index.collected(_kind(by), value) for value in values)
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            found = Folder(FolderSettings(out)).put(session.sift("findex-get", found))
        yield from session.progress("findex-get", found)

    return Stage("findex-get", Takes.NOTHING, run, show_summary)


@click.command("findex-find", cls=Worded, epilog="Example: diana-cli findex-find A1")
@click.argument("value")
@_of_kind
@_INDEX
def findex_find(value: str, by: str, endpoint: str) -> Stage:
    """Tell which files belong to an accession number, and where they lie."""

    def run(session: Session, _: Flow | None) -> Flow:
        return _indexer(session, endpoint).collected(_kind(by), value, with_content=False)

    return Stage("findex-find", Takes.NOTHING, run, show_table(_FILES))


@click.command("findex-list", cls=Worded, epilog="Example: diana-cli findex-list --by patient --prefix 10")
@click.option("--folders", is_flag=True, help="The folders that are indexed, instead of what is in them.")
@click.option("--prefix", default="", help="Only values that begin with this.")
@click.option("--by", type=_KINDS, default="accession", show_default=True, help="What to list.")
@_INDEX
def findex_list(folders: bool, prefix: str, by: str, endpoint: str) -> Stage:
    """List the accession numbers that are indexed, with how many files each has."""

    def run(session: Session, _: Flow | None) -> Flow:
        index = _indexer(session, endpoint)
        return index.folders() if folders else index.collections(_kind(by), prefix)

    return Stage("findex-list", Takes.NOTHING, run, show_table(_FOLDERS if folders else _COLLECTIONS))


@click.command("findex-forget", cls=Worded, epilog="Example: diana-cli findex-forget /srv/old-archive")
@click.argument("path")
@_INDEX
def findex_forget(path: str, endpoint: str) -> Stage:
    """Forget a folder that was indexed, by its path as findex-list --folders has it; its files stay."""

    def run(session: Session, _: Flow | None) -> Flow:
        _indexer(session, endpoint).forget_folder(path)
        yield from ()

    return Stage("findex-forget", Takes.ALONE, run, show_nothing)


def _indexer(session: Session, endpoint: str) -> FolderIndexer:
    return cast(FolderIndexer, session.endpoint(endpoint, FolderIndexer, "index folders"))


def _kind(by: str) -> str:
    return "accession_number" if by == "accession" else by


COMMANDS = (findex, findex_get, findex_find, findex_list, findex_forget)

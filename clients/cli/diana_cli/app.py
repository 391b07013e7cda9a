"""diana-cli: options that hold for the whole line, the commands, and running them as one chain."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

import rich_click as click
from click.exceptions import Exit

from diana_cli.chain import Stage, run_chain
from diana_cli.commands import (
    anonymize,
    cohort,
    collect,
    completion,
    crosswalk,
    doing,
    domain,
    export,
    feed,
    findex,
    health,
    identity,
    images,
    jobs,
    keeping,
    key,
    mesh,
    mock,
    notify,
    orthanc_verbs,
    output,
    peer,
    profile,
    proof,
    query,
    removal,
    report,
    reports_find,
    rules,
    sealed,
    setmeta,
    transfer,
    verify,
    wsend,
)
from diana_cli.exits import MEANINGS, Guarded, Status
from diana_cli.mesh.state import DEFAULT_STATE
from diana_cli.session import Session

EXITS = "Exit status: " + "; ".join(f"{status.value} {meaning}" for status, meaning in MEANINGS.items()) + "."


@click.group(cls=Guarded, chain=True, epilog=EXITS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-s",
    "--services",
    metavar="MAPPING",
    default="",
    envvar="DIANA_SERVICES",
    help="Services YAML, or a file of it: endpoints by name. Default: ./services.yaml, else the mesh that `up` runs.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="DIANA_STATE",
    default=DEFAULT_STATE,
    show_default=True,
    help="State folder of the local mesh.",
)
@click.option("--store", envvar="DIANA_STORE", default="", help="Store of archive and index, where none is named.")
@click.option(
    "--json", "as_json", is_flag=True, envvar="DIANA_JSON", help="JSON lines on standard output, and nothing else."
)
@click.option(
    "--failures",
    metavar="FILE",
    envvar="DIANA_FAILURES",
    help="Write what failed to a file, as JSON lines with its source. Paths may hold patient values.",
)
@click.option("-v", "--verbose", "--debug", "debug", is_flag=True, envvar="DIANA_DEBUG", help="Show tracebacks.")
@click.version_option(package_name="diana-mesh")
@click.pass_context
def cli(
    ctx: click.Context,
    services: str,
    state: Path,
    store: str,
    as_json: bool,
    failures: str | None,
    debug: bool,
) -> None:
    """Move DICOM between folders, ZIP files and a DIANA mesh, and ask the mesh questions.

    Commands stand one after another on a line; items flow through them from left to right, one at a time.
    An ENDPOINT is a service's name in services YAML, or a URL: path:DIR, zip:FILE, archive:, archive:STORE,
    index:, guid:DOMAIN, anon:PROFILE, notify:, dimse:STORE, route:, csv:FILE, redis:, orthanc: and more.
    A MAPPING is JSON, YAML, or @FILE of it; an ARRAY is A,B,C, a JSON or YAML list, or @FILE with a line each.

    Example: diana-cli dgetall path:/scans put archive: print
    """
    kept = _opened(failures) if failures else None
    if kept:
        ctx.call_on_close(partial(_close, kept))
    ctx.obj = Session(services, state, store, as_json, debug, kept)
    ctx.call_on_close(ctx.obj.close)


@cli.result_callback()
@click.pass_obj
def run(session: Session, /, stages: list[Stage], **_: object) -> None:
    """Run what the commands have said."""
    run_chain(session, stages)
    if session.failed:
        raise Exit(Status.ITEM_FAILED)


def _opened(name: str) -> IO[Any]:
    """The file of failures. Only now: a shell that completes a line must not empty it."""
    try:
        return click.open_file(name, "w", encoding="utf-8")
    except OSError as error:
        raise click.FileError(name, error.strerror) from error


def _close(file: IO[Any]) -> None:
    with suppress(OSError):  # told of when it was written to
        file.__exit__(None, None, None)


_ASKING = (query, export, cohort, findex, key, report, reports_find)
_KEEPING = (removal, keeping, sealed, verify)
_DEIDENTIFYING = (identity, domain, anonymize, profile, proof, crosswalk)
_MOVING = (collect, notify, wsend, mock, rules, jobs)
_OLDER = (orthanc_verbs, images)
_SHOWING = (feed, setmeta, doing, output, completion)
for group in (mesh, health, transfer, *_ASKING, *_KEEPING, peer, *_DEIDENTIFYING, *_MOVING, *_OLDER, *_SHOWING):
    for command in group.COMMANDS:
        cli.add_command(command)

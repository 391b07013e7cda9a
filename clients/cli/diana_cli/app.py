"""diana-cli: options that hold for the whole line, the commands, and running them as one chain."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

import rich_click as click
from click.exceptions import Exit

from diana_cli.chain import Stage, run_chain
from diana_cli.commands import (
    anonymize,
    cohort,
    crosswalk,
    domain,
    export,
    feed,
    findex,
    health,
    identity,
    jobs,
    keeping,
    key,
    mesh,
    notify,
    output,
    peer,
    profile,
    proof,
    query,
    removal,
    report,
    rules,
    sealed,
    transfer,
)
from diana_cli.exits import MEANINGS, Guarded, Status
from diana_cli.mesh.state import DEFAULT_STATE
from diana_cli.session import Session

EXITS = "Exit status: " + "; ".join(f"{status.value} {meaning}" for status, meaning in MEANINGS.items()) + "."


@click.group(cls=Guarded, chain=True, epilog=EXITS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--services",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="DIANA_SERVICES",
    help="Services YAML: endpoints by name. Default: ./services.yaml, else the mesh that `up` runs.",
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
@click.option("--json", "as_json", is_flag=True, help="JSON lines on standard output, and nothing else.")
@click.option(
    "--failures",
    type=click.File("w", encoding="utf-8", lazy=False),
    help="Write what failed to a file, as JSON lines with its source. Paths may hold patient values.",
)
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.version_option(package_name="diana-mesh")
@click.pass_context
def cli(
    ctx: click.Context,
    services: Path | None,
    state: Path,
    store: str,
    as_json: bool,
    failures: TextIO | None,
    debug: bool,
) -> None:
    """Move DICOM between folders, ZIP files and a DIANA mesh, and ask the mesh questions.

    Commands stand one after another on a line; items flow through them from left to right, one at a time.
    An ENDPOINT is a service's name in services YAML, or a URL: path:DIR, zip:FILE, archive:, archive:STORE,
    index:, guid:DOMAIN, anon:PROFILE, notify:, dimse:STORE, route:.

    Example: diana-cli dgetall path:/scans put archive: print
    """
    ctx.obj = Session(services, state, store, as_json, debug, failures)
    ctx.call_on_close(ctx.obj.close)


@cli.result_callback()
@click.pass_obj
def run(session: Session, /, stages: list[Stage], **_: object) -> None:
    """Run what the commands have said."""
    run_chain(session, stages)
    if session.failed:
        raise Exit(Status.ITEM_FAILED)


_ASKING = (query, export, cohort, findex, key, report)
_KEEPING = (removal, keeping, sealed)
_DEIDENTIFYING = (identity, domain, anonymize, profile, proof, crosswalk)
_MOVING = (notify, rules, jobs)
for group in (mesh, health, transfer, *_ASKING, *_KEEPING, peer, *_DEIDENTIFYING, *_MOVING, feed, output):
    for command in group.COMMANDS:
        cli.add_command(command)

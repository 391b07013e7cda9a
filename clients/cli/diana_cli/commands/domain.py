"""domain: the mint's domains and their keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import rich_click as click

from diana_cli.actions import Actions
from diana_cli.chain import Flow, Stage, Takes, show_nothing
from diana_cli.key_files import read_public_key, read_text, write_new_key, write_opened, write_private, written
from diana_cli.selection import in_option
from diana_cli.session import Session
from diana_cli.tables import Column, meta_column, show_table
from diana_cli.words import Worded
from diana_endpoints.items import Item
from diana_endpoints.protocol.guid import DomainKeeper

_DOMAINS: Sequence[Column] = (
    meta_column("Domain", "domain"),
    meta_column("Scheme", "scheme"),
    meta_column("UIDs", "uids"),
    meta_column("Key version", "key_version"),
)
_VERSIONS: Sequence[Column] = (
    meta_column("Version", "version"),
    meta_column("Made", "time"),
    meta_column("Check value", "check_value"),
)

_FILE = click.Path(path_type=Path, dir_okay=False)
_IN = in_option("guid:", "Who keeps it.")
_OUT = click.option("--out", type=_FILE, required=True, help="A new file, for its owner alone.")


@click.command("list", cls=Worded, epilog="Example: diana-cli domain list")
@_IN
def list_domains(endpoint: str) -> Stage:
    """List the domains by name."""
    return _stage("list", endpoint, lambda keeper: keeper.domains(), _DOMAINS)


@click.command("keys", cls=Worded, epilog="Example: diana-cli domain keys research")
@click.argument("domain")
@_IN
def keys(domain: str, endpoint: str) -> Stage:
    """List the versions of a domain's key, the newest first; check values tell whether copies are alike."""
    return _stage("keys", endpoint, lambda keeper: keeper.key_versions(domain), _VERSIONS)


@click.command("rotate", cls=Worded, epilog="Example: diana-cli domain rotate research")
@click.argument("domain")
@_IN
def rotate(domain: str, endpoint: str) -> Stage:
    """Make a new version of a domain's key: from now on the same patient gets another pseudonym."""
    return _stage("rotate", endpoint, lambda keeper: iter([keeper.rotate_key(domain)]), _VERSIONS)


@click.command(
    "export", cls=Worded, epilog="Example: diana-cli domain export research --to safe.pub --out research.json"
)
@click.argument("domain")
@click.option("--to", "recipient", type=_FILE, required=True, help="The recipient's public key.")
@click.option("--version", type=click.IntRange(0), default=0, help="The version; the newest when absent.")
@_OUT
@_IN
def export(domain: str, recipient: Path, version: int, out: Path, endpoint: str) -> Stage:
    """Write a domain's key to a file that only the holder of the recipient's private key opens."""

    def run(session: Session, _: Flow | None) -> Flow:
        sealed = _keeper(session, endpoint).export_key(domain, version, read_public_key(recipient))
        write_private(out, sealed.encode())
        yield from ()

    return Stage("domain export", Takes.ALONE, run, show_nothing)


@click.command("import", cls=Worded, epilog="Example: diana-cli domain import research.json")
@click.argument("file", type=_FILE)
@_IN
def import_key(file: Path, endpoint: str) -> Stage:
    """Bring a key that was exported for this service's sealing key; a version that is there is never changed."""
    return _stage("import", endpoint, lambda keeper: iter([keeper.import_key(read_text(file))]), _VERSIONS)


@click.command("sealing-key", cls=Worded, epilog="Example: diana-cli domain sealing-key > there.pub")
@_IN
def sealing_key(endpoint: str) -> Stage:
    """Print the service's public key, to which another service exports keys for it."""

    def run(session: Session, _: Flow | None) -> Flow:
        yield Item({"public_key": written(_keeper(session, endpoint).sealing_key())})

    return Stage("domain sealing-key", Takes.NOTHING, run, _show_public)


@click.command("new-key", cls=Worded, epilog="Example: diana-cli domain new-key --out safe.key > safe.pub")
@_OUT
def new_key(out: Path) -> Stage:
    """Make a private key of your own, to open exports with, and print its public key. Needs no service."""

    def run(session: Session, _: Flow | None) -> Flow:
        yield Item({"public_key": written(write_new_key(out))})

    return Stage("domain new-key", Takes.NOTHING, run, _show_public)


@click.command(
    "open", cls=Worded, epilog="Example: diana-cli domain open research.json --with safe.key --out default.key"
)
@click.argument("file", type=_FILE)
@click.option("--with", "private_key", type=_FILE, required=True, help="The private key that it was exported to.")
@_OUT
def open_key(file: Path, private_key: Path, out: Path) -> Stage:
    """Open an export and write the key as guid's `key_file` has it. Needs no service."""

    def run(session: Session, _: Flow | None) -> Flow:
        write_opened(file, private_key, out)
        yield from ()

    return Stage("domain open", Takes.ALONE, run, show_nothing)


def _show_public(session: Session, flow: Flow) -> None:
    """The key and nothing else, so that it can go to a file."""
    for item in flow:
        session.echo(str(item.meta["public_key"]))


def _stage(name: str, endpoint: str, ask: Callable[[DomainKeeper], Flow], columns: Sequence[Column]) -> Stage:
    def run(session: Session, _: Flow | None) -> Flow:
        yield from ask(_keeper(session, endpoint))

    return Stage(f"domain {name}", Takes.NOTHING, run, show_table(columns))


def _keeper(session: Session, endpoint: str) -> DomainKeeper:
    return cast(DomainKeeper, session.endpoint(endpoint, DomainKeeper, "keep domains' keys"))


COMMANDS = (
    Actions(
        "domain",
        (list_domains, keys, rotate, export, import_key, sealing_key, new_key, open_key),
        "Domains of pseudonyms and their keys: rotate them, carry them elsewhere under seal.",
        "Example: diana-cli domain keys default",
    ),
)

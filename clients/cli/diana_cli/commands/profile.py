"""profile: how data is de-identified, checked and explained before anything runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import cast

import rich_click as click

from diana_cli.actions import Actions
from diana_cli.chain import Flow, Stage, Takes, show_json
from diana_cli.faults import read_text, show_faults
from diana_cli.selection import in_option
from diana_cli.session import Session
from diana_cli.tables import Column, meta_column, show_table
from diana_cli.text import clean
from diana_cli.words import Worded
from diana_endpoints.protocol.anon import ProfileKeeper

_PROFILES: Sequence[Column] = (
    meta_column("Profile", "profile"),
    meta_column("Domain", "domain"),
    ("Methods", lambda item: " ".join(item.meta["methods"])),
    meta_column("Description", "description"),
    ("Digest", lambda item: str(item.meta["digest"])[:12]),
)
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_DEFAULT = "default"

_IN = in_option("anon:", "Who has them.")
_IOD = click.option(
    "--iod", "sop_class", default="", metavar="SOP_CLASS", help="By name or UID. Default: CT Image Storage."
)


@click.command("check", cls=Worded, epilog="Example: diana-cli profile check trial.yaml")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@_IN
def check(file: Path, endpoint: str) -> Stage:
    """Say all that is wrong with a profile's file, line by line.

    The exit status is 1 if anything is. The file may stand on this machine only.
    """

    def run(session: Session, _: Flow | None) -> Flow:
        yield from _keeper(session, endpoint).check_profile(read_text(file, "profile"))

    show = show_faults(file.name, lambda good: f"digest {good.meta['digest']}")
    return Stage("profile check", Takes.ALONE, run, show)


@click.command("diff", cls=Worded, epilog="Example: diana-cli profile diff basic trial.yaml --iod 'MR Image Storage'")
@click.argument("left")
@click.argument("right")
@_IOD
@_IN
def diff(left: str, right: str, sop_class: str, endpoint: str) -> Stage:
    """List the attributes that two profiles treat differently.

    LEFT, RIGHT: a profile's name, or a file (./trial if it looks like a name).
    """

    def run(session: Session, _: Flow | None) -> Flow:
        yield from _keeper(session, endpoint).compare_profiles(_profile(left), _profile(right), _uid(sop_class))

    columns = [meta_column("Tag", "tag"), meta_column("Keyword", "keyword")]
    titles = [clean(left), clean(right)]
    columns += [meta_column(title, key) for title, key in zip(titles, ("left", "right"), strict=True)]
    return Stage("profile diff", Takes.ALONE, run, _show_differences(columns))


@click.command(
    "explain", cls=Worded, epilog="Example: diana-cli profile explain trial RequestAttributesSequence.AccessionNumber"
)
@click.argument("words", nargs=-1, required=True, metavar="[PROFILE] TAG")
@_IOD
@_IN
def explain(words: tuple[str, ...], sop_class: str, endpoint: str) -> Stage:
    """Say what a profile does to an attribute, and which rule has it so.

    PROFILE: its name, or a file; "default" if none is given. TAG: a keyword, (gggg,eeee), such with dots between, or a
    private one with its creator: '(0019,xx0C){SIEMENS MR HEADER}'.
    """
    if len(words) > 2:
        raise click.UsageError("One profile and one tag: put what has spaces in quotation marks.")
    name, tag = words if len(words) == 2 else (_DEFAULT, words[0])

    def run(session: Session, _: Flow | None) -> Flow:
        yield _keeper(session, endpoint).explain(_profile(name), tag, _uid(sop_class))

    return Stage("profile explain", Takes.ALONE, run, _show_explanation)


@click.command("show", cls=Worded, epilog="Example: diana-cli profile show public-release")
@click.argument("name")
@_IN
def show(name: str, endpoint: str) -> Stage:
    """Show a profile's text: one of the configuration, or one that comes with the service."""

    def run(session: Session, _: Flow | None) -> Flow:
        yield _keeper(session, endpoint).profile(name)

    return Stage("profile show", Takes.ALONE, run, _show_text)


@click.command("list", cls=Worded, epilog="Example: diana-cli profile list")
@_IN
def list_profiles(endpoint: str) -> Stage:
    """List the profiles that are configured.

    Four come with the service, and can be shown, compared and explained whether configured or not: basic, trial,
    research-longitudinal, public-release.
    """

    def run(session: Session, _: Flow | None) -> Flow:
        yield from _keeper(session, endpoint).profiles()

    return Stage("profile list", Takes.ALONE, run, show_table(_PROFILES))


def _keeper(session: Session, endpoint: str) -> ProfileKeeper:
    return cast(ProfileKeeper, session.endpoint(endpoint, ProfileKeeper, "tell of profiles"))


def _profile(word: str) -> str | bytes:
    """A profile by name, or the text of its file."""
    return word if _NAME.fullmatch(word) else read_text(Path(word), "profile")


def _uid(sop_class: str) -> str:
    from diana_common.sop_classes import sop_class_uid  # pydicom with it: time that most commands need not spend

    return sop_class_uid(sop_class, "--iod") if sop_class else ""


def _show_differences(columns: Sequence[Column]) -> Callable[[Session, Flow], None]:
    def show(session: Session, flow: Flow) -> None:
        first = next(flow, None)
        if first is None:
            session.note("no difference")
        else:
            show_table(columns)(session, chain([first], flow))

    return show


def _show_explanation(session: Session, flow: Flow) -> None:
    if session.json:
        show_json(session, flow)
        return
    for item in flow:
        told = item.meta
        session.echo(clean(f"{told['tag']} {told['keyword']}".strip() + f": {told['action']}"))
        for one in told["conditional"]:
            session.echo(clean(f"  but {one['action']} if {one['condition']} (line {one['line']})"))
        for reason in told["reasons"]:
            session.echo(clean(f"  {reason}"))


def _show_text(session: Session, flow: Flow) -> None:
    if session.json:
        show_json(session, flow)
        return
    for item in flow:
        for line in str(item.meta["text"]).splitlines():
            session.echo(clean(line))


COMMANDS = (
    Actions(
        "profile",
        (check, diff, explain, show, list_profiles),
        "Check, compare and explain how data is de-identified.",
        "Example: diana-cli profile explain trial StudyDescription",
    ),
)

"""ofind, oget, ogetm, oput, oputm: the older system's verbs for an Orthanc, which an archive of ours takes as well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import rich_click as click

from diana_cli import questions
from diana_cli.asking import Asked, answers, retrieved
from diana_cli.chain import Flow, Stage, Takes, of_each, show_json, show_summary
from diana_cli.commands.query import record_columns
from diana_cli.params import ARRAY, ENDPOINT, MAPPING
from diana_cli.questions import ACCESSIONS, TODAY, matches_of
from diana_cli.selection import KWARGS
from diana_cli.session import Session
from diana_cli.signatures import Cipher, check_can_seal, kept_values, key_options, read_cipher, refused_secret
from diana_cli.signing import Signing
from diana_cli.tables import show_table
from diana_cli.words import Worded
from diana_common.errors import DianaError, Reason
from diana_endpoints.headers import data_of, fill_header
from diana_endpoints.items import Item
from diana_endpoints.levels import BY_UID, STUDY, Level, level_of
from diana_endpoints.protocol.anon import Anonymizer
from diana_endpoints.protocol.items import Getter, Putter, Updater

_LEVEL = click.option(
    "-l",
    "--level",
    type=click.Choice(("studies", "series", "instances", "study", "instance")),
    default="studies",
    show_default=True,
    help="What is meant.",
)


@click.command(
    "ofind",
    cls=Worded,
    epilog="Example: diana-cli ofind -a A001,A002 archive:\n\n"
    "Example: diana-cli ofind -q 'StudyDescription: MAM*' -d pacs -r archive:",
)
@click.argument("source", type=ENDPOINT, metavar="SOURCE")
@ACCESSIONS
@TODAY
@click.option("-q", "--query", type=MAPPING, help="Attributes that must match, as C-FIND matches; empty for any.")
@_LEVEL
@click.option(
    *("-d", "--peer", "--domain", "peer"), default="", help="Ask this DICOM peer of SOURCE's; of Orthanc a modality."
)
@click.option("-r", "--retrieve", is_flag=True, help="Have SOURCE retrieve what is found at the peer.")
def ofind(
    source: str,
    accessions: tuple[str, ...],
    today: bool,
    query: dict[str, Any] | None,
    level: str,
    peer: str,
    retrieve: bool,
) -> Stage:
    """Find studies, series or instances in an Orthanc or an archive, or at a DICOM peer that it knows.

    An archive is asked by its index, a peer of it by the DICOM door. What -q names is shown.
    """
    if retrieve and not peer:
        raise click.UsageError("--retrieve needs --peer: where to retrieve from.")
    matches = {**matches_of(query or {}), **({"StudyDate": [questions.today()]} if today else {})}
    asked = Asked(source, _level(level).name, matches, accessions, peer)

    def run(session: Session, _: Flow | None) -> Flow:
        found = answers(session, asked)
        return retrieved(session, asked, found) if retrieve else found

    columns = record_columns(asked.level, tuple(query or {}))
    return Stage("ofind", Takes.NOTHING, run, show_summary if retrieve else show_table(columns))


@click.command("oget", cls=Worded, epilog="Example: diana-cli oget -m trial,site archive:trial 2.25.12 print")
@click.argument("source", type=ENDPOINT, metavar="SOURCE")
@click.argument("items", type=ARRAY, metavar="ITEMS")
@click.option("-m", "--metakeys", type=ARRAY, help="Metadata of the study to bring along, opened where it is sealed.")
@KWARGS
@click.option("-b", "--binary", is_flag=True, help="Bring all instances with their content, not one item for each.")
@key_options
def oget(
    source: str,
    items: list[str],
    metakeys: list[str] | None,
    more: dict[str, Any] | None,
    binary: bool,
    fkey_file: Path | None,
) -> Stage:
    """Get studies of an Orthanc or an archive by id or UID, each as one item with its header.

    With --binary its instances come, to be put elsewhere. Metadata that --metakeys names is in each item's, by name;
    a signature's values by theirs.
    """
    wanted = _wanted(items, more)
    cipher = read_cipher(fkey_file)

    def run(session: Session, _: Flow | None) -> Flow:
        endpoint = cast(Getter, session.endpoint(source, Getter, "be got from"))
        yield from of_each(wanted, lambda one: _got(endpoint, one, metakeys or (), binary, cipher))

    return Stage("oget", Takes.NOTHING, run, show_summary if binary else show_json)


@click.command("ogetm", cls=Worded, epilog="Example: diana-cli ogetm archive:trial 2.25.12 trial")
@click.argument("source", type=ENDPOINT, metavar="SOURCE")
@click.argument("item", metavar="ITEM")
@click.argument("key", metavar="KEY")
@KWARGS
@key_options
def ogetm(source: str, item: str, key: str, more: dict[str, Any] | None, fkey_file: Path | None) -> Stage:
    """Get what an Orthanc or an archive keeps under a KEY with a study: ITEM's id or UID.

    With a key file, or DIANA_FKEY, an Orthanc's encrypted metadata is opened. An archive opens what it has sealed,
    and logs who asked.
    """
    (wanted,) = _wanted([item], more)
    cipher = read_cipher(fkey_file)

    def run(session: Session, _: Flow | None) -> Flow:
        values = kept_values(session.services.endpoint(source), wanted, key, cipher)
        if not values:
            raise DianaError(Reason.ITEM_NOT_FOUND, "nothing is kept under this key")
        yield Item(dict(wanted.meta), data=dict(values))

    return Stage("ogetm", Takes.NOTHING, run, _show_values)


@click.command(
    "oput",
    cls=Worded,
    epilog="Example: diana-cli dgetall path:/scans oput -a --sign 'signature: [PatientName, AccessionNumber]' archive:",
)
@click.argument("dest", type=ENDPOINT, metavar="DEST")
@click.option("-a", "--anonymize", is_flag=True, help="De-identify each instance by the mesh's anon first.")
@click.option(
    "--anonymizer",
    type=ENDPOINT,
    default="anon:",
    show_default=True,
    help="Who de-identifies, and by which profile: anon:PROFILE.",
)
@click.option(
    "--sign", type=MAPPING, help="Keep values of the original sealed with each study: NAME: [ATTRIBUTE, ...]."
)
@key_options
@refused_secret("--anon-salt", "the key of anon's domain in the mesh's guid service (docs/pseudonyms.md), a file")
def oput(dest: str, anonymize: bool, anonymizer: str, sign: dict[str, Any] | None, fkey_file: Path | None) -> Stage:
    """Put instances into an Orthanc or an archive, de-identified by the mesh's profile if that is asked for.

    Orthanc's own de-identification is never used. --sign takes attributes of the original, and what setmeta has set.
    """
    names = _signed(sign or {})
    cipher = read_cipher(fkey_file)

    def run(session: Session, flow: Flow | None) -> Flow:
        target = cast(Putter, session.endpoint(dest, Putter, "be put to"))
        if names:
            check_can_seal(target, cipher)
        anon = session.endpoint(anonymizer, Anonymizer, "de-identify") if anonymize else None
        signing = Signing(names)
        made = signing.prepared(cast(Flow, flow), cast(Anonymizer | None, anon))
        put = target.put(session.sift("oput", made))
        yield from of_each(session.progress("oput", put), lambda item: signing.sealed(target, item, cipher))

    return Stage("oput", Takes.ITEMS, run, show_summary)


@click.command("oputm", cls=Worded, epilog="Example: diana-cli oputm archive:trial 2.25.12 'site: hospital_a'")
@click.argument("source", type=ENDPOINT, metavar="SOURCE")
@click.argument("item", metavar="ITEM")
@click.argument("updates", type=MAPPING, metavar="UPDATES")
@KWARGS
def oputm(source: str, item: str, updates: dict[str, Any], more: dict[str, Any] | None) -> Stage:
    """Set what an Orthanc or an archive keeps with a study, by KEY: VALUE; null takes one away."""
    (wanted,) = _wanted([item], more)

    def run(session: Session, _: Flow | None) -> Flow:
        yield cast(Updater, session.endpoint(source, Updater, "be updated")).update(wanted, updates)

    return Stage("oputm", Takes.NOTHING, run, _show_values)


def _got(source: Getter, wanted: Item, metakeys: Sequence[str], binary: bool, cipher: Cipher | None) -> Iterator[Item]:
    kept: dict[str, str] = {}
    for key in metakeys:
        kept |= kept_values(source, wanted, key, cipher)
    found = source.get(replace(wanted, meta=dict(wanted.meta)))
    if binary:
        for item in found:
            item.meta |= kept
            yield item
        return
    first = next(iter(found), None)
    if first is None:
        raise DianaError(Reason.ITEM_NOT_FOUND, "it has no instances")
    fill_header(first)
    depth = _level(wanted.meta["level"]).depth
    uids = {level.key: first.meta.get(level.key) for level in BY_UID if level.depth <= depth}
    meta = {**wanted.meta, **uids, **kept}
    # What is kept comes before what the header says: of whom a de-identified study is.
    yield Item(meta, first.header, number=wanted.number, data={**data_of(first), **kept})


def _wanted(ids: Sequence[str], more: Mapping[str, Any] | None) -> list[Item]:
    """Items by id; one that is a UID is named as that too."""
    options = dict(more or {})
    level = _level(options.pop("level", ""))
    items = []
    for number, one in enumerate(ids, 1):
        uid = {level.key: one} if set(one) <= set("0123456789.") else {}
        items.append(Item({**options, "id": one, "level": level.name, **uid}, number=number))
    return items


def _level(text: object) -> Level:
    """The level of a word, study by default. Raises click.BadParameter."""
    try:
        level = level_of(text) or STUDY
    except DianaError:
        level = None
    if level not in BY_UID:
        raise click.BadParameter(f"level must be one of {', '.join(one.name for one in BY_UID)}", param_hint="--kwargs")
    return level


def _signed(sign: Mapping[str, Any]) -> dict[str, list[str]]:
    """The attributes of each signature. Raises click.BadParameter."""
    names = {name: told if isinstance(told, list) else [told] for name, told in sign.items()}
    if not all(told and all(isinstance(one, str) and one for one in told) for told in names.values()):
        raise click.BadParameter("must be NAME: [ATTRIBUTE, ...]", param_hint="--sign")
    return names


def _show_values(session: Session, flow: Flow) -> None:
    if session.json:
        show_json(session, flow)
        return
    for item in flow:
        for name, value in (item.data or {}).items():
            session.out.print(f"{name}: {value}", markup=False)


COMMANDS = (ofind, oget, ogetm, oput, oputm)

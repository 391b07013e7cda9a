"""guid: minting pseudonymous identities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import rich_click as click

from diana_cli.chain import Flow, Stage, Takes, of_each, required
from diana_cli.selection import in_option
from diana_cli.session import Session
from diana_cli.tables import meta_column, show_table
from diana_cli.words import Worded
from diana_endpoints.headers import fill_header
from diana_endpoints.items import Item
from diana_endpoints.protocol.guid import Minter

_COLUMNS = [
    meta_column("Id", "id"),
    meta_column("Name", "name"),
    meta_column("Birth date", "birth_date"),
    meta_column("Time offset (s)", "time_offset_seconds"),
]


_SEX = click.Choice(("F", "M", "O"))


@click.command("guid", cls=Worded, epilog="Example: diana-cli guid --patient-id 1CT1 --birth-date 1960-01-31 --sex F")
@click.argument("given_name", required=False, metavar="[NAME]")
@click.argument("given_birth_date", required=False, metavar="[DOB]")
@click.argument("given_sex", type=_SEX, required=False, metavar="[GENDER]")
@in_option("guid:", "Where to mint.")
@click.option("--patient-id", default="", help="Patient ID (0010,0020).")
@click.option("--issuer", default="", help="Issuer of Patient ID (0010,0021).")
@click.option("--name", default="", help="Patient's Name (0010,0010) in DICOM form.")
@click.option("--birth-date", default="", metavar="DATE", help="YYYY-MM-DD or YYYYMMDD.")
@click.option("--age", type=click.IntRange(0, 150), help="Age in years, where the birth date is not known.")
@click.option(
    "--on", "--reference_date", "reference_date", default="", metavar="DATE", help="The day that --age refers to."
)
@click.option("--sex", type=_SEX, help="Patient's Sex (0010,0040).")
def guid(
    given_name: str | None,
    given_birth_date: str | None,
    given_sex: str | None,
    endpoint: str,
    patient_id: str,
    issuer: str,
    name: str,
    birth_date: str,
    age: int | None,
    reference_date: str,
    sex: str | None,
) -> Stage:
    """Mint the pseudonymous identity of a subject, or of each item's patient.

    The same subject gets the same identity for ever. Other users of the machine may see a command line: where
    that matters, let the subjects come from files or the index, as in `find --level patient guid`.
    """
    given = {
        "patient_id": patient_id,
        "issuer": issuer,
        "name": _once("NAME", given_name, name),
        "birth_date": _once("DOB", given_birth_date, birth_date),
        "reference_date": reference_date,
        "age_years": age,
        "sex": _once("GENDER", given_sex, sex),
    }
    meta = {key: value for key, value in given.items() if value not in ("", None)}

    def run(session: Session, flow: Flow | None) -> Flow:
        subjects = iter([Item(meta)]) if meta else session.sift("guid", of_each(required(flow), _read))
        yield from cast(Minter, session.endpoint(endpoint, Minter, "mint")).mint(subjects)

    return Stage("guid", Takes.NOTHING if meta else Takes.ITEMS, run, show_table(_COLUMNS))


def _once(what: str, placed: str | None, option: str | None) -> str | None:
    """A value that is given by place or by option. Raises click.UsageError if it is given twice."""
    if placed and option:
        raise click.UsageError(f"{what} is given twice: by place and by option.")
    return placed or option


def _read(item: Item) -> Iterator[Item]:
    fill_header(item)
    yield item


COMMANDS = (guid,)

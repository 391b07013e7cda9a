"""What `anonymize` does with cohorts, previews and free texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from diana_cli.chain import Flow, of_each, show_json
from diana_cli.commands.proof import write_report
from diana_cli.progress import progress_bar
from diana_cli.session import Session
from diana_cli.text import clean
from diana_common.errors import Reason, invalid_field
from diana_endpoints.items import Failure, Item
from diana_endpoints.protocol.anon import Anonymizer, CohortOrder, ProofKeeper
from diana_endpoints.whole_files import wrote

_MOST_BYTES = 1024 * 1024
_MOST_STUDIES = 10_000
_COUNTS = {
    "studies": "studies",
    "failed_studies": "studies that failed",
    "instances": "instances",
    "refused": "instances refused",
    "quarantined": "of them to quarantine",
    "conflicts": "instances whose subject is in conflict with another",
    "texts": "different texts that would remain",
}


def cohort(
    session: Session, anon: Anonymizer, order: CohortOrder, report: Path | None, no_wait: bool
) -> Iterator[Item]:
    """One operation for all: what was refused, and at last its counts; or the operation that was started."""
    if len(order.study_uids) > _MOST_STUDIES:
        raise invalid_field("STUDY_UID", f"are more than {_MOST_STUDIES:,} studies: do them in parts")
    operation = anon.start_cohort(order)
    if no_wait:
        yield Item({"operation": operation, "outcome": "started"})
        return
    with progress_bar(session, "preview" if order.preview else "anonymize") as bar:
        made = list(anon.await_cohort(operation, bar))
    if report:
        keeper = cast(ProofKeeper, anon)
        write_report(keeper, operation, None, report)
    yield from made


def show_cohort(session: Session, flow: Flow) -> None:
    """What came of it in a few lines, and where the report is to be had."""
    if session.json:
        show_json(session, flow)
        return
    for item in flow:
        for name, title in _COUNTS.items():
            if name in item.meta:
                session.out.print(f"{item.meta[name]:>9,} {title}")
        session.note(clean(f"diana-cli deid-report {item.meta['operation']} --out FILE.html writes the report"))


def text_files(
    session: Session, anon: Anonymizer, names: Sequence[str], study: str, store: str, profile: str, out: Path | None
) -> Iterator[Item]:
    """Texts without identifiers, those of the headers of `study` included; written to `out` as text-1.txt and so on.

    The new files do not bear the old names, which may be a patient's.
    """

    def made(item: Item) -> Iterator[Item]:
        text = anon.anonymize_text(_text(Path(str(item.meta["path"]))), study, store or session.store, profile)
        text.number, text.meta["source"] = item.number, item.meta["path"]
        if out is not None:
            path = out / f"text-{item.number}.txt"
            _write_once(path, str(text.meta.pop("text")))
            text.meta["path"] = str(path)
        yield text

    for item in of_each((Item({"path": name}, number=number) for number, name in enumerate(names, 1)), made):
        if item.failure and not study:
            item.failure = _text_failure(item.failure)
        yield item


def _text_failure(failure: Failure) -> Failure:
    """Where no study is named: that one is to be, if that is what fails."""
    if failure.reason != Reason.SUBJECT_INVALID.name:
        return failure
    why = "--of is required: this profile moves dates, by an offset that depends on the patient"
    return replace(failure, message=why, remedy="Name the study that the text is about: --of STUDY_UID.")


def _write_once(path: Path, text: str) -> None:
    """As `get` does: what is there stays. Raises INVALID_FIELD if that is another text, OSError."""
    if not wrote(path, text.encode()) and path.read_bytes() != text.encode():
        raise invalid_field("--out", f"has another {path.name}: name a folder without one")


def show_texts(session: Session, flow: Flow) -> None:
    """The texts, as they are; of those written to files, how many places of each were changed."""
    if session.json:
        show_json(session, flow)
        return
    for item in flow:
        if "text" in item.meta:
            session.echo("\n".join(map(clean, str(item.meta["text"]).splitlines())))
        else:
            session.out.print(clean(f"{item.meta['path']}: {item.meta['changed']} places changed"))


def _text(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise invalid_field("text", "has more than 1 MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise invalid_field("text", "is no text in UTF-8") from None

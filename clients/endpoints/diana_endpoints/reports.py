"""A folder of radiology reports: a text file each, by id; without identifiers on request."""

from __future__ import annotations

import re
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from diana_common.errors import DianaError, Reason, invalid_field
from diana_endpoints.failures import each, failure_of
from diana_endpoints.items import FileContent, Item
from diana_endpoints.kind import Kind
from diana_endpoints.matching import answers
from diana_endpoints.protocol.endpoint import Health
from diana_endpoints.protocol.query import Query
from diana_endpoints.report_privacy import AnonAddress, CleanedTexts
from diana_endpoints.report_text import read_text, report_text
from diana_endpoints.walking import files_below, folder_health, inside
from diana_endpoints.wanted import name_of, wanted_id
from diana_endpoints.whole_files import replacing

_SUFFIX = ".txt"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_WORDS = "text"


@dataclass(frozen=True)
class ReportsSettings:
    """A folder of reports."""

    path: Path
    """The folder. A report is NAME.txt in UTF-8, its name its id."""

    anonymize: bool = False
    """Whether what is put is de-identified by anon; what cannot be is not written."""

    anon: AnonAddress | None = None
    """Where anon is, its profile, and the store of the reports' studies. Needed with `anonymize`."""

    keep_names: bool = False
    """Whether de-identified reports keep their ids, accession numbers for example; else their names are random."""

    def __post_init__(self) -> None:
        if self.anonymize and self.anon is None:
            raise ValueError("anonymize needs anon: {address: HOST:PORT}")


class Reports:
    """Endpoint `reports`. A report is read when it is asked for, at most 1 MiB of it."""

    def __init__(self, settings: ReportsSettings) -> None:
        self._settings = settings
        self._root = settings.path
        self._anon = CleanedTexts(settings.anon) if settings.anonymize and settings.anon else None
        self.passed_over: Counter[str] = Counter()

    def close(self) -> None:
        """Drop the connection to anon, if there is one."""
        if self._anon:
            self._anon.close()

    def check(self) -> Health:
        """Whether the folder can be read; one that is not there can be made."""
        return folder_health(self._root, may_be_made=True)

    def list(self) -> Iterator[Item]:
        """Every report below the folder, its text its content. Raises DianaError INVALID_FIELD if it cannot be read."""
        self.passed_over = Counter()
        number = 0
        for path in files_below(self._root, self._root, self.passed_over):
            if not isinstance(path, Path):
                number += 1
                yield Item(number=number, failure=path)
                continue
            if path.suffix.lower() != _SUFFIX:
                self.passed_over["files that are not .txt"] += 1
                continue
            number += 1
            yield self._item(self._root / path, str(path.with_suffix("")), number)

    def get(self, wanted: Item) -> Iterator[Item]:
        """The report of an id, its text its content and data. Raises DianaError ITEM_NOT_FOUND."""
        report_id = wanted_id(wanted)
        yield _with_text(self._item(self._there(report_id), report_id, 1))

    def find(self, query: Query) -> Iterator[Item]:
        """The reports that match; every file is read for it.

        `text` matches words: all of a value's, in any order and case. `id` matches as everywhere.
        """
        wanted = query.matches.get(_WORDS, ())
        if isinstance(wanted, Mapping):
            raise DianaError(Reason.KEY_UNSUPPORTED, f"{_WORDS}: is no sequence")
        phrases = [str(one).casefold().split() for one in ([wanted] if isinstance(wanted, str) else wanted)]
        others = {name: value for name, value in query.matches.items() if name != _WORDS}
        for item in answers(map(_with_text, self.list()), replace(query, matches=others, return_keys=())):
            words = set(re.findall(r"\w+", str((item.data or {}).get(_WORDS, "")).casefold()))
            if item.failure or not phrases or any(words.issuperset(phrase) for phrase in phrases):
                yield item

    def put(self, items: Iterable[Item]) -> Iterator[Item]:
        """Write the text of each. One of the same name is replaced. Raises MeshError when anon cannot be reached."""
        return each(items, self._put)

    def delete(self, wanted: Item) -> int:
        """Delete a report. Raises DianaError ITEM_NOT_FOUND."""
        self._there(wanted_id(wanted)).unlink()
        return 1

    def _put(self, item: Item) -> str:
        text = report_text(item)
        name = name_of(item, ("report", "sop_instance_uid"))
        if self._anon:
            text = self._anon.cleaned(text, item)
            name = name if self._settings.keep_names else f"report-{secrets.token_hex(8)}"
        if not _NAME.fullmatch(name):
            raise invalid_field("id", "must be up to 128 letters, digits, '.', '_' and '-', for it names a file")
        with replacing(self._root / f"{name}{_SUFFIX}", durable=False) as stream:
            stream.write(text.encode("utf-8", "replace"))
        item.meta["id"] = name
        return "anonymized" if self._anon else "stored"

    def _there(self, report_id: str) -> Path:
        path = inside(self._root, f"{report_id}{_SUFFIX}")
        if path is None:
            raise DianaError(Reason.ITEM_NOT_FOUND, "the folder has no report of this id")
        return path

    def _item(self, path: Path, report_id: str, number: int) -> Item:
        item = Item({"id": report_id, "media_type": "text/plain"}, number=number)
        with suppress(OSError):
            item.meta["size_bytes"] = path.stat().st_size
        item.content = FileContent(path, item.meta.get("size_bytes", 0))
        return item


def _with_text(item: Item) -> Item:
    try:
        if item.content:
            item.data = {_WORDS: read_text(item.content)}
    except (DianaError, OSError) as error:
        item.failure = failure_of(error)
    return item


KIND = Kind(ReportsSettings, Reports, setting="path", reads_through=True)

"""A report as JSON and as CSV, a piece at a time."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from diana_anon.core.reports.model import Proof, Report, attribute, meaning

_PIECE_BYTES = 256 * 1024
_FORMULA = re.compile(r"[=+\-@\t\r]")
_DONE = ("study_uid", "sop_instance_uid", "source_sha256", "result_sha256", "key_id", "path", "attribute", "action")
_PREVIEW = ("kind", "study_uid", "item", "path", "attribute", "action", "count", "text")


def json_report(report: Report) -> Iterator[bytes]:
    """One JSON object, UTF-8; its long members are lists, read while they are written."""
    head = {
        "title": report.title,
        "preview": report.preview,
        "operation": asdict(report.facts),
        **report.basis,
        "methods": [{"code": code, "meaning": meaning(code)} for code in report.methods],
        "counts": dict(report.counts),
        "left_out": report.left_out,
        "signing_keys": [{"key_id": key.key_id, "public_key": key.public_key.hex()} for key in report.keys],
    }
    return gathered(_json(head, report))


def _json(head: dict[str, Any], report: Report) -> Iterator[str]:
    yield json.dumps(head, ensure_ascii=False, indent=1).removesuffix("\n}")
    members: dict[str, Iterable[Any]] = {
        "studies": report.studies(),
        "actions": report.actions(),
        "quarantine": report.held(),
        "refused": report.refused(),
        "failed_studies": report.failed(),
    }
    if report.preview:
        members |= {"conflicts": report.conflicts(), "remaining_text": report.texts()}
    else:
        members["receipts"] = report.proofs()
    for name, lines in members.items():
        yield f",\n {json.dumps(name)}: ["
        for number, line in enumerate(lines):
            yield (",\n  " if number else "\n  ") + json.dumps(_said(line), ensure_ascii=False)
        yield "]"
    yield "\n}\n"


def _said(line: Any) -> dict[str, Any]:
    members: dict[str, Any] = line._asdict()
    members.pop("actions", None)  # by their digest; the receipt has them
    return members


def csv_report(report: Report) -> Iterator[bytes]:
    """CSV (RFC 4180), UTF-8: a line an instance and action, or, of a dry run, a line for each thing found.

    A cell that a spreadsheet would take for a formula is led by "'".
    """
    rows = _preview_rows(report) if report.preview else _done_rows(report)
    return gathered(_lines(rows))


def _done_rows(report: Report) -> Iterator[Iterable[object]]:
    yield _DONE
    for proof in report.proofs():
        named = (proof.study_uid, proof.sop_instance_uid, proof.source_sha256, proof.result_sha256, proof.key_id)
        for path, action in _actions(proof):
            yield (*named, path, attribute(path), action)
    for held in report.held():
        yield (held.source_study_uid, held.item, "", "", "", held.detail, "", f"quarantined: {held.reason}")
    for one in report.refused():
        yield (one.source_study_uid, one.item, "", "", "", one.detail, "", f"refused: {one.reason}")
    for one in report.failed():
        yield (one.item, "", "", "", "", one.detail, "", f"study failed: {one.reason}")


def _preview_rows(report: Report) -> Iterator[Iterable[object]]:
    yield _PREVIEW
    for acted in report.actions():
        yield ("action", "", "", acted.path, acted.attribute, acted.action, acted.times, "")
    for left in report.texts():
        yield ("text", "", "", left.path, left.attribute, "", left.times, left.text)
    for held in report.held():
        yield ("quarantined", held.source_study_uid, held.item, "", "", held.reason, 1, held.detail)
    for kind, lines in (("conflict", report.conflicts()), ("refused", report.refused())):
        for one in lines:
            yield (kind, one.source_study_uid, one.item, one.detail, "", one.reason, 1, one.message)
    for one in report.failed():
        yield ("study failed", one.item, "", one.detail, "", one.reason, 1, one.message)


def _actions(proof: Proof) -> list[tuple[str, str]]:
    actions: list[tuple[str, str]] = json.loads(proof.actions)
    return actions


def _lines(rows: Iterable[Iterable[object]]) -> Iterator[str]:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    for row in rows:
        writer.writerow(map(_cell, row))
        yield written.getvalue()
        written.seek(0)
        written.truncate()


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def gathered(texts: Iterable[str]) -> Iterator[bytes]:
    """The same text as UTF-8 in pieces that are worth sending."""
    held: list[str] = []
    size = 0
    for text in texts:
        held.append(text)
        size += len(text)
        if size >= _PIECE_BYTES:
            yield from _pieces(held)
            held, size = [], 0
    yield from _pieces(held)


def _pieces(texts: list[str]) -> Iterator[bytes]:
    data = "".join(texts).encode("utf-8", "replace")
    return (data[start : start + _PIECE_BYTES] for start in range(0, len(data), _PIECE_BYTES))

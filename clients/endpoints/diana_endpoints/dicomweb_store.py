"""Storing into a DICOMweb server: STOW-RS (PS3.18 section 10.5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from diana_common.dicomjson import first_value, items
from diana_common.errors import DianaError, Reason, invalid_field
from diana_endpoints.dicomweb_find import ACCEPT
from diana_endpoints.failures import each, failure_of, is_away
from diana_endpoints.headers import fill_header
from diana_endpoints.http import Answer, Server, refused
from diana_endpoints.items import BytesContent, Item
from diana_endpoints.multipart import fetched, new_boundary, written

_TOGETHER, _BYTES = 100, 16 * 1024 * 1024
_INSTANCE_UID, _FAILED, _REFERENCED = "00081155", "00081198", "00081199"
_FAILURE_REASON, _WARNING_REASON = "00081197", "00081196"
_ANSWERED = (400, 409)
"""Statuses that tell of each instance, where a body comes with them: 409 by the standard, 400 from Orthanc."""
_REASONS = {
    0x0110: "processing failure",
    0x0111: "duplicate SOP instance",
    0x0117: "invalid object instance",
    0x0122: "SOP class not supported",
    0x0124: "not authorized",
    0x0131: "no such SOP instance",
    0xA700: "out of resources",
    0xA900: "data set does not match its SOP class",
    0xC000: "cannot be understood",
    0xC122: "transfer syntax not supported",
}
"""Failure Reasons (PS3.18 section I.2.2); of those in ranges, their beginning."""


def store(server: Server, incoming: Iterable[Item]) -> Iterator[Item]:
    """Store each, small ones together; it comes back with its outcome or failure."""
    batch: list[Item] = []
    size = 0
    for item in each(incoming, _prepare):
        if item.failure:
            yield item
            continue
        weight = item.content.size if isinstance(item.content, BytesContent) else _BYTES
        if batch and size + weight > _BYTES:
            yield from _send(server, batch)
            batch, size = [], 0
        batch.append(item)
        size += weight
        if len(batch) == _TOGETHER:
            yield from _send(server, batch)
            batch, size = [], 0
    if batch:
        yield from _send(server, batch)


def _prepare(item: Item) -> None:
    """Read what is small, so that a source that fails does so by itself; and the UIDs that the answer will go by."""
    if item.content is None:
        raise invalid_field("content", "is required: get the instance before it is put")
    item.content = fetched(item.content)
    fill_header(item)


def _send(server: Server, batch: list[Item]) -> Iterator[Item]:
    try:
        answer = _post(server, batch)
    except Exception as error:
        if is_away(error):
            raise
        if len(batch) == 1:
            batch[0].failure = failure_of(error)
            yield batch[0]
            return
        for item in batch:  # one that the server does not like must not keep the others
            yield from _send(server, [item])
        return
    said = dict(_said(answer))
    for item in batch:
        outcome = said.get(str(item.meta["sop_instance_uid"]))
        if outcome is None:
            outcome = refused("did not say that it stored the instance")
        if isinstance(outcome, DianaError):
            item.failure = failure_of(outcome)
        else:
            item.meta |= {"id": item.meta["sop_instance_uid"], **outcome}
        yield item


def _post(server: Server, batch: list[Item]) -> Mapping[str, Any]:
    boundary = new_boundary()
    headers = {**ACCEPT, "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}'}
    contents = [item.content for item in batch if item.content]
    parts = written(contents, boundary, "application/dicom")
    body = b"".join(parts) if all(isinstance(one, BytesContent) for one in contents) else parts
    return _read(server.ask("POST", "/studies", body=body, headers=headers, again=True, accepted=_ANSWERED))


def _read(answer: Answer) -> Mapping[str, Any]:
    try:
        tree = answer.json()
    except DianaError:
        tree = None
    if isinstance(tree, list) and len(tree) == 1:  # some answer with an array of one
        tree = tree[0]
    if isinstance(tree, dict) and (_REFERENCED in tree or _FAILED in tree):
        return tree
    if answer.status in _ANSWERED:
        raise refused(f"does not take the instances (status {answer.status})")
    raise refused("does not say which instances it stored")


def _said(answer: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, str] | DianaError]]:
    """What became of each instance, by its UID; a failure has the last word."""
    for one in items(answer, _REFERENCED):
        warning = _code(one, _WARNING_REASON)
        noted = {"outcome": "stored"} | ({"warning": f"{warning:04X}"} if warning else {})
        yield first_value(one, _INSTANCE_UID) or "", noted
    for one in items(answer, _FAILED):
        code = _code(one, _FAILURE_REASON)
        meaning = _REASONS.get(code) or _REASONS.get(code & 0xFF00) or _REASONS.get(code & 0xF000) or "of its own"
        message = f"the server refused it: Failure Reason {code:04X}, {meaning}"
        yield first_value(one, _INSTANCE_UID) or "", DianaError(Reason.ENDPOINT_REFUSED, message)


def _code(one: Mapping[str, Any], tag: str) -> int:
    text = first_value(one, tag) or "0"
    return int(text) & 0xFFFF if text.isdecimal() else 0

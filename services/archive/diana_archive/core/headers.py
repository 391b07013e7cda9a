"""Headers as DICOM JSON (PS3.18 Annex F), kept so that they can be sent in one message."""

from __future__ import annotations

import heapq
import re

from diana_common.errors import DianaError, Reason

LARGEST = 3 * 1024 * 1024

# Strings are passed over whole, so that only brackets that nest are seen.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[{}\[\]]')
_MEMBER = re.compile(rb'"([0-9A-F]{8})":\{"vr":"([A-Z]{2})"')


def fit_header(dicom_json: bytes) -> bytes:
    """The header, of at most 3 MiB: where it is larger, its largest elements are left out.

    An element that is left out keeps its VR and names itself: `"BulkDataURI":"element:30060039"`; it is
    read from the instance. Raises DianaError DATA_SET_LIMIT when that does not help, for there are too many.
    """
    excess = len(dicom_json) - LARGEST
    if excess <= 0:
        return dicom_json
    members = _members(dicom_json)
    left_out: dict[int, bytes] = {}
    for start, end in heapq.nlargest(len(members), members, key=lambda member: member[1] - member[0]):
        if excess <= 0:
            return b"{" + b",".join(left_out.get(at, dicom_json[at:to]) for at, to in members) + b"}"
        match = _MEMBER.match(dicom_json, start)
        if match is None:
            break
        left_out[start] = b'"%s":{"vr":"%s","BulkDataURI":"element:%s"}' % (match[1], match[2], match[1])
        excess -= end - start - len(left_out[start])
    raise DianaError(Reason.DATA_SET_LIMIT, "The data set passes the limit on the header's size as DICOM JSON.")


def _members(dicom_json: bytes) -> list[tuple[int, int]]:
    """Where each member of the object begins and ends."""
    members: list[tuple[int, int]] = []
    depth, start = 0, 0
    for token in _TOKEN.finditer(dicom_json):
        kind = dicom_json[token.start()]
        if kind == 0x22:
            if depth == 1:
                start = token.start()
        elif kind in b"{[":
            depth += 1
        else:
            depth -= 1
            if depth == 1:
                members.append((start, token.end()))
    return members

"""Reading an item's header, without its pixels, from wherever its content lies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from diana_common.dicomjson import first_value, texts
from diana_common.errors import DianaError, Reason
from diana_endpoints.items import Content, FileContent, Item
from diana_endpoints.levels import BY_UID

if TYPE_CHECKING:
    from diana_common.header import Header

_FIRST = 64 * 1024
_MOST = 64 * 1024 * 1024


def fill_header(item: Item) -> None:
    """Give an item its header and UIDs, if it has content and lacks them.

    Raises DianaError as `diana_common.header.scan`, and OSError.
    """
    if item.content is None or (item.header is not None and "sop_instance_uid" in item.meta):
        return
    header = _read(item.content)
    item.header = json.loads(header.dicom_json)
    item.meta |= {
        "study_uid": header.study_uid,
        "series_uid": header.series_uid,
        "sop_instance_uid": header.sop_instance_uid,
        "sop_class_uid": header.sop_class_uid,
        "transfer_syntax_uid": header.transfer_syntax_uid,
    }


def data_of(item: Item) -> dict[str, Any]:
    """What an item says, by name: its data, else its header's attributes by keyword (tag, where there is none).

    Several values are a list; items of sequences are left out.
    """
    if item.data is not None or not item.header:
        return item.data or {}
    from diana_common.tags import keyword_of  # pydicom with it: time that most commands need not spend

    found: dict[str, Any] = {}
    for tag, element in item.header.items():
        if element.get("vr") != "SQ":
            values = texts(item.header, tag)
            found[keyword_of(int(tag, 16)) or tag] = values[0] if len(values) == 1 else values
    return found


def said_by(item: Item) -> dict[str, Any]:
    """What an item says, as `data_of`; the header of an instance is read for it, where it has not been.

    Raises DianaError for what is neither data nor DICOM, and OSError.
    """
    if item.data is None:
        fill_header(item)
    return data_of(item)


def uids_in(header: Mapping[str, Any]) -> dict[str, str]:
    """The UIDs that a header says, as the metadata of items has them; those that it lacks are left out."""
    named = {level.key: first_value(header, level.tag) for level in BY_UID}
    return {key: uid for key, uid in named.items() if uid}


def as_text(value: Any, between: str = "\\") -> str:
    """A value as one text: several with `between` between them, what is nested as JSON, nothing as nothing.

    True and false are written as JSON has them.
    """
    if value is None:
        return ""
    if isinstance(value, (list, tuple)) and not any(isinstance(one, (list, tuple, dict)) for one in value):
        return between.join(map(as_text, value))
    if isinstance(value, (bool, dict, list, tuple)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _read(content: Content) -> Header:
    from diana_common.header import read_header, scan  # pydicom with it: time that most commands need not spend

    if isinstance(content, FileContent):
        return read_header(content.path)
    with content.open() as stream:
        head = stream.read(_FIRST)
        while True:
            try:
                return scan(head)
            except DianaError as error:
                more = stream.read(len(head) * 7) if error.reason in _CUT_SHORT and len(head) < _MOST else b""
                if not more:
                    raise
                head += more


_CUT_SHORT = (Reason.DATA_SET_TRUNCATED, Reason.FILE_META_INVALID)
"""What a header looks like whose end has not been read yet."""

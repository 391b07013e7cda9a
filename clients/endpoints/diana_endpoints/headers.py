"""Reading an item's header, without its pixels, from wherever its content lies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from diana_common.errors import DianaError, Reason
from diana_endpoints.items import Content, FileContent, Item

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

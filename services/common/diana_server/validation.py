"""Requests are held against the rules in their contract (buf.validate) before a servicer sees them."""

from __future__ import annotations

import protovalidate
from google.protobuf.message import Message

from diana_common.errors import DianaError, FieldViolation, Reason


def check(message: Message, where: str = "") -> None:
    """Raise DianaError INVALID_FIELD if a message breaks its contract's rules.

    Field paths read `items[2].uid`, below `where` if that is given. Values are never repeated.
    """
    try:
        protovalidate.validate(message)
    except protovalidate.ValidationError as error:
        fields = [FieldViolation(_path(one, where), one.proto.message) for one in error.violations]
        text = "; ".join(f"{one.field or 'request'}: {one.description}" for one in fields)
        raise DianaError(Reason.INVALID_FIELD, text, fields=fields) from None


def _path(violation: protovalidate.Violation, where: str) -> str:
    path = where
    for element in violation.proto.field.elements if violation.proto.field else ():
        path += f".{element.field_name}" if path else element.field_name
        if element.subscript is not None and element.subscript.field == "index":
            path += f"[{element.subscript.value}]"
    return path

"""YAML documents that people write, read with the line of everything, and refused with all their faults at once."""

from diana_common.documents.document import (
    MAX_BYTES,
    Entries,
    Items,
    Node,
    NotADocument,
    Scalar,
    read_document,
)
from diana_common.documents.faults import Fault, Faults, TooManyFaults, refusal, shown
from diana_common.documents.fields import FieldReader, Fields

__all__ = [
    "MAX_BYTES",
    "Entries",
    "Fault",
    "Faults",
    "FieldReader",
    "Fields",
    "Items",
    "Node",
    "NotADocument",
    "Scalar",
    "TooManyFaults",
    "read_document",
    "refusal",
    "shown",
]

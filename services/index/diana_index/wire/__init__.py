"""Between protobuf and the index's own words: one module a service."""

from diana_index.wire.index import (
    DEFAULT_STORE,
    asked_from_proto,
    attribute_to_proto,
    batch_from_proto,
    held_from_proto,
    orders_from_proto,
    record_to_proto,
)

__all__ = [
    "DEFAULT_STORE",
    "asked_from_proto",
    "attribute_to_proto",
    "batch_from_proto",
    "held_from_proto",
    "orders_from_proto",
    "record_to_proto",
]

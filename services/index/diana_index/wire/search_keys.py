"""Between the messages of search keys and the index's own words of them."""

from __future__ import annotations

from diana.index.v1 import index_service_pb2 as pb
from diana_index.core.attributes import Level
from diana_index.core.vocabulary import SearchKey, make_search_key
from diana_index.core.written import KeptKey
from diana_index.wire.index import level_to_proto
from diana_server.times import timestamp


def key_from_proto(message: pb.SearchKey) -> SearchKey:
    """A search key as asked for. Raises DianaError INVALID_FIELD."""
    level = Level(message.level) if message.level else Level.INSTANCE
    return make_search_key(message.search_key_id, message.path, level, message.vr)


def key_to_proto(key: SearchKey) -> pb.SearchKey:
    """A search key as the contract has it."""
    return pb.SearchKey(search_key_id=key.key_id, path=key.path, level=level_to_proto(key.level), vr=key.vr)


def kept_to_proto(kept: KeptKey, ready: bool) -> pb.SearchKey:
    """One that is kept."""
    message = key_to_proto(kept.key)
    message.ready = ready
    message.create_time.CopyFrom(timestamp(kept.create_time))
    return message

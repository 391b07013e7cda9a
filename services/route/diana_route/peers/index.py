"""The index, asked which studies a filter finds."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from diana_client import Channel, IndexClient
from diana_route.core.querying import A_PAGE
from diana_server.peers import typed


class IndexPeer:
    """core.querying.Index over a connection. Safe to share between threads."""

    def __init__(self, channel: Channel) -> None:
        self._client = IndexClient(channel)

    def studies(self, store: str, query: str, at_least_position: str) -> Iterator[list[str]]:
        """See Index. Studies are found in the order of their keys, which is that of their UIDs."""
        with typed("index", "the query"):
            found = self._client.find("study", where=query, store=store, at_least_position=at_least_position)
            while page := [record.study_uid for record in islice(found, A_PAGE)]:
                yield page

"""The index, as far as it answers queries, reached through its client."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence

from diana_client import Channel, IndexClient
from diana_client.index_requests import Matches
from diana_common.dicomjson import DataSetJson
from diana_dimse.core.queries.finding import Index, Level, Question, Vocabulary
from diana_dimse.core.queries.identifiers import Key
from diana_dimse.peers.freshness import Freshness
from diana_server.peers import typed

_TAG = re.compile(r"[0-9A-F]{8}(?:\.[0-9A-F]{8})*")
_VOCABULARY_SECONDS = 60.0
_LEVELS = {Level.PATIENT: "patient", Level.STUDY: "study", Level.SERIES: "series", Level.IMAGE: "instance"}
_BY_NUMBER = dict(enumerate(Level, start=1))  # as diana.type.v1.QueryLevel


class IndexPeer(Index):
    """The core's `Index` over a connection."""

    def __init__(self, channel: Channel, freshness: Freshness) -> None:
        self._client, self._freshness = IndexClient(channel), freshness
        self._vocabulary: tuple[float, Vocabulary] | None = None

    def vocabulary(self, fresh: bool = False) -> Vocabulary:
        """What it said within the last minute, unless it is to be `fresh`."""
        known, now = self._vocabulary, time.monotonic()
        if known is None or fresh or now - known[0] > _VOCABULARY_SECONDS:
            known = self._vocabulary = now, self._asked()
        return known[1]

    def find(self, question: Question) -> Iterator[DataSetJson]:
        """The records that match, a page of them held at a time; those too that just came in here."""
        self._freshness.wait(question.store)
        with typed("index"):
            for record in self._client.find(
                _LEVELS[question.level],
                _matches(question.keys),
                return_keys=question.return_tags,
                fuzzy_names=question.agreement.fuzzy_names,
                combined_date_times=question.agreement.combined_date_times,
                store=question.store,
            ):
                yield json.loads(record.dicom_json)

    def _asked(self) -> Vocabulary:
        with typed("index"):
            attributes = self._client.capabilities()
            waiting = {key.search_key_id for key in self._client.search_keys() if not key.ready}
        named = [one for one in attributes if _TAG.fullmatch(one.tag)]
        # Search keys are matched, but are no part of the records that are answered.
        kept = {one.tag: _BY_NUMBER[one.level] for one in named if _is_keyword(one.keyword)}
        return Vocabulary(frozenset(one.tag for one in named if one.keyword not in waiting), kept)


def _is_keyword(name: str) -> bool:
    """Whether this is a keyword of PS3.6; ids of search keys begin with a small letter."""
    return name[:1].isupper() and "." not in name


def _matches(keys: Sequence[Key]) -> Matches:
    return {key.tag: _matches(key.item) if key.item else list(key.values) for key in keys}

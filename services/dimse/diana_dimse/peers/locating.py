"""The index, as far as it knows where studies and series belong, reached through its client."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from diana_client import Channel, IndexClient, record_attributes
from diana_dimse.peers.freshness import Freshness
from diana_server.peers import typed

_STUDY_UID, _SERIES_UID = "0020000D", "0020000E"


class IndexLocating:
    """The core's `Locating` over a connection."""

    def __init__(self, channel: Channel, freshness: Freshness) -> None:
        self._client, self._freshness = IndexClient(channel), freshness

    def studies_of(self, store: str, patient_id: str) -> Iterator[str]:
        """The Study Instance UIDs of a Patient ID."""
        self._freshness.wait(store)
        with typed("index"):
            for record in self._client.find("study", {"PatientID": patient_id}, store=store):
                yield record_attributes(record).get(_STUDY_UID, "")

    def studies_with(self, store: str, series_uids: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Study and Series Instance UID of each of these series."""
        self._freshness.wait(store)
        with typed("index"):
            for record in self._client.find("series", {"SeriesInstanceUID": series_uids}, store=store):
                found = record_attributes(record)
                yield found.get(_STUDY_UID, ""), found.get(_SERIES_UID, "")

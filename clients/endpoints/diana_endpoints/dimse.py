"""The mesh's DICOM network door, as those use it who want something of a PACS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from diana_client import Channel, OperationClient
from diana_client.dimse import DimseClient
from diana_endpoints.archive_work import await_work
from diana_endpoints.headers import uids_in
from diana_endpoints.items import Item
from diana_endpoints.kind import Kind
from diana_endpoints.mesh import MeshEndpoint, MeshSettings, examine
from diana_endpoints.protocol.dimse import Parcel, Wanted
from diana_endpoints.protocol.endpoint import Health, OnProgress
from diana_endpoints.protocol.query import Matches

CONTRACT = "diana.dimse.v1.DimseService"


@dataclass(frozen=True)
class DimseSettings(MeshSettings):
    """The DICOM network door."""

    store: str = ""
    """The archive's store that studies are brought into and sent from; "default" when empty."""


class Dimse(MeshEndpoint):
    """Endpoint `dimse`. Every method but `check` raises MeshError when the service refuses, or cannot go on."""

    def __init__(self, settings: DimseSettings) -> None:
        super().__init__(settings)
        self._settings = settings
        self._store = settings.store
        self._client = DimseClient(self._channel)
        self._operations = OperationClient(self._channel)

    def check(self) -> Health:
        """Whether it is ready, where it takes associations, and how many there are."""
        return examine(self._settings, CONTRACT, _describe)

    def peers(self) -> Iterator[Item]:
        """The peers of the service's configuration."""
        for number, peer in enumerate(self._client.peers(), 1):
            meta = {"peer": peer.name, "ae_title": peer.ae_title, "address": peer.address, "tls": peer.tls}
            yield Item(meta, number=number)

    def associations(self) -> Iterator[Item]:
        """The associations that are open, the oldest first."""
        for number, one in enumerate(self._client.associations(), 1):
            meta = {
                "calling_ae_title": one.calling_ae_title,
                "called_ae_title": one.called_ae_title,
                "address": one.address,
                "since": one.start_time.ToDatetime().isoformat(timespec="seconds") + "Z",
                "received": one.received_count,
            }
            yield Item(meta, number=number)

    def echo(self, peer: str) -> Item:
        """Whether a peer answers a C-ECHO."""
        return Item({"peer": peer, "milliseconds": round(self._client.echo(peer) * 1000, 1)})

    def find_at(
        self, peer: str, level: str, matches: Matches, return_keys: Sequence[str] = (), limit: int = 0
    ) -> Iterator[Item]:
        """A peer's answers to a C-FIND, while they come."""
        answers = self._client.find(peer, level, matches, return_keys=return_keys, limit=limit)
        for number, header in enumerate(answers, 1):
            yield Item({"peer": peer, **uids_in(header)}, header, number=number)

    def start_pull(self, peer: str, wanted: Wanted) -> str:
        """Start to retrieve studies from a peer into the store; the name of the operation."""
        client, store, method = self._client, self._store, wanted.method
        if wanted.study_uids:
            return client.retrieve_studies(peer, wanted.study_uids, store=store, method=method).name
        if wanted.accession_numbers:
            return client.retrieve_accessions(peer, wanted.accession_numbers, store=store, method=method).name
        return client.retrieve_dates(
            peer,
            wanted.first_date,
            wanted.last_date,
            days=wanted.days,
            matches=wanted.matches,
            store=store,
            method=method,
        ).name

    def start_push(self, peer: str, parcel: Parcel) -> str:
        """Start to send instances to a peer; the name of the operation."""
        return self._client.send(
            peer,
            study_uids=parcel.study_uids,
            sop_instance_uids=parcel.sop_instance_uids,
            store=parcel.store or self._store,
            commit=parcel.commit,
        ).name

    def await_work(self, operation: str, on_progress: OnProgress | None = None) -> Iterator[Item]:
        """Wait for its end: what failed of it; at last its counts, or why it ended."""
        return await_work(self._operations, operation, on_progress)


def _describe(channel: Channel) -> str:
    client = DimseClient(channel)
    here = client.local_entities()
    titles = ", ".join(one.ae_title for one in here.entities)
    doors = [here.address] if here.address else []
    doors += [f"{here.tls_address} (TLS)"] if here.tls_address else []
    return (
        f"takes associations as {titles} at {', '.join(doors)}; {len(client.associations())} open, "
        f"{len(client.peers())} peers"
    )


KIND = Kind(DimseSettings, Dimse, setting="store", mesh=True)

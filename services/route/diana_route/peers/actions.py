"""The actions of a rule, made of what it says and of the connections to the mesh's services."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from diana_client import AnonClient, ArchiveClient, Channel, DimseClient, FolderClient, NotifyClient, OperationClient
from diana_common.errors import invalid_field
from diana_common.settings import nearest
from diana_endpoints.protocol.items import Putter
from diana_route.core.actions import Action
from diana_route.core.rules import Anonymize, Delete, FolderSource, Index, Notify, Put, Rule, Send, Spec, Webhook
from diana_route.peers.anonymizing import ANON, Anonymizing
from diana_route.peers.channels import Channels
from diana_route.peers.deleting import Deleting
from diana_route.peers.endpoints import Endpoints
from diana_route.peers.held import Confirming
from diana_route.peers.indexing import INDEX, Indexing
from diana_route.peers.operations import WAIT_SECONDS, Credits, Notes, Operations
from diana_route.peers.sending_to_archive import SendingToArchive
from diana_route.peers.sending_to_endpoint import SendingToEndpoint
from diana_route.peers.sending_to_folder import Folder, SendingToFolder
from diana_route.peers.sending_to_peer import SendingToPeer
from diana_route.peers.telling import Calling, Notifying

Other = Callable[[Rule, Put | Delete], Action]
"""Makes what is done with the files of a rule's folder: `put`, and `delete` where the source is a folder."""


@dataclass(frozen=True)
class Services:
    """What actions work with."""

    channels: Channels

    open_folder: Callable[[str], Folder]
    """A folder to send into, by its path: diana_route.adapters.outgoing.OutgoingFolder, which raises DianaError
    PATH_FORBIDDEN."""

    notes: Notes
    credits: Credits
    """The journal, both."""

    endpoints: Endpoints = field(default_factory=lambda: Endpoints({}))
    """Those of the configuration."""

    stopping: Callable[[], bool] = lambda: False
    """Whether the service is about to stop, so that long sending ends between two instances."""

    wait_seconds: float = WAIT_SECONDS
    """How long an attempt waits for an operation."""


def make_actions(rule: Rule, services: Services, other: Other) -> list[Action]:
    """The actions of a rule, in order: for core.executing.Carried, and their targets for NewJob.

    Raises DianaError INVALID_FIELD (an archive or endpoint that is not configured or takes nothing, an attribute to
    seal that is none; the field is "archive", "endpoint" or "sealed"), PATH_FORBIDDEN (a folder that is not open).
    """
    made: list[Action] = []
    for spec in rule.actions:
        made.append(_action(rule, spec, made, services, other))
    return made


def _action(rule: Rule, spec: Spec, before: Sequence[Action], services: Services, other: Other) -> Action:
    archive = ArchiveClient(services.channels.archive)
    match spec:
        case Put():
            return other(rule, spec)
        case Delete():
            if isinstance(rule.source, FolderSource):
                return other(rule, spec)
            return Deleting(
                archive, [(number, one) for number, one in enumerate(before) if isinstance(one, Confirming)]
            )
        case Anonymize():
            following = _operations(services, services.channels.anon, ANON)
            return Anonymizing(spec, AnonClient(services.channels.anon), following, archive, services.credits)
        case Index():
            following, client = (
                _operations(services, services.channels.index, INDEX),
                OperationClient(services.channels.index),
            )
            return Indexing(spec, FolderClient(services.channels.index), following, client)
        case Notify():
            return Notifying(spec, NotifyClient(services.channels.notify), archive)
        case Webhook():
            return Calling(spec, NotifyClient(services.channels.notify))
    return _sending(rule, spec, archive, services)


def _sending(rule: Rule, spec: Send, archive: ArchiveClient, services: Services) -> Action:
    if spec.folder:
        return SendingToFolder(spec, archive, services.open_folder(spec.folder), services.stopping)
    if spec.archive:
        to = services.channels.archives.get(spec.archive)
        if to is None:
            raise invalid_field(
                "archive", f"is not configured; {nearest(spec.archive, sorted(services.channels.archives))}"
            )
        return SendingToArchive(spec, archive, ArchiveClient(to), services.stopping)
    unconfirmed = any(isinstance(one, Delete) and one.unconfirmed for one in rule.actions)
    if spec.endpoint:
        services.endpoints.check(spec.endpoint, [Putter], "take instances", "endpoint")
        return SendingToEndpoint(spec.endpoint, archive, services.endpoints, services.stopping, unconfirmed=unconfirmed)
    following = _operations(services, services.channels.dimse, f"peer {spec.peer}")
    return SendingToPeer(spec, DimseClient(services.channels.dimse), following, unconfirmed=unconfirmed)


def _operations(services: Services, channel: Channel, service: str) -> Operations:
    return Operations(OperationClient(channel), service, services.notes, services.wait_seconds)

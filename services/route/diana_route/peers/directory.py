"""What the services of the mesh know by name, for whoever checks rules."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

from diana.notify.v1 import notify_service_pb2 as notify_pb
from diana_client import AnonClient, ArchiveClient, DimseClient, IndexClient, MeshError, NotifyClient
from diana_client.notify import content
from diana_common.errors import DianaError, Reason
from diana_common.settings import nearest
from diana_route.core.references import Reference, ReferenceKind
from diana_route.peers.channels import Channels
from diana_server.peers import core_error

T = TypeVar("T")

_SECONDS = 5.0
"""How long a service is waited for; one that does not answer is not asked again."""

_BAD_QUERY = (Reason.FILTER_INVALID, Reason.KEY_UNSUPPORTED, Reason.SEARCH_KEY_NOT_READY, Reason.INVALID_FIELD)
_NO_STUDY = {"StudyInstanceUID": "0"}


class MeshDirectory:
    """core.references.Directory over connections, for one look: what was asked once is not asked again."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._names: dict[tuple[ReferenceKind, str], Collection[str]] = {}
        self._away: dict[str, DianaError] = {}

    def fault(self, reference: Reference) -> str:
        """See Directory."""
        match reference.kind:
            case ReferenceKind.TEMPLATE:
                return self._template_fault(reference.name)
            case ReferenceKind.QUERY:
                return self._query_fault(reference.name, reference.of)
        known, owner = self._known(reference.kind, reference.of)
        if reference.name in known:
            return ""
        return f"{owner} has no {reference.kind.value} of this name; {nearest(reference.name, known)}"

    def _known(self, kind: ReferenceKind, of: str) -> tuple[Collection[str], str]:
        """The names of a kind, and who has them."""
        owner, names = self._list(kind, of)
        if (kind, of) not in self._names:
            self._names[kind, of] = self._asked(owner, names)
        return self._names[kind, of], owner

    def _list(self, kind: ReferenceKind, of: str) -> tuple[str, Callable[[], Collection[str]]]:
        channels = self._channels
        match kind:
            case ReferenceKind.STORE:
                archive = ArchiveClient(channels.archives[of] if of else channels.archive).within(_SECONDS)
                return (f"archive {of}" if of else "archive"), lambda: {store.name for store in archive.stores()}
            case ReferenceKind.PROFILE:
                anon = AnonClient(channels.anon).within(_SECONDS)
                return "anon", lambda: {profile.name for profile in anon.profiles()}
            case ReferenceKind.PEER:
                dimse = DimseClient(channels.dimse).within(_SECONDS)
                return "dimse", lambda: {peer.name for peer in dimse.peers()}
        notify = NotifyClient(channels.notify).within(_SECONDS)
        return "notify", lambda: {channel.tag for channel in notify.channels()}

    def _template_fault(self, name: str) -> str:
        """Notify looks at a message of it, from which all that it names is missing: if it is there, it says so."""
        screen = notify_pb.Recipient(transport=notify_pb.TRANSPORT_SCREEN)
        notify = NotifyClient(self._channels.notify).within(_SECONDS)
        try:
            self._asked("notify", lambda: notify.preview(screen, content(template=name)))
        except DianaError as error:
            if error.reason is Reason.TEMPLATE_UNKNOWN:
                return "notify has no template of this name"
            if error.reason is not Reason.TEMPLATE_INVALID:
                raise
        return ""

    def _query_fault(self, query: str, store: str) -> str:
        """The index is asked, for a study that there cannot be."""
        index = IndexClient(self._channels.index).within(_SECONDS)
        try:
            self._asked("index", lambda: list(index.find("study", _NO_STUDY, where=query, store=store, limit=1)))
        except DianaError as error:
            if error.reason not in (*_BAD_QUERY, Reason.STORE_UNKNOWN):
                raise
            if error.reason in _BAD_QUERY:
                return error.fields[0].description if error.fields else error.message
        return ""

    def _asked(self, service: str, ask: Callable[[], T]) -> T:
        if service in self._away:
            raise self._away[service]
        try:
            return ask()
        except MeshError as error:
            refused = core_error(service, error)
            if refused.reason in (Reason.PEER_UNAVAILABLE, Reason.CONFIG_INVALID):
                self._away[service] = refused
            raise refused from error

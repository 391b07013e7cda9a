"""Sending as modalities do: by C-STORE (PS3.4 annex B), an association a device, under the device's own AE title."""

from __future__ import annotations

import re
import socket
import tempfile
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydicom.uid import (
    BasicTextSRStorage,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    MRImageStorage,
    NuclearMedicineImageStorage,
    PositronEmissionTomographyImageStorage,
    UltrasoundImageStorage,
    XRayAngiographicImageStorage,
    XRayRadiationDoseSRStorage,
    XRayRadiofluoroscopicImageStorage,
)
from pynetdicom import AE, _config, evt
from pynetdicom.association import Association

from diana_common.errors import DianaError, Reason, invalid_field
from diana_endpoints.items import Failure, Item, chunks

_config.STORE_SEND_CHUNKED_DATASET = True  # the file's bytes as they are, whatever is wrong with them

_SOP_CLASSES = (
    CTImageStorage,
    MRImageStorage,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalMammographyXRayImageStorageForPresentation,
    UltrasoundImageStorage,
    NuclearMedicineImageStorage,
    PositronEmissionTomographyImageStorage,
    XRayAngiographicImageStorage,
    XRayRadiofluoroscopicImageStorage,
    BasicTextSRStorage,
    XRayRadiationDoseSRStorage,
)
_PEER = re.compile(r"(?P<title>[^@\\\x00-\x1f]{1,16})@(?P<host>[^@\s]+):(?P<port>[0-9]{1,5})")
_MOST_ASSOCIATIONS = 16
_ANSWER_SECONDS = 60.0
_IDLE_SECONDS = 3600.0
_WARNING = 0xB000


@dataclass(frozen=True)
class Peer:
    """Who is sent to."""

    ae_title: str
    host: str
    port: int

    @classmethod
    def of(cls, text: str) -> Peer | None:
        """The peer that AET@HOST:PORT names; None for what is of another form. Raises DianaError INVALID_FIELD."""
        found = _PEER.fullmatch(text)
        if found is None:
            return None
        port = int(found["port"])
        if not 0 < port < 65536:
            raise invalid_field("dest", "has no port from 1 to 65535")
        return cls(found["title"], found["host"].strip("[]"), port)


class Link:
    """Puts items to a peer. Open associations are few: the one that was used least recently goes first."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._open: OrderedDict[str, tuple[str, Association]] = OrderedDict()

    def close(self) -> None:
        """Release all associations."""
        while self._open:
            self._release(next(iter(self._open)))

    def put(self, items: Iterable[Item]) -> Iterator[Item]:
        """Send each as the device that `meta["device"]` names: an association for each study, in turn."""
        for item in items:
            try:
                item.meta["outcome"] = self._send(item)
            except (DianaError, OSError, RuntimeError, ValueError) as error:
                item.failure = _failure(error)
            yield item
        self.close()

    def _send(self, item: Item) -> str:
        association = self._association(str(item.meta["device"]), str(item.meta["study_uid"]))
        with tempfile.NamedTemporaryFile(prefix="diana-mock-", suffix=".dcm") as file:
            file.writelines(chunks(item.content) if item.content else ())
            file.flush()
            status = association.send_c_store(Path(file.name)).get("Status")
        if status is None:
            raise DianaError(Reason.PEER_UNAVAILABLE, "the peer ended the association, or did not answer in time")
        if status == 0 or status & 0xF000 == _WARNING:
            return "sent"
        raise DianaError(Reason.PEER_REFUSED, f"the peer answered with status 0x{status:04X}")

    def _association(self, device: str, study_uid: str) -> Association:
        known, association = self._open.get(device, ("", None))
        if association is not None and known == study_uid and association.is_established:
            self._open.move_to_end(device)
            return association
        if association is not None:
            self._release(device)
        while len(self._open) >= _MOST_ASSOCIATIONS:
            self._release(next(iter(self._open)))
        opened = self._associate(device)
        self._open[device] = (study_uid, opened)
        return opened

    def _associate(self, device: str) -> Association:
        entity = AE(device)
        entity.requested_contexts = []
        for sop_class in _SOP_CLASSES:
            entity.add_requested_context(sop_class, ExplicitVRLittleEndian)
        entity.acse_timeout = entity.connection_timeout = 10
        entity.dimse_timeout, entity.network_timeout = _ANSWER_SECONDS, _IDLE_SECONDS
        handlers: list[evt.EventHandlerType] = [(evt.EVT_CONN_OPEN, _without_delay)]
        peer = self._peer
        opened = entity.associate(peer.host, peer.port, ae_title=peer.ae_title, evt_handlers=handlers)
        if opened.is_rejected:
            raise DianaError(Reason.ASSOCIATION_REJECTED, "the peer rejected the association")
        if not opened.is_established:
            raise DianaError(Reason.PEER_UNAVAILABLE, "the peer cannot be reached")
        return opened

    def _release(self, device: str) -> None:
        _, association = self._open.pop(device)
        if association.is_established:
            association.release()


def _without_delay(event: evt.Event) -> None:
    """Small messages at once: Nagle's algorithm would hold each until the one before is acknowledged."""
    link = event.assoc.dul.socket
    if link and link.socket:
        link.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _failure(error: Exception) -> Failure:
    if isinstance(error, DianaError):
        return Failure(error.reason.name, error.message, error.remedy)
    if isinstance(error, ValueError):
        refused = DianaError(Reason.PEER_REFUSED, "the peer takes no instances of this SOP Class")
        return Failure(refused.reason.name, refused.message, "Have the peer accept Explicit VR Little Endian of it.")
    gone = DianaError(Reason.PEER_UNAVAILABLE, f"the association broke off ({type(error).__name__})")
    return Failure(gone.reason.name, gone.message, gone.remedy)

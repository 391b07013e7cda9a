"""The ports for associations, and the door as administrators see it."""

from __future__ import annotations

import ssl

from diana_common.settings import config_invalid
from diana_common.state_files import replace_file
from diana_common.traces import frames
from diana_dimse.config import DimseConfig, LimitsConfig, ListenTlsConfig
from diana_dimse.core.doorway import Doorway, OpenAssociation
from diana_dimse.handlers.door import Door
from diana_dimse.network.faults import AssociationEnded
from diana_dimse.network.listener import Caller, Limits, Listener
from diana_server import logs
from diana_server.config import split_address


def make_listeners(config: DimseConfig, door: Door) -> list[Listener]:
    """The ports for associations, listening. Raises DianaError CONFIG_INVALID."""
    log = logs.logger("dimse")

    def note(caller: Caller, error: BaseException) -> None:
        if isinstance(error, AssociationEnded | OSError):  # the latter from TLS
            detail = str(error) if isinstance(error, AssociationEnded) else ""
            log.info("association ended", address=caller.address, why=type(error).__name__, detail=detail)
        else:
            log.error("association failed", error_type=type(error).__qualname__, frames=frames(error))

    limits = _limits(config.limits)
    found = []
    try:
        if config.listen:
            found.append(Listener(split_address(config.listen, "listen"), door, limits, on_ended=note))
            if config.listen_file:
                replace_file(config.listen_file, "{}:{}".format(*found[0].address).encode())
        if config.tls:
            address = split_address(config.tls.listen, "tls.listen")
            found.append(Listener(address, door, limits, _tls(config.tls), note))
    except OSError as error:
        raise config_invalid("listen", f"cannot be listened at: {error.strerror}") from None
    return found


def make_doorway(config: DimseConfig, listeners: list[Listener], door: Door) -> Doorway:
    """Where associations are taken, and which are open."""
    addresses = ["{}:{}".format(*one.address) for one in listeners]
    plain, tls = addresses[0] if config.listen else "", addresses[-1] if config.tls else ""

    def associations() -> list[OpenAssociation]:
        return [
            OpenAssociation(
                one.association.agreed.calling,
                one.association.agreed.called,
                one.caller.address,
                one.start_time,
                one.received.total(),
            )
            for one in door.sessions
        ]

    return Doorway(plain, tls, associations)


def _limits(config: LimitsConfig) -> Limits:
    return Limits(config.associations, config.negotiation_seconds, config.network_seconds, config.idle_seconds)


def _tls(config: ListenTlsConfig) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(config.cert_file, config.key_file)
        if config.client_ca_file:
            context.load_verify_locations(config.client_ca_file)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError):
        raise config_invalid("tls", "its files cannot be read as certificates and keys in PEM") from None
    return context

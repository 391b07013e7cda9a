"""The connections that the configuration describes."""

from __future__ import annotations

from collections.abc import Callable

from diana_route.config import RouteConfig
from diana_route.peers.channels import Channels
from diana_server.peers import reach

_SERVICES = ("archive", "index", "anon", "notify", "dimse")


def make_channels(config: RouteConfig, on_stop: Callable[[Callable[[], None]], None]) -> Channels:
    """All of them, closed at the end. Raises DianaError CONFIG_INVALID."""
    services = {name: reach(name, getattr(config, name)) for name in _SERVICES}
    archives = {name: reach(f"archives.{name}", peer) for name, peer in config.archives.items()}
    for channel in (*services.values(), *archives.values()):
        on_stop(channel.close)
    return Channels(**services, archives=archives)

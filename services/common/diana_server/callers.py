"""Who calls."""

from __future__ import annotations

import ipaddress
from urllib.parse import unquote


def is_on_this_host(peer: str) -> bool:
    """Whether a call's peer, as gRPC names it (`ipv4:1.2.3.4:5`, `ipv6:[::1]:5`, `unix:...`), is on this machine.

    A proxy on this machine is, whoever it speaks for.
    """
    scheme, _, rest = unquote(peer).partition(":")
    if scheme == "unix":
        return True
    if scheme not in ("ipv4", "ipv6"):
        return False
    try:
        address = ipaddress.ip_address(rest.rpartition(":")[0].strip("[]"))
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)

"""The proxy that the environment names for https: HTTPS_PROXY, and NO_PROXY for hosts that are reached without."""

from __future__ import annotations

import base64
import http.client
import ssl
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from diana_common.settings import config_invalid

_SETTING = "the environment variable HTTPS_PROXY"
_REMEDY = "must be http://HOST:PORT, with NAME:PASSWORD@ before the host if it wants to know who asks"


@dataclass(frozen=True, slots=True)
class Proxy:
    """One that makes a tunnel to where it is told (RFC 9110 section 9.3.6); what goes through it is encrypted."""

    host: str
    port: int
    login: str = field(default="", repr=False)
    """"NAME:PASSWORD"; empty where it asks for none."""

    def to(self, host: str, port: int | None, timeout: float, tls: ssl.SSLContext) -> http.client.HTTPConnection:
        """A connection through it to a host, yet to be made."""
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=timeout, context=tls)
        given = base64.b64encode(self.login.encode()).decode()
        connection.set_tunnel(host, port, {"Proxy-Authorization": f"Basic {given}"} if self.login else {})
        return connection


def proxy_for(host: str) -> Proxy | None:
    """The one that leads to a host; None where none is set, or the host is reached without.

    Raises DianaError CONFIG_INVALID, which does not tell what is set: there may be a password in it.
    """
    url = getproxies_environment().get("https", "")
    if not url or proxy_bypass(host):
        return None
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        name, port = parts.hostname, parts.port or 80
    except ValueError:
        raise config_invalid(_SETTING, _REMEDY) from None
    if parts.scheme != "http" or not name:
        raise config_invalid(_SETTING, _REMEDY)
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else ""
    return Proxy(name, port, login)

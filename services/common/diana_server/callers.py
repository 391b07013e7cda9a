"""Who calls."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

import grpc

from diana_common.errors import DianaError, Reason
from diana_common.settings import config_invalid

_SHORTEST_TOKEN, _LONGEST_TOKEN = 16, 1024
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*\Z")  # b64token of RFC 6750 section 2.1


class BearerTokens:
    """The callers that a permission is granted to, each by a token of its own.

    A call shows its token in the metadata "authorization: Bearer TOKEN" (RFC 6750). Tokens lie in files, one a file,
    and are read for each call, so that one can be renewed or withdrawn while the service runs.
    """

    def __init__(self, files: Mapping[str, Path], setting: str = "tokens") -> None:
        """`files` by the caller's name; `setting` is where the configuration has them.

        Raises CONFIG_INVALID naming the entry whose file holds no token, or the same one as another's.
        """
        self._files = dict(files)
        owners: dict[bytes, str] = {}
        for name, path in self._files.items():
            digest = _file_digest(path)
            if digest is None:
                raise config_invalid(
                    f"{setting}.{name}",
                    f"is no readable file with a token: {_SHORTEST_TOKEN} or more letters, digits and . _ ~ + / -",
                )
            if digest in owners:
                raise config_invalid(f"{setting}.{name}", f"has the token of {owners[digest]}; give each its own")
            owners[digest] = name

    def name_of(self, context: grpc.ServicerContext) -> str:
        """The name of who calls.

        Raises CALLER_NOT_PERMITTED when no token is configured, CALLER_UNKNOWN when the call shows none that is.
        """
        if not self._files:
            raise DianaError(Reason.CALLER_NOT_PERMITTED, "No caller is granted this: no token is configured.")
        shown = _shown_digest(context)
        # All are compared, in the same time each, so that nothing is learnt from how long a refusal takes.
        digests = {name: _file_digest(path) for name, path in self._files.items()}
        known = [name for name, digest in digests.items() if hmac.compare_digest(digest or b"", shown)]
        if len(known) != 1:
            raise DianaError(Reason.CALLER_UNKNOWN, "The call shows no token that is known here.")
        return known[0]


def _shown_digest(context: grpc.ServicerContext) -> bytes:
    """The digest of the one bearer token that a call shows; empty (32 zero bytes) for none, or for several."""
    values = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
    scheme, _, token = str(values[0]).partition(" ") if len(values) == 1 else ("", "", "")
    token = token.strip()
    return _digest(token) if scheme.lower() == "bearer" and len(token) <= _LONGEST_TOKEN else bytes(32)


def _file_digest(path: Path) -> bytes | None:
    """The digest of a file's token; None when there is none."""
    try:
        # O_NONBLOCK: a FIFO put in the file's place must not hang the server.
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            token = file.read(_LONGEST_TOKEN + 2).decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return _digest(token) if _SHORTEST_TOKEN <= len(token) <= _LONGEST_TOKEN and _TOKEN.match(token) else None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


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

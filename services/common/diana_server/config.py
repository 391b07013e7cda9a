"""What every server can be told, and how a service reads its configuration."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from diana_common.errors import DianaError
from diana_common.settings import build, override, read_yaml

T = TypeVar("T")


@dataclass(frozen=True)
class TlsConfig:
    """Transport security. Absent settings mean plain text, which is for loopback only."""

    cert_file: Path
    """The server's certificate chain, PEM."""

    key_file: Path
    """Its private key, PEM."""

    client_ca_file: Path | None = None
    """Authorities that client certificates must come from; when set, every client needs one."""


@dataclass(frozen=True)
class ServerConfig:
    """How a service listens and what it takes on."""

    listen: str = "127.0.0.1:0"
    """Host and port; port 0 picks a free one, which `port_file` then tells. Or "unix:" and the absolute path of a
    socket, of 80 bytes at most: for programs of the same user on the same host."""

    port_file: Path | None = None
    """Written, as "host:port" or "unix:PATH", once the server answers."""

    tls: TlsConfig | None = None
    """Transport security; plain text when absent."""

    max_message_bytes: int = 4 * 1024 * 1024
    """The largest message taken; a larger one is answered with RESOURCE_EXHAUSTED."""

    max_concurrent_calls: int = 2048
    """Calls served at a time, streams included; one more is answered with RESOURCE_EXHAUSTED."""

    grace_seconds: float = 20.0
    """How long calls that were accepted may go on after the server is told to stop."""

    metrics_listen: str = ""
    """Host and port of the Prometheus page, over HTTP; none when empty."""

    log_level: str = "info"
    """The least level that is logged: debug, info, warning or error."""

    def __post_init__(self) -> None:
        if self.listen.startswith("unix:"):
            _check_socket(self.listen.removeprefix("unix:"))
        else:
            split_address(self.listen, "listen")
        if self.metrics_listen:
            split_address(self.metrics_listen, "metrics_listen")
        if self.log_level not in ("debug", "info", "warning", "error"):
            raise ValueError("log_level must be debug, info, warning or error")
        if self.max_concurrent_calls < 1 or self.max_message_bytes < 1 or self.grace_seconds < 0:
            raise ValueError("limits must be positive")


def _check_socket(path: str) -> None:
    # What the system takes is 107 bytes, of which some are needed while it is made.
    if not path.startswith("/") or len(path.encode()) > 80 or "\0" in path:
        raise ValueError("listen must be host:port, or unix: and an absolute path of 80 bytes at most")


@dataclass(frozen=True)
class PeerConfig:
    """How another service is reached."""

    address: str
    """Host and port."""

    ca_file: Path | None = None
    """The authorities to trust, PEM; plain text when absent, which is for loopback only."""

    cert_file: Path | None = None
    """The certificate chain to show, PEM; needs `key_file` and `ca_file`."""

    key_file: Path | None = None
    """Its private key, PEM."""

    token_file: Path | None = None
    """A file with the token to show; needs `ca_file` unless the address is on this host. It is read again for each
    call, so that it may be renewed."""

    def __post_init__(self) -> None:
        if self.ca_file is None and (self.cert_file or self.key_file):
            raise ValueError("cert_file and key_file need ca_file")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together")


def split_address(address: str, setting: str) -> tuple[str, int]:
    """Host and port of "host:port". Raises ValueError naming the setting."""
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{setting} must be host:port")
    return host.strip("[]"), int(port)


def load_config(cls: type[T], service: str, path: Path | None, env: Mapping[str, str]) -> T:
    """A service's configuration from a YAML file and the environment, which wins.

    Raises DianaError CONFIG_INVALID.
    """
    tree = read_yaml(path, env) if path else {}
    return build(cls, override(tree, f"DIANA_{service.upper()}", env))


def read_config(cls: type[T], service: str, argv: Sequence[str] | None = None) -> T:
    """A service's configuration as its command line names it; leaves with status 4 if it is bad."""
    parser = argparse.ArgumentParser(prog=f"python -m diana_{service}")
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML settings (docs/reference/configuration.md)")
    arguments = parser.parse_args(argv)
    with exit_on_refusal(service):
        return load_config(cls, service, arguments.config, os.environ)


@contextmanager
def exit_on_refusal(service: str) -> Iterator[None]:
    """Have a DianaError end the process with its message and remedy on standard error, and exit status 4.

    So does an OSError: a state directory that cannot be written, say.
    """
    try:
        yield
    except DianaError as error:
        print(f"python -m diana_{service}: {error.message}\n{error.remedy}", file=sys.stderr)
        raise SystemExit(4) from None
    except OSError as error:
        remedy = "Have the directories and files of the configuration be ones that this user may use."
        print(f"python -m diana_{service}: {error.filename or 'a file'}: {error.strerror}\n{remedy}", file=sys.stderr)
        raise SystemExit(4) from None

#!/usr/bin/env python
"""Asks one service how it is (grpc.health.v1) and ends with status 0 if it serves, 1 if not.

    diana-health archive:50061 diana.archive.v1.ArchiveService

The image has it as `diana-health`. It needs the client only, so that a check is cheap.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from diana_client import HealthClient, MeshError, Serving, TlsOptions, connect

_SECONDS = 4.0  # less than the time Docker gives a check


def main() -> int:
    """Ask, and return the exit status."""
    arguments = _arguments()
    tls = TlsOptions(arguments.ca_file, arguments.cert_file, arguments.key_file) if arguments.ca_file else None
    try:
        with connect(arguments.address, tls=tls, timeout=_SECONDS) as channel:
            answer = HealthClient(channel).check(arguments.contract)
    except MeshError as error:
        print(error, file=sys.stderr)
        return 1
    print(answer.name)
    return 0 if answer is Serving.SERVING else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="diana-health", description="Say whether a service serves.")
    parser.add_argument("address", metavar="HOST:PORT", help="where it listens")
    parser.add_argument("contract", nargs="?", default="", help="its gRPC service; the process as such when absent")
    parser.add_argument("--ca-file", type=Path, help="the authorities to trust, PEM; plain text when absent")
    parser.add_argument("--cert-file", type=Path, help="the certificate to show, PEM")
    parser.add_argument("--key-file", type=Path, help="its private key, PEM")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

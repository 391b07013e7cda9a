"""A process that converts instances for the service, which outlives it: `-m ... DESCRIPTOR MEMORY`.

It may take no more memory than it is told. It answers one question after the other on a connection that it inherits:
JSON with the paths of source and target and a transfer syntax; what went wrong, or nothing. It ends when the other end
is closed.
"""

from __future__ import annotations

import json
import logging
import resource
import sys
import warnings
from multiprocessing.connection import Connection
from pathlib import Path

from diana_dimse.adapters.converting import convert
from diana_dimse.adapters.rewriting import NotConvertible

_MOST_FILE_BYTES = 4096 * 1024 * 1024


def serve(connection: Connection) -> None:
    """Answer until the connection is closed."""
    while True:
        try:
            source, target, transfer_syntax = json.loads(connection.recv_bytes())
        except (EOFError, OSError):
            return
        try:
            convert(Path(source), Path(target), transfer_syntax)
            answer = ""
        except NotConvertible as error:
            answer = str(error)
        except ImportError:
            answer = "the codecs of diana-mesh[pixels] are not installed"
        except Exception:  # whatever a library makes of hostile bytes, down to MemoryError
            answer = "it is damaged, or encoded as nobody here can read"
        connection.send_bytes(answer.encode())


if __name__ == "__main__":
    logging.disable()
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]), int(sys.argv[2])))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MOST_FILE_BYTES, _MOST_FILE_BYTES))
    serve(Connection(int(sys.argv[1])))

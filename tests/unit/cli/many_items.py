"""diana-cli with an endpoint `many:` of as many items as the first word says; at the end its growth in memory.

Run as a process: `python -m tests.unit.cli.many_items 1000000 dgetall many print`. Writes to standard error, as JSON,
how many items were taken and by how many bytes the process grew between the first thousand and the last.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from diana_cli.app import cli
from diana_cli.session import Session
from diana_endpoints.items import Item
from diana_endpoints.services import Services

_SETTLED = 1000


class Many:
    """An endpoint of very many small items."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.passed_over: dict[str, int] = {}
        self.taken = 0
        self.began = 0

    def close(self) -> None:
        """Tell what came of it."""
        sys.stderr.write(json.dumps({"taken": self.taken, "grew_bytes": _resident() - self.began}) + "\n")

    def list(self) -> Iterator[Item]:
        for number in range(1, self._count + 1):
            self.taken = number
            if number == _SETTLED:
                self.began = _resident()
            yield Item({"id": f"key-{number}"}, data={"n": number, "text": "Lorem ipsum"}, number=number)


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    services = Services({})
    services._made["many"] = Many(int(sys.argv[1]))

    def found(self: Session) -> Services:
        """The services of this invocation."""
        return services

    Session._find_services = found  # type: ignore[method-assign]
    cli(sys.argv[2:], prog_name="diana-cli")

"""Every service has the same rooms: `python tools/check_rooms.py` fails for one that is not in the table.

The table is that of docs/architecture.md. What a room may import is in .importlinter; this says only
which there are, so that no module escapes those rules by having a name that they do not know.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

SERVICES = Path(__file__).parents[1] / "services"
COMMON = "common"
ROOMS = frozenset(
    {"__init__", "__main__", "adapters", "config", "core", "peers", "servicer", "stores", "wire", "wiring"}
)
# Doors that speak something else than gRPC have rooms for it.
OTHER_DOORS = {"dimse": frozenset({"handlers", "network"}), "web": frozenset({"routes"})}
DATA = "data"


def find_faults(services: Path) -> Iterator[str]:
    """What stands in a service's folder and not in the table, a sentence each."""
    for service in sorted(one for one in services.iterdir() if one.is_dir() and one.name != COMMON):
        package = service / f"diana_{service.name}"
        if not package.is_dir():
            yield f"{service.name}: there is no package diana_{service.name}"
            continue
        for other in sorted(service.glob("*/__init__.py")):
            if other.parent != package:
                yield f"{service.name}/{other.parent.name}: a service is one package, diana_{service.name}"
        yield from _room_faults(package, ROOMS | OTHER_DOORS.get(service.name, frozenset()))


def _room_faults(package: Path, rooms: frozenset[str]) -> Iterator[str]:
    seen: set[str] = set()
    for entry in sorted(package.iterdir()):
        name = entry.stem if entry.suffix == ".py" else entry.name
        place = f"{package.name}/{entry.name}"
        if name in ("py.typed", "__pycache__"):
            continue
        if name == DATA and entry.is_dir():
            yield from (f"{one.relative_to(package.parent)}: data holds no code" for one in sorted(entry.rglob("*.py")))
        elif name not in rooms:
            yield f"{place}: not a room; the rooms are {', '.join(sorted(rooms))}, and {DATA} for data"
        elif name in seen:
            yield f"{place}: the room is there twice, as a module and as a package"
        seen.add(name)


if __name__ == "__main__":
    faults = list(find_faults(SERVICES))
    for fault in faults:
        print(fault, file=sys.stderr)
    sys.exit(1 if faults else 0)

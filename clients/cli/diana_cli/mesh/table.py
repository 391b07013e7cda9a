"""The services of a local mesh: modules, ports, who needs whom. In an order in which they can start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ServiceSpec:
    """One service of the mesh."""

    name: str
    module: str
    port: int
    """Where it listens unless free ports are asked for."""

    contract: str
    """Its gRPC service, whose health says that it is ready."""

    needs: tuple[str, ...] = ()
    """Services that it is not ready without; its configuration holds their addresses, as NAME.address."""

    calls: tuple[str, ...] = ()
    """Services that it calls when there is something for them; addresses as above, of those that run."""

    settings: Callable[[Path, str], dict[str, str]] | None = None
    """What else it is told, of the state folder and of where it listens: variables without its prefix."""

    def peers(self, addresses: Mapping[str, str]) -> dict[str, str]:
        """Where it finds those that it needs and those that it calls, as environment variables."""
        known = (*self.needs, *(one for one in self.calls if one in addresses))
        return {f"DIANA_{self.name.upper()}_{one.upper()}__ADDRESS": addresses[one] for one in known}

    def environment(self, state: Path, listen: str, addresses: Mapping[str, str]) -> dict[str, str]:
        """Its configuration as environment variables."""
        prefix = f"DIANA_{self.name.upper()}"
        own = self.settings(state, listen) if self.settings else {}
        return {
            f"{prefix}_STATE_DIR": str(state / self.name),
            f"{prefix}_SERVER__LISTEN": listen,
            f"{prefix}_SERVER__PORT_FILE": str(port_file(state, self.name)),
            **self.peers(addresses),
            **{f"{prefix}_{setting}": value for setting, value in own.items()},
        }


_DIMSE_PORT = 50066


def _archive_settings(state: Path, listen: str) -> dict[str, str]:
    """On one host doors hand instances over as files."""
    return {"SPOOL_DIRS__DIMSE": str(spool_dir(state))}


def _dimse_settings(state: Path, listen: str) -> dict[str, str]:
    """Where it takes associations: as its configuration says, but on a free port where all ports are free ones."""
    told = port_file(state, "dicom")
    settings = {"SPOOL": "dimse", "SPOOL_DIR": str(spool_dir(state)), "LISTEN_FILE": str(told)}
    if listen.endswith(":0"):
        return {**settings, "LISTEN": listen}
    if listen != f"127.0.0.1:{_DIMSE_PORT}" and told.exists():  # started again: where it was
        return {**settings, "LISTEN": told.read_text()}
    return settings


SERVICES = (
    ServiceSpec("archive", "diana_archive", 50061, "diana.archive.v1.ArchiveService", settings=_archive_settings),
    ServiceSpec("guid", "diana_guid", 50063, "diana.guid.v1.GuidService"),
    ServiceSpec("index", "diana_index", 50062, "diana.index.v1.IndexService", needs=("archive",)),
    ServiceSpec("anon", "diana_anon", 50064, "diana.anon.v1.AnonService", needs=("archive", "guid")),
    ServiceSpec("notify", "diana_notify", 50065, "diana.notify.v1.NotifyService", needs=("archive",)),
    ServiceSpec(
        "dimse",
        "diana_dimse",
        _DIMSE_PORT,
        "diana.dimse.v1.DimseService",
        ("archive", "index"),
        settings=_dimse_settings,
    ),
    ServiceSpec(
        "route",
        "diana_route",
        50067,
        "diana.route.v1.RouteService",
        needs=("archive",),
        calls=("index", "anon", "notify", "dimse"),
    ),
)


def arguments(state: Path, service: str) -> list[str]:
    """A service's command line: its settings in the state folder, where a person has put some."""
    settings = state / "config" / f"{service}.yaml"
    return ["--config", str(settings)] if settings.exists() else []


def port_file(state: Path, service: str) -> Path:
    """Where a service writes its address once it serves."""
    return state / "run" / f"{service}.address"


def spool_dir(state: Path) -> Path:
    """Where the DICOM door leaves instances for the archive to take over."""
    return state / "spool" / "dimse"


def log_file(state: Path, service: str) -> Path:
    """Where a service's output goes."""
    return state / "logs" / f"{service}.log"

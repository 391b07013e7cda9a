"""The services of a local mesh: modules, ports, who needs whom. In an order in which they can start."""

from __future__ import annotations

from collections.abc import Mapping
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
    """Services whose addresses its configuration holds, as NAME.address."""

    def environment(self, state: Path, listen: str, addresses: Mapping[str, str]) -> dict[str, str]:
        """Its configuration as environment variables."""
        prefix = f"DIANA_{self.name.upper()}"
        return {
            f"{prefix}_STATE_DIR": str(state / self.name),
            f"{prefix}_SERVER__LISTEN": listen,
            f"{prefix}_SERVER__PORT_FILE": str(port_file(state, self.name)),
            **{f"{prefix}_{need.upper()}__ADDRESS": addresses[need] for need in self.needs},
        }


SERVICES = (
    ServiceSpec("archive", "diana_archive", 50061, "diana.archive.v1.ArchiveService"),
    ServiceSpec("guid", "diana_guid", 50063, "diana.guid.v1.GuidService"),
    ServiceSpec("index", "diana_index", 50062, "diana.index.v1.IndexService", needs=("archive",)),
    ServiceSpec("anon", "diana_anon", 50064, "diana.anon.v1.AnonService", needs=("archive", "guid")),
    ServiceSpec("notify", "diana_notify", 50065, "diana.notify.v1.NotifyService", needs=("archive",)),
)


def arguments(state: Path, service: str) -> list[str]:
    """A service's command line: its settings in the state folder, where a person has put some."""
    settings = state / "config" / f"{service}.yaml"
    return ["--config", str(settings)] if settings.exists() else []


def port_file(state: Path, service: str) -> Path:
    """Where a service writes its address once it serves."""
    return state / "run" / f"{service}.address"


def log_file(state: Path, service: str) -> Path:
    """Where a service's output goes."""
    return state / "logs" / f"{service}.log"

"""up: a local mesh on the embedded defaults."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import rich_click as click

from diana_cli.chain import Flow, Stage, Takes, show_nothing
from diana_cli.mesh.supervisor import Mesh
from diana_cli.session import Session
from diana_client import DimseClient, connect


@click.command("up", epilog="Example: diana-cli up --state /srv/diana")
@click.option(
    "--state", type=click.Path(path_type=Path, file_okay=False), help="State folder. Default: the global --state."
)
@click.option("--free-ports", is_flag=True, help="Listen on free ports instead of 50061 to 50067, and 11112 for DICOM.")
def up(state: Path | None, free_ports: bool) -> Stage:
    """Run a mesh of local processes: archive, index, guid, anon, notify, dimse, route. Ctrl-C stops it in good order.

    A process that dies is started again. Data, logs and mesh.json, which tells other diana-cli where the
    services are, lie in the state folder; settings of a service are taken from config/SERVICE.yaml in it.
    """

    def run(session: Session, _: Flow | None) -> Flow:
        _supervise(session, Mesh(state or session.state, free_ports=free_ports, report=session.note))
        return iter(())

    return Stage("up", Takes.ALONE, run, show_nothing)


def _supervise(session: Session, mesh: Mesh) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: mesh.request_stop())
    with mesh:
        _tell_ready(session, mesh)
        mesh.supervise()
        session.note("stopping")
    session.note("stopped")


def _tell_ready(session: Session, mesh: Mesh) -> None:
    with connect(mesh.addresses["dimse"]) as channel:
        door = DimseClient(channel).local_entities()
    dicom = {"addresses": list(filter(None, (door.address, door.tls_address)))}
    dicom["ae_titles"] = [one.ae_title for one in door.entities]
    if session.json:
        ready = {"ready": True, "state": str(mesh.state), "services": mesh.addresses, "dicom": dicom}
        session.echo(json.dumps(ready))
        return
    for name, address in mesh.addresses.items():
        session.echo(f"{name:<10} {address}")
    session.echo(f"{'DICOM':<10} {', '.join(dicom['addresses'])}, as {', '.join(dicom['ae_titles'])}")
    session.echo("ready; Ctrl-C stops the mesh")


COMMANDS = (up,)

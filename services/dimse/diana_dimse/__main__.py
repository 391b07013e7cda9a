"""Runs the dimse service: `python -m diana_dimse --config FILE`."""

from __future__ import annotations

from functools import partial

from diana_common.state_files import FolderLock
from diana_dimse.adapters.libraries import hush
from diana_dimse.config import DimseConfig
from diana_dimse.wiring.listening import make_doorway, make_listeners
from diana_dimse.wiring.parts import make_parts
from diana_dimse.wiring.provider import make_door
from diana_dimse.wiring.user import serve_users
from diana_server.config import read_config
from diana_server.server import Server, run_service


def make_server(config: DimseConfig) -> Server:
    """The service, ready to start; it takes associations from now on. Raises DianaError CONFIG_INVALID."""
    server = Server("dimse", config.server)  # first of all: it sets up the log
    hush()
    lock = FolderLock(config.state_dir)
    server.on_stop(lock.close)
    parts = make_parts(server, config)
    door = make_door(server, config, parts)
    listeners = make_listeners(config, door)
    serve_users(server, config, parts, make_doorway(config, listeners, door))
    for listener in listeners:
        server.on_stopping(partial(listener.stop, config.server.grace_seconds))
        listener.start()
    return server


def main() -> None:
    """Serve until told to stop."""
    run_service("dimse", lambda: make_server(read_config(DimseConfig, "dimse")))


if __name__ == "__main__":
    main()

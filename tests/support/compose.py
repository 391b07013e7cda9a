"""docker-compose.yml without containers: every service a local process, by the file's own words.

Command line, environment, settings files, secrets, start order, health checks, stop signal and grace are those of
docker-compose.yml and the Dockerfile. Two things only are put in other words, wherever they stand:

1. a path that a volume, a config or a secret mounts into the container, by the place it has below the stack's root;
2. HOST:PORT, where the host is a service's name or 0.0.0.0, by 127.0.0.1 and a free port kept for it.

What only a container engine can do is left out: namespaces, limits, capabilities, another user.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from diana_common.settings import expand_tree

PROJECT = Path(__file__).resolve().parents[2]
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


_REPLACED = {"command", "test"}  # lists that a later file replaces; it adds to all others


def read_compose(env: Mapping[str, str], *overlays: str, project: Path = PROJECT) -> dict[str, Any]:
    """docker-compose.yml and the files laid over it, with `${VAR:-default}` replaced from `env`."""
    tree: dict[str, Any] = {}
    for name in ("docker-compose.yml", *overlays):
        tree = _merged(tree, expand_tree(yaml.safe_load((project / name).read_text("utf-8")), env))
    return tree


def _merged(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two files' trees, by Compose's rules as far as ours need them."""
    both = dict(below)
    for key, value in above.items():
        old = below.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            both[key] = _merged(old, value)
        elif isinstance(old, list) and key not in _REPLACED:
            both[key] = [*old, *value]
        else:
            both[key] = value
    return both


def default_services(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The services that start without a profile being asked for."""
    return {name: service for name, service in tree["services"].items() if not service.get("profiles")}


def seconds(duration: str) -> float:
    """The seconds of a duration as compose writes it: "1m30s"."""
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([\d.]+)(ms|h|m|s)", duration))


def image_environment() -> dict[str, str]:
    """What the Dockerfile's last stage sets with ENV."""
    stage = (PROJECT / "Dockerfile").read_text("utf-8").replace("\\\n", " ").rpartition("\nFROM ")[2]
    words = [word for line in stage.splitlines() if line.startswith("ENV ") for word in shlex.split(line[4:])]
    return dict(word.split("=", 1) for word in words)


class Container:
    """One service of the stack."""

    def __init__(self, name: str, stack: Stack) -> None:
        self.definition: dict[str, Any] = stack.services[name]
        self._name = name
        self._stack = stack
        self._places = dict(self._mounts())
        self._process: subprocess.Popen[bytes] | None = None
        self._healthy = False

    def start(self) -> None:
        """Lay its settings files out, replaced, and start its process."""
        for source, target in self._configs():
            place = self._places[target]
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(self.local(source.read_text("utf-8")), "utf-8")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._words(self.definition["command"]),
                env=self._environment(),
                cwd=self._place("/var/lib/diana"),  # the image's WORKDIR
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def await_healthy(self) -> None:
        """Run its health check until it has once been well. Raises RuntimeError where an engine would give up."""
        check = self.definition["healthcheck"]
        until = time.monotonic() + seconds(check["start_period"]) + check["retries"] * seconds(check["interval"])
        while not self._healthy:
            self._healthy = self._is_healthy(check)
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError(f"{self._name} has ended:\n{self.log()}")
            if not self._healthy and time.monotonic() > until:
                raise RuntimeError(f"{self._name} is not healthy:\n{self.log()}")

    def stop(self) -> int:
        """Stop it as `docker compose stop` does; returns the exit status, negative if it had to be killed."""
        if self._process is None:
            return 0
        process, self._process, self._healthy = self._process, None, False
        process.send_signal(signal.Signals[self.definition.get("stop_signal", "SIGTERM")])
        try:
            return process.wait(seconds(self.definition["stop_grace_period"]))
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def log(self) -> str:
        """What it wrote so far."""
        return self._log.read_text("utf-8", errors="replace")

    def local(self, text: str) -> str:
        """The text with paths and addresses replaced, as the module says."""
        for target in sorted(self._places, key=len, reverse=True):
            text = re.sub(rf"(?<![\w/.-]){re.escape(target)}(?![\w.-])", str(self._places[target]), text)
        hosts = "|".join(map(re.escape, self._stack.services))
        return re.sub(
            rf"(?<![\w.-])(0\.0\.0\.0|{hosts}):(\d+)\b",
            lambda found: self._stack.local_address(self._name if found[1] == "0.0.0.0" else found[1], int(found[2])),
            text,
        )

    @property
    def _log(self) -> Path:
        return self._stack.root / "logs" / f"{self._name}.log"

    def _mounts(self) -> Iterator[tuple[str, Path]]:
        root = self._stack.root
        for mount in self.definition.get("volumes", []):
            volume, target = mount.split(":")[:2]
            yield target, root / "volumes" / volume
        for _, target in self._configs():
            yield target, root / "configs" / self._name / target.lstrip("/")
        for secret in self.definition.get("secrets", []):
            yield f"/run/secrets/{secret}", root / "project" / self._stack.tree["secrets"][secret]["file"]

    def _configs(self) -> Iterator[tuple[Path, str]]:
        for config in self.definition.get("configs", []):
            source = self._stack.tree["configs"][config["source"]]["file"]
            yield self._stack.root / "project" / source, config["target"]

    def _place(self, target: str) -> Path:
        place = self._places[target]
        place.mkdir(parents=True, exist_ok=True)
        return place

    def _words(self, command: list[str]) -> list[str]:
        return [self.local(word) for word in command]

    def _environment(self) -> dict[str, str]:
        said = {name: self.local(str(value)) for name, value in self.definition.get("environment", {}).items()}
        path = os.pathsep.join([str(self._stack.root / "bin"), str(Path(sys.executable).parent), os.defpath])
        return {**image_environment(), "HOME": str(self._places["/var/lib/diana"]), **said, "PATH": path}

    def _is_healthy(self, check: Mapping[str, Any]) -> bool:
        kind, *command = check["test"]
        if kind != "CMD":
            raise ValueError(f"{self._name}: a health check is a CMD")
        try:
            done = subprocess.run(
                self._words(command), env=self._environment(), capture_output=True, timeout=seconds(check["timeout"])
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0


class Stack:
    """The services of the compose file as processes below `root`."""

    def __init__(self, root: Path, env: Mapping[str, str], *overlays: str) -> None:
        """`env` is what a site writes into .env, `overlays` are files laid over the compose file (-f)."""
        self.root = root
        _lay_out(root)
        self.tree = read_compose(env, *overlays, project=root / "project")
        self.services = default_services(self.tree)
        self._ports: dict[tuple[str, int], int] = {}
        self.containers = {name: Container(name, self) for name in self.services}
        self.started: list[str] = []
        """The services, in the order in which they were started."""

    def up(self, *names: str) -> None:
        """Start those named (all, unless told), each when those it depends on are healthy, and wait until all are."""
        for name in names or self.services:
            self._start(name)
        for name in self.started:
            self.containers[name].await_healthy()

    @property
    def deploy(self) -> Path:
        """The stack's own copy of deploy/, with secrets made anew: a site's to change before `up`."""
        return self.root / "project" / "deploy"

    def down(self) -> dict[str, int]:
        """Stop all, the last started first; returns their exit statuses."""
        statuses = {name: self.containers[name].stop() for name in reversed(self.started)}
        self.started = []
        return statuses

    def address(self, name: str) -> str:
        """Where clients on this host reach a service: the first of its published ports, as it is here."""
        published = self.services[name]["ports"][0]
        host, _, port = published.split(":")
        if host != "127.0.0.1":
            raise ValueError(f"{name} is published beyond loopback")
        return self.local_address(name, int(port))

    def local_address(self, name: str, port: int) -> str:
        """The address that stands for a service's own port."""
        if (name, port) not in self._ports:
            self._ports[name, port] = _reserve_port()
        return f"127.0.0.1:{self._ports[name, port]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    def _start(self, name: str) -> None:
        if name in self.started:
            return
        for needed, how in self.services[name].get("depends_on", {}).items():
            self._start(needed)
            if how["condition"] == "service_healthy":
                self.containers[needed].await_healthy()
        self.started.append(name)
        self.containers[name].start()


def _lay_out(root: Path) -> None:
    """The project as an operator has it, with secrets made anew, and the image's own commands."""
    project = root / "project"
    shutil.copytree(PROJECT / "deploy", project / "deploy", ignore=shutil.ignore_patterns("secrets"))
    shutil.copy(PROJECT / "docker-compose.yml", project)
    (project / "deploy" / "secrets").mkdir()
    subprocess.run([project / "deploy" / "make_secrets.sh"], check=True, capture_output=True)
    (root / "logs").mkdir()
    (root / "bin").mkdir()
    dockerfile = (PROJECT / "Dockerfile").read_text("utf-8")
    for source, name in re.findall(r"^COPY --chmod=0755 (\S+) /usr/local/bin/(\S+)$", dockerfile, re.MULTILINE):
        (root / "bin" / name).symlink_to(PROJECT / source)


def _reserve_port() -> int:
    """A free port that the kernel gives to nobody who asks for any, for a minute; who names it gets it.

    The accepting end of a connection that it closes first stays in TIME_WAIT; SO_REUSEADDR allows listening there.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        port: int = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            accepted, _ = listener.accept()
            accepted.close()
    return port

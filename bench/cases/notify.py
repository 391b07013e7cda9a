"""Messages through the ledger to a mail server, beside a loop that keeps no record."""

import asyncio
import contextlib
import importlib
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import EmailMessage
from importlib import metadata
from pathlib import Path

from bench.harness import Case
from bench.room import BenchError, Place
from diana.notify.v1 import notify_service_pb2 as pb
from diana_client import NotifyClient, connect
from diana_client.notify import content

MESSAGES = 5_000
SUBSCRIBERS = 10
"""To a channel; each call tells all of them."""

AT_ONCE = 4
"""Callers at a time."""

START_SECONDS = 30.0
BODY = "The study {{ values.study_uid }} is complete: {{ values.count }} instances.\n"


@dataclass(frozen=True)
class Sink:
    """The mail server's process."""

    process: subprocess.Popen[str]
    port: int

    def wait(self, count: int) -> int:
        """Wait until it has taken so many different messages; how many came in all."""
        stdin, stdout = self.process.stdin, self.process.stdout
        if stdin is None or stdout is None:
            raise BenchError("the mail server has no pipes")
        stdin.write(f"{count}\n")
        stdin.flush()
        return int(stdout.readline())


@contextlib.contextmanager
def sinking() -> Iterator[Sink]:
    """A mail server of its own process."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-m", "bench.peers.smtp_sink"], stdin=pipe, stdout=pipe, text=True) as child:
        try:
            yield Sink(child, int(child.stdout.readline() if child.stdout else 0))
        finally:
            child.terminate()


@contextlib.contextmanager
def serving(folder: Path, smtp_port: int) -> Iterator[str]:
    """The address of a notify service of its own process, as it runs by default; it ends with the block."""
    told, config = folder / "address", folder / "notify.yaml"
    config.write_text(json.dumps(_settings(folder, told, smtp_port)))
    command = [sys.executable, "-m", "diana_notify", "--config", str(config)]
    with open(folder / "notify.log", "wb") as log, subprocess.Popen(command, env=dict(os.environ), stderr=log) as child:
        try:
            until = time.monotonic() + START_SECONDS
            while not told.exists():
                if child.poll() is not None or time.monotonic() > until:
                    raise BenchError("notify did not start; its log is in the bench's folder")
                time.sleep(0.05)
            yield told.read_text()
        finally:
            child.terminate()


def _settings(folder: Path, told: Path, smtp_port: int) -> dict[str, object]:
    people = [
        {"name": f"Person {number}", "email": f"p{number}@hospital.example", "channels": ["bench"]}
        for number in range(SUBSCRIBERS)
    ]
    return {
        "server": {"listen": "127.0.0.1:0", "port_file": str(told)},
        "state_dir": str(folder / "state"),
        "channels": {"bench": "Bench"},
        "subscribers": people,
        "templates": {"complete": {"subject": "{{ channel.name }}: a study is complete", "body": BODY}},
        "smtp": {"host": "127.0.0.1", "port": smtp_port, "sender": "diana@hospital.example"},
    }


def ours(place: Place) -> float:
    """Messages a second, from the first call until all are delivered and recorded as sent."""
    with sinking() as sink, serving(place.scratch, sink.port) as address, connect(address) as channel:
        client = NotifyClient(channel)
        client.channels()

        def tell(number: int) -> None:
            client.dispatch("bench", content(template="complete", values={"study_uid": f"1.2.{number}", "count": "3"}))

        started = time.perf_counter()
        with ThreadPoolExecutor(AT_ONCE) as callers:
            list(callers.map(tell, range(MESSAGES // SUBSCRIBERS)))
        came = sink.wait(MESSAGES)
        while any(client.deliveries(state=pb.Delivery.STATE_QUEUED)):
            time.sleep(0.005)
        seconds = time.perf_counter() - started
    if came != MESSAGES:
        raise BenchError(f"{MESSAGES} messages went out {came} times")
    return MESSAGES / seconds


def peer(place: Place) -> float:
    """Messages a second of aiosmtplib over one connection, one after the other."""
    if importlib.util.find_spec("aiosmtplib") is None:
        raise BenchError("the peer is missing: pip install aiosmtplib==5.1.0")
    with sinking() as sink:
        started = time.perf_counter()
        asyncio.run(_loop(sink.port))
        came = sink.wait(MESSAGES)
        seconds = time.perf_counter() - started
    if came != MESSAGES:
        raise BenchError(f"{MESSAGES} messages went out {came} times")
    return MESSAGES / seconds


async def _loop(port: int) -> None:
    aiosmtplib = importlib.import_module("aiosmtplib")
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port) as smtp:
        for number in range(MESSAGES):
            message = EmailMessage()
            message["From"], message["To"] = "diana@hospital.example", f"p{number % SUBSCRIBERS}@hospital.example"
            message["Subject"] = "Bench: a study is complete"
            message["Message-ID"] = f"<{number}@hospital.example>"
            message.set_content(f"The study 1.2.{number} is complete: 3 instances.\n")
            await smtp.send_message(message)


def versions() -> Mapping[str, str]:
    """What took part."""
    return {"diana-mesh": metadata.version("diana-mesh"), "aiosmtplib": metadata.version("aiosmtplib")}


CASES = [Case("notify_smtp", "notify", "messages/s", ours, peer, 0.5, versions=versions)]

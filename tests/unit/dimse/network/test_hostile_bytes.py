"""The door as it is served, and whatever may come: nothing fails, nothing is left, the next association is served."""

from __future__ import annotations

import logging
import random
import resource
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.config import settings

from diana_common.errors import DianaError, Reason
from diana_dimse.adapters.libraries import hush
from diana_dimse.adapters.spool import DiskSpool
from diana_dimse.core.entities import Directory, LocalEntity
from diana_dimse.core.intake.receiving import Budget, Kept, Limits, Origin, Receiving
from diana_dimse.core.statuses import Status
from diana_dimse.handlers.door import Door
from diana_dimse.handlers.echoing import EchoHandler
from diana_dimse.handlers.session import Handler
from diana_dimse.handlers.storing import StoreHandler
from diana_dimse.network.commands import Operation, decode
from diana_dimse.network.faults import AssociationEnded
from diana_dimse.network.listener import Listener
from tests.unit.dimse.network.hostility import INSTANCE, good_sessions, hostile_session
from tests.unit.dimse.network.upper_layer import (
    COMMAND,
    LAST,
    QUICK,
    RELEASE_RQ,
    Peer,
    Port,
    associate_rq,
    await_threads,
    context_item,
    echo,
    item,
    message,
    p_data,
    pdv,
    role_item,
    store,
    user_item,
)

MIB = 1024 * 1024


class RefusingArchive:
    """Takes what is an instance of ours, and refuses the rest."""

    takes_files = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.stored = 0

    def upload(self, origin: Origin, data: bytes) -> Kept:
        if not data.endswith(INSTANCE):
            raise DianaError(Reason.DATA_SET_INVALID, "It is no instance.")
        self.stored += 1
        return Kept("1.2", "1.2", "1.2.3.4")

    def upload_file(self, origin: Origin, name: str) -> Kept:
        return self.upload(origin, (self._folder / name).read_bytes())

    adopt = upload_file


class Hostage:
    """A listener with the service's handlers, and who attacks it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.archive = RefusingArchive(folder)
        self.memory, self.disk = Budget(MIB), Budget(4 * MIB)
        limits = Limits(held_bytes=64 * 1024, instance_bytes=2 * MIB)
        receiving = Receiving(self.archive, DiskSpool(folder), self.memory, self.disk, limits)
        handlers: dict[tuple[Operation, str] | Operation, Handler] = {
            Operation.C_ECHO: EchoHandler(),
            Operation.C_STORE: StoreHandler(receiving),
        }
        self.faults: list[BaseException] = []
        door = Door(Directory([LocalEntity("DIANA", other_sop_classes=None)], []), handlers, [])
        self.listener = Listener(("127.0.0.1", 0), door, QUICK, on_ended=lambda caller, error: self._note(error))
        self.listener.start()

    def _note(self, error: BaseException) -> None:
        if not isinstance(error, AssociationEnded | OSError):
            self.faults.append(error)

    def call(self) -> Peer:
        return Port(self.listener, None).call()  # type: ignore[arg-type]

    def attack(self, data: bytes) -> None:
        """Say it all, and listen to the end."""
        peer = self.call()
        listening = threading.Thread(target=_listen, args=(peer,))
        listening.start()
        try:
            peer.send(data)
            peer.sock.shutdown(1)
        except OSError:
            pass
        listening.join()
        peer.close()

    def serves(self) -> None:
        """Whether an association goes well now."""
        before = self.archive.stored
        peer = self.call()
        peer.associate()
        peer.send(message(3, store(), INSTANCE), message(1, echo()), RELEASE_RQ)
        assert [peer.pdu()[0] for _ in range(3)] == [4, 4, 6]
        peer.close()
        assert self.archive.stored == before + 1

    def close(self) -> None:
        """Nothing is left."""
        self.serves()
        self.listener.stop(5.0)
        await_threads()
        assert self.faults == []
        assert list(self.folder.iterdir()) == []
        assert self.memory.take(MIB), "memory was not given back"
        assert self.disk.take(4 * MIB), "room on the disk was not given back"


def _listen(peer: Peer) -> None:
    try:
        while peer.sock.recv(65536):
            pass
    except OSError:
        pass


@pytest.fixture
def hostage(tmp_path: Path) -> Iterator[Hostage]:
    hostage = Hostage(tmp_path / "spool")
    yield hostage
    hostage.close()


@pytest.fixture(autouse=True)
def hushed(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """As the service does; nothing is logged then of what came."""
    loggers = {name: logging.getLogger(name).level for name in ("pydicom", "pynetdicom")}
    mode = settings.reading_validation_mode
    with warnings.catch_warnings(record=True) as warned:
        hush()
        yield
    for name, level in loggers.items():
        logging.getLogger(name).setLevel(level)
    settings.reading_validation_mode = mode
    assert [*warned, *caplog.records] == []


def most_memory() -> int:
    """The most that this process ever used; bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize(
    ("seed", "count"),
    [(1, 200), (2, 200), pytest.param(3, 30_000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])],
)
def test_sessions_gone_wrong_harm_nobody(hostage: Hostage, seed: int, count: int) -> None:
    dice, good = random.Random(seed), good_sessions()
    for session in good:
        hostage.attack(session)
    before = most_memory()
    for one in range(count):
        hostage.attack(hostile_session(dice, good))
        if one % 50 == 0:
            hostage.serves()
    assert most_memory() - before < 64 * MIB


def test_sessions_gone_wrong_at_the_same_time_harm_nobody(hostage: Hostage) -> None:
    good = good_sessions()

    def attack(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(20):
            hostage.attack(hostile_session(dice, good))

    attackers = [threading.Thread(target=attack, args=(seed,)) for seed in range(8)]
    for one in attackers:
        one.start()
    for one in attackers:
        one.join()


CONTEXT = context_item(1, "1.2.840.10008.1.1", "1.2.840.10008.1.2")
FLOODS = {
    "empty items": associate_rq(item(0x10, b"") * 60_000),
    "empty user information": associate_rq(CONTEXT, user=item(0x50, b"") * 60_000),
    "roles": associate_rq(CONTEXT, user=user_item(role_item("1.2", 1, 1) * 4500) * 5),
    "names without an end": associate_rq(CONTEXT, user=user_item(role_item("1" * 60_000, 1, 1)) * 4),
    "empty values": associate_rq() + p_data(*[pdv(3, COMMAND, b"")] * 100_000),
    "a command of single bytes": associate_rq() + p_data(*[pdv(3, COMMAND, b"\0")] * 70_000),
    "many small messages": associate_rq() + message(1, echo()) * 2000,
    "answers to nothing": associate_rq() + message(1, echo().replace(b"\x30\0", b"\x30\x80")) * 2000,
    "cancellations": associate_rq() + message(1, echo().replace(b"\x30\0", b"\xff\x0f")) * 2000,
    "unknown operations": associate_rq() + message(1, echo().replace(b"\x30\0", b"\x77\0")) * 2000,
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
def test_floods_of_small_things_cost_little(hostage: Hostage, flood: bytes) -> None:
    before = most_memory()
    hostage.attack(flood)
    hostage.serves()
    assert most_memory() - before < 32 * MIB


@pytest.mark.parametrize("most", [64, 4096, 256 * 1024])
def test_a_data_set_without_end_fills_nothing(hostage: Hostage, most: int) -> None:
    before = most_memory()
    fragment = p_data(pdv(3, 0, bytes(most)))
    peer = hostage.call()
    peer.associate()
    peer.send(p_data(pdv(3, COMMAND | LAST, store())))
    batch = fragment * (MIB // most // 4)
    for _ in range(128 if most > 64 else 4):
        peer.send(batch)
    assert sum(one.stat().st_size for one in hostage.folder.iterdir()) <= 2 * MIB + 1024
    peer.send(p_data(pdv(3, LAST, b"")))
    kind, body = peer.pdu()
    assert (kind, decode(body[6:]).status) == (4, Status.OUT_OF_RESOURCES if most > 64 else Status.CANNOT_UNDERSTAND)
    peer.close()
    hostage.serves()
    assert most_memory() - before < 32 * MIB


def test_values_of_four_gigabytes_are_waited_for_and_not_held(hostage: Hostage) -> None:
    before = most_memory()
    whole = pdv(3, 0, b"abc", length=0xFFFFFFFB)
    for data in (b"\4\0\xff\xff\xff\xff" + whole, b"\4\0\xff\xff\xff\xff" + pdv(3, COMMAND, b"", length=0xFFFFFFFB)):
        hostage.attack(associate_rq() + p_data(pdv(3, COMMAND | LAST, store())) + data)
    assert most_memory() - before < 16 * MIB

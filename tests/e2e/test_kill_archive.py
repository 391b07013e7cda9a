"""Kill -9 in mid-upload, again and again: all that was acknowledged is there, and nothing is half there."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import grpc
import pytest

from diana.archive.v1 import archive_service_pb2 as pb
from tests.support.dicom_files import make_ct, make_small
from tests.support.mesh import Mesh
from tests.support.upload import archive_stub, read, requests_for

STREAMS = 3


class Sender:
    """Uploads new instances on one stream for as long as the archive lives, and keeps what was acknowledged."""

    def __init__(self, number: int, cycle: int) -> None:
        self._root = f"1.2.826.0.1.99.{number + 1}.{cycle + 1}"
        self.sent: dict[str, bytes] = {}
        self.acknowledged: list[str] = []
        self._by_tag: dict[int, str] = {}

    def run(self, address: str, enough: threading.Event) -> None:
        """Send until the connection breaks; `enough` is set once a few instances are acknowledged."""
        with archive_stub(address) as stub:
            try:
                for answer in stub.UploadInstances(requests_for(self._instances())):
                    for result in answer.results:
                        assert not result.HasField("status"), result.status
                        self.acknowledged.append(self._by_tag[result.tag])
                    if len(self.acknowledged) >= 5:
                        enough.set()
            except grpc.RpcError:
                pass

    def _instances(self) -> Iterator[bytes]:
        for tag in itertools.count():
            uid = f"{self._root}.{tag}"
            make = make_ct if tag % 3 == 0 else make_small
            data = make(study_uid=f"{self._root}.1", series_uid=f"{self._root}.2", sop_uid=uid)
            self._by_tag[tag] = uid
            self.sent[uid] = data
            yield data


def kill_repeatedly(state: Path, cycles: int, seed: int, settings: Mapping[str, str] | None = None) -> None:
    chance = random.Random(seed)
    with Mesh(state, "archive", settings=settings) as mesh:
        archive = mesh.processes["archive"]
        for cycle in range(cycles):
            senders = [Sender(number, cycle) for number in range(STREAMS)]
            enough = [threading.Event() for _ in senders]
            threads = [
                threading.Thread(target=sender.run, args=(mesh.archive, event))
                for sender, event in zip(senders, enough)
            ]
            for thread in threads:
                thread.start()
            for event in enough:
                assert event.wait(60), archive.log()
            # The moment of the kill is drawn: anywhere within the next commits.
            threading.Event().wait(chance.random() * 0.2)
            archive.kill()
            for thread in threads:
                thread.join()
            archive.start()
            for sender in senders:
                check(mesh.archive, sender)


def check(address: str, sender: Sender) -> None:
    with archive_stub(address) as stub:
        for uid in sender.acknowledged:
            assert read(stub, uid) == sender.sent[uid], f"{uid} was acknowledged"
        listed = list_all(stub, next(iter(sender.sent)).rsplit(".", 1)[0] + ".1")
        assert set(sender.acknowledged) <= set(listed)
        for uid in set(listed) - set(sender.acknowledged):
            assert read(stub, uid) == sender.sent[uid], f"{uid} is listed"


def list_all(stub: object, study_uid: str) -> list[str]:
    uids: list[str] = []
    token = ""
    while True:
        request = pb.ListInstancesRequest(study_uid=study_uid, page_size=1000, page_token=token)
        page = stub.ListInstances(request)  # type: ignore[attr-defined]
        uids += [one.sop_instance_uid for one in page.instances]
        token = page.next_page_token
        if not token:
            return uids


def test_every_acknowledged_instance_survives_kills_in_mid_upload(tmp_path: Path) -> None:
    kill_repeatedly(tmp_path, cycles=6, seed=1)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(5))
def test_every_acknowledged_instance_survives_a_hundred_kills(tmp_path: Path, seed: int) -> None:
    kill_repeatedly(tmp_path, cycles=20, seed=seed)

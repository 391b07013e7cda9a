"""Several archive processes over one database and one bucket: one truth, one feed, whoever is asked, whoever dies."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import grpc
import pytest

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1.archive_service_pb2_grpc import ArchiveServiceStub
from tests.support.dicom_files import make_small
from tests.support.mesh import Process
from tests.support.postgres import Postgres
from tests.support.s3 import BUCKET, serving, write_credentials
from tests.support.upload import archive_stub, read, reason_of, requests_for, upload

ROOT = "1.2.826.0.1.77"
SHARED = 25
OWN = 50


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """How processes are told of a database server and a bucket."""
    directory = tmp_path_factory.mktemp("s3")
    with Postgres() as postgres, serving(directory) as s3:
        store = "DIANA_ARCHIVE_OBJECT_STORE"
        yield {
            "DIANA_ARCHIVE_CATALOGUE_URL": postgres.new_database(),
            "DIANA_ARCHIVE_SEAL_KEY_FILE": str(directory / "seal_keys.json"),
            f"{store}__BUCKET": BUCKET,
            f"{store}__ENDPOINT": s3.endpoint,
            f"{store}__ALLOW_HTTP": "true",
            f"{store}__CONDITIONAL_PUT": "false",
            f"{store}__CREDENTIALS_FILE": str(write_credentials(directory / "credentials")),
        }


@pytest.fixture(scope="module")
def archives(places: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Process]]:
    tmp_path = tmp_path_factory.mktemp("archives")
    with ExitStack() as stack:
        processes: list[Process] = []
        for name in "abc":
            (tmp_path / name).mkdir()
            processes.append(Process("archive", tmp_path / name, places))
            stack.callback(processes[-1].stop)
            processes[-1].start()
        yield processes


def make(number: int, of: str) -> bytes:
    return make_small(study_uid=f"{ROOT}.{of}", series_uid=f"{ROOT}.{of}.0", sop_uid=f"{ROOT}.{of}.{number}")


class Sender:
    """Uploads to one process until it is done or the process dies; knows what was acknowledged."""

    def __init__(self, address: str, instances: Sequence[bytes]) -> None:
        self._address = address
        self._instances = instances
        self.acknowledged: dict[str, bytes] = {}
        self.some = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        with archive_stub(self._address) as stub:
            try:
                for answer in stub.UploadInstances(requests_for(self._instances)):
                    for result in answer.results:
                        assert not reason_of(result), result
                        self.acknowledged[result.instance.sop_instance_uid] = self._instances[result.tag]
                    if len(self.acknowledged) > 5:
                        self.some.set()
            except grpc.RpcError:
                self.some.set()


class Follower:
    """Follows the feed of one process; every entry in the order it came."""

    def __init__(self, address: str) -> None:
        self.entries: list[Any] = []
        self._came = threading.Condition()
        self._channel = grpc.insecure_channel(address)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def wait_for(self, count: int) -> list[Any]:
        with self._came:
            assert self._came.wait_for(lambda: len(self.entries) >= count, 60), len(self.entries)
        return self.entries

    def close(self) -> None:
        self._channel.close()
        self._thread.join()

    def _run(self) -> None:
        pages = pb.WatchFeedRequest(omit_headers=True)
        stub = ArchiveServiceStub(self._channel)
        try:
            for page in stub.WatchFeed(pages):
                with self._came:
                    self.entries.extend(page.entries)
                    self._came.notify_all()
        except (grpc.RpcError, ValueError):
            return


def feed(address: str) -> list[Any]:
    with archive_stub(address) as stub:
        pages = stub.WatchFeed(pb.WatchFeedRequest(stop_at_head=True, omit_headers=True))
        return [entry for page in pages for entry in page.entries]


def uids(entries: Sequence[Any]) -> list[str]:
    return [one.instance_stored.instance.sop_instance_uid for one in entries if one.HasField("instance_stored")]


def test_one_truth_when_all_are_written_to_and_one_is_killed(archives: list[Process]) -> None:
    first, second, third = archives
    followers = [Follower(first.address), Follower(second.address)]
    same = [make(number, "1") for number in range(SHARED)]
    senders = []
    for number, process in enumerate([first, second, third, first, second, third]):
        own = [make(one, f"2.{number}") for one in range(OWN)]
        # The same instances from all of them at once, then each its own.
        senders.append(Sender(process.address, same + own))
    assert all(sender.some.wait(60) for sender in senders)
    third.kill()
    for sender in senders:
        sender.thread.join()
    third.start()

    told = feed(third.address)
    assert len(set(uids(told))) == len(uids(told)), "an entry is doubled"
    acknowledged = {uid: data for sender in senders for uid, data in sender.acknowledged.items()}
    assert set(acknowledged) <= set(uids(told)), "an acknowledged instance is not told of"
    assert len(acknowledged) >= SHARED + 4 * OWN
    positions = [one.position for one in told]
    for follower in followers:
        assert [one.position for one in follower.wait_for(len(told))] == positions
        follower.close()
    for process in archives:
        with archive_stub(process.address) as stub:
            assert {uid: read(stub, uid) for uid in acknowledged} == acknowledged
            assert stub.GetStatistics(pb.GetStatisticsRequest()).instance_count == len(uids(told))


def test_each_follows_and_answers_for_what_another_has_just_taken(archives: list[Process]) -> None:
    first, second, third = archives
    before = len(feed(first.address))
    follower = Follower(first.address)
    follower.wait_for(before)
    with archive_stub(second.address) as stub:
        (result,) = upload(stub, [make(1, "3")]).values()
    assert follower.wait_for(before + 1)[-1].position == result.position
    follower.close()
    with archive_stub(third.address) as stub:
        # A position that another process gave is one of this one's too, from the moment it was given.
        pages = stub.WatchFeed(pb.WatchFeedRequest(after_position=result.position, stop_at_head=True))
        assert [entry for page in pages for entry in page.entries] == []
        assert upload(stub, [make(1, "3")])[0].outcome == pb.UploadResult.OUTCOME_ALREADY_STORED

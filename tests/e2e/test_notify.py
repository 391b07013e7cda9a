"""People are told, whatever dies meanwhile: real processes, a real mail server, kill -9."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from diana.archive.v1 import feed_pb2
from diana.notify.v1 import notify_service_pb2 as pb
from diana_client import ArchiveClient, NotifyClient, UploadItem, connect
from diana_client.notify import content, email, webhook
from tests.support.awaiting import awaited
from tests.support.dicom_files import make_small
from tests.support.mesh import Mesh
from tests.support.smtp import MailServer
from tests.unit.notify.hooks import Hooks

STUDIES = 5
BODY = "study={{ study.study_uid }} at {{ study.attributes.site }}, {{ study.Modality }}"
READER, OTHER = "reader@a.example", "other@b.example"


def settings(mail: MailServer, hooks: Hooks) -> dict[str, str]:
    """notify's settings as its environment holds them."""
    tags = ["mammo-hospital_a"]
    tree = {
        "channels": {"mammo-hospital_a": "Mammography at A", "mammo-hospital_b": "Mammography at B"},
        "subscribers": [
            {"name": "Reader", "email": READER, "webhook": f"{hooks.url}/in", "file": "a.jsonl", "channels": tags},
            {"name": "Other", "email": OTHER, "channels": ["mammo-hospital_b"]},
        ],
        "templates": {"arrived": {"subject": "{{ channel.name }}", "body": BODY}},
        "smtp": {"host": "127.0.0.1", "port": mail.port, "sender": "diana@a.example"},
        "webhook": {"allowed": [hooks.url]},
        "retry": {"first_seconds": 0.1, "longest_seconds": 0.5},
        "rules": [{"name": "arrivals", "stores": ["deid"], "channel": "$trial-$site", "template": "arrived"}],
    }
    return {f"DIANA_NOTIFY_{name.upper()}": yaml.safe_dump(value) for name, value in tree.items()}


@contextmanager
def running(folder: Path, mail: MailServer, hooks: Hooks) -> Iterator[tuple[Mesh, ArchiveClient]]:
    with Mesh(folder, "archive", "notify", settings=settings(mail, hooks)) as mesh, connect(mesh.archive) as channel:
        yield mesh, ArchiveClient(channel)


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    with Hooks() as server:
        yield server


def complete(archive: ArchiveClient, number: int, site: str = "hospital_a", store: str = "deid") -> str:
    """Put a study of two instances into a store, name its trial and site, and declare it complete."""
    study_uid = f"1.2.826.0.1.88.{number}"
    files = [
        UploadItem(
            str(one), make_small(study_uid=study_uid, series_uid=f"{study_uid}.1", sop_uid=f"{study_uid}.1.{one}")
        )
        for one in (1, 2)
    ]
    assert all(result.error is None for result in archive.upload(files, store=store))
    archive.update_attributes(study_uid, {"trial": "mammo", "site": site}, store=store)
    archive.complete(study_uid, feed_pb2.COMPLETION_REASON_DECLARED, store=store)
    return study_uid


def studies_in(texts: Iterator[str]) -> Counter[str]:
    return Counter(found for text in texts for found in re.findall(r"study=([0-9.]+)", text))


def all_sent(client: NotifyClient, count: int) -> bool:
    return len(list(client.deliveries(state=pb.Delivery.STATE_SENT))) == count


def test_a_study_that_completes_is_told_to_its_channels_subscribers_only(tmp_path: Path, hooks: Hooks) -> None:
    with MailServer() as mail, running(tmp_path, mail, hooks) as (mesh, archive):
        complete(archive, 1, store="default")
        complete(archive, 2, site="nowhere")
        at_b = complete(archive, 3, site="hospital_b")
        at_a = complete(archive, 4)
        with connect(mesh.notify) as channel:
            client = NotifyClient(channel)
            assert awaited(lambda: all_sent(client, 4)), mesh.processes["notify"].log()
            told = {(one.recipients, one.text.strip(), one.message["Subject"]) for one in mail.mails}
            assert told == {
                ((READER,), f"study={at_a} at hospital_a, CT", "Mammography at A"),
                ((OTHER,), f"study={at_b} at hospital_b, CT", "Mammography at B"),
            }
            assert {one.rule for one in client.deliveries()} == {"arrivals"}
        log = mesh.processes["notify"].log()
        assert "1.2.826.0.1.88.2" in log and "CHANNEL_UNKNOWN" in log
        assert mesh.processes["notify"].stop() == 0


def test_nothing_is_lost_nor_told_twice_while_the_mail_server_is_down_and_notify_is_killed(
    tmp_path: Path, hooks: Hooks
) -> None:
    mail = MailServer()
    with running(tmp_path, mail, hooks) as (mesh, archive):
        notify = mesh.processes["notify"]
        studies = [complete(archive, number) for number in range(STUDIES)]
        with connect(mesh.notify) as channel:
            client = NotifyClient(channel)
            for number in range(STUDIES):
                client.send(email(READER), content("direct", f"direct={number}"), request_id=f"direct-{number}")
            client.send(webhook(f"{hooks.url}/in"), content("direct", "to a hook"))
            # What goes elsewhere does not wait for the mail server.
            assert awaited(lambda: all_sent(client, 2 * STUDIES + 1)), notify.log()
            waiting = list(client.deliveries(state=pb.Delivery.STATE_QUEUED))
            assert len(waiting) == 2 * STUDIES
            assert awaited(lambda: any(one.last_error for one in client.deliveries(state=pb.Delivery.STATE_QUEUED)))
        notify.kill()
        studies += [complete(archive, number) for number in range(STUDIES, 2 * STUDIES)]
        notify.start()
        notify.kill()
        notify.start()
        with mail, connect(mesh.notify) as channel:
            client = NotifyClient(channel)
            client.send(email(READER), content("direct", "direct=0"), request_id="direct-0")  # asked once more
            assert awaited(lambda: all_sent(client, 7 * STUDIES + 1)), notify.log()
            mails = mail.mails
        names = {one.name for one in waiting}
        assert names <= {f"deliveries/{one.message_id[1:].partition('@')[0]}" for one in mails}
        assert len({one.message_id for one in mails}) == len(mails) == 3 * STUDIES
        assert studies_in(one.text for one in mails) == Counter(studies)
        assert sorted(one.text.strip() for one in mails if "direct" in one.text) == [
            f"direct={number}" for number in range(STUDIES)
        ]
        # A kill may come between a post and its record: that one comes again, and says so by its key.
        posts = {key: body["body"] for _, key, body in hooks.posts}
        assert studies_in(iter(posts.values())) == Counter(studies)
        lines = [json.loads(line) for line in (tmp_path / "notify" / "outbox" / "a.jsonl").read_text().splitlines()]
        assert studies_in(iter({one["id"]: one["body"] for one in lines}.values())) == Counter(studies)

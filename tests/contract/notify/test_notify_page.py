"""The settings on docs/notify.md work as they stand, and a message goes each way that it tells of."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from diana.notify.v1 import notify_service_pb2 as pb
from diana_common.settings import build
from diana_notify.config import NotifyConfig
from diana_notify.config.transports import SmtpConfig
from diana_notify.core.model import Recipient, Transport
from diana_notify.wiring import make_addresses, make_carriers
from tests.contract.notify.conftest import Serve
from tests.support.awaiting import awaited
from tests.support.smtp import MailServer
from tests.unit.notify.hooks import Hooks

PAGE = (Path(__file__).parents[3] / "docs" / "notify.md").read_text(encoding="utf-8")
TRANSPORTS = PAGE.partition("\n## Transports\n")[2].partition("\n## ")[0]
SETTINGS = next(one for one in re.findall(r"```yaml\n(.*?)```", TRANSPORTS, re.DOTALL) if "signing_key" in one)
KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    with Hooks() as server:
        server.status = 200
        yield server


def page_settings(folder: Path, **secrets: str) -> dict[str, Any]:
    """The page's settings, its secrets in a folder."""
    for name in re.findall(r"/run/secrets/([a-z-]+)", SETTINGS):
        (folder / name).write_text(secrets.get(name.replace("-", "_"), "hush") + "\n")
    settings = yaml.safe_load(SETTINGS.replace("/run/secrets/", f"{folder}/"))
    assert isinstance(settings, dict)
    return settings


def test_the_pages_settings_make_every_transport_and_its_addresses_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAMS_TRIAL_URL", "https://teams.example/hook")
    url = "https://chat.example/x"
    config = build(NotifyConfig, page_settings(tmp_path, slack_ops=url, pager="json://pager.example", webhook_key=KEY))
    book = make_addresses(config)
    assert set(make_carriers(config, book, lambda close: None)) == set(Transport)
    words = dict(re.findall(r"^\| `([a-z]+)` \| ([^|]*) \|", TRANSPORTS, re.MULTILINE))
    assert set(words) == {one.name.lower() for one in Transport}
    for transport in (Transport.SMS, Transport.TWILIO):
        book.check(Recipient(transport, re.findall("`([^`]*[0-9][^`]*)`", words[transport.name.lower()])[-1]), "page")
    for transport, name in ((Transport.SLACK, "ops"), (Transport.TEAMS, "trial"), (Transport.APPRISE, "pager")):
        book.check(Recipient(transport, name), "page")


def test_a_channel_reaches_a_subscriber_each_way(
    serve: Serve, mail: MailServer, hooks: Hooks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAMS_TRIAL_URL", f"{hooks.url}/teams")
    pager = hooks.url.replace("http:", "json:") + "/pager"
    settings = page_settings(tmp_path, slack_ops=f"{hooks.url}/slack", pager=pager, webhook_key=KEY)
    settings["twilio"]["base_url"] = hooks.url
    settings["webhook"]["allowed"] = [f"{hooks.url}/in"]
    settings["smtp"] = {"host": "127.0.0.1", "port": mail.port, "sender": "diana@a.example"}
    ada = {
        "email": "ada@a.example",
        "sms": "16465550123@pigeon",
        "twilio": "+16465550123",
        "slack": "ops",
        "teams": "trial",
        "apprise": "pager",
        "webhook": f"{hooks.url}/in",
        "file": "ada.jsonl",
        "screen": True,
    }
    stub = serve(**settings, subscribers=[{"name": "Ada", "channels": ["quiet"], **ada}])
    content = pb.Content(subject="Hello", body="It works.")
    sent = stub.DispatchMessage(pb.DispatchMessageRequest(channel="quiet", content=content)).deliveries
    assert sorted(one.recipient.transport for one in sent) == sorted(one.value for one in Transport)
    ended = pb.ListDeliveriesRequest(state=pb.Delivery.STATE_SENT)
    assert awaited(lambda: len(stub.ListDeliveries(ended).deliveries) == len(sent))
    assert {one.path for one in hooks.requests} == {
        "/slack",
        "/teams",
        "/pager",
        "/in",
        "/2010-04-01/Accounts/AC00000000000000000000000000000000/Messages.json",
    }
    assert {one.recipients for one in mail.mails} == {("ada@a.example",), ("16465550123@text.pigeon.example",)}
    shown = str(stub.ListDeliveries(pb.ListDeliveriesRequest())) + str(stub.ListChannels(pb.ListChannelsRequest()))
    assert "/slack" not in shown and "/teams" not in shown and "hush" not in shown


def test_without_a_mail_server_there_are_no_text_messages_by_carrier() -> None:
    config = NotifyConfig(smtp=None)
    assert Transport.SMS not in make_carriers(config, make_addresses(config), lambda close: None)
    config = NotifyConfig(smtp=SmtpConfig("mail.example", "diana@a.example"))
    assert Transport.SMS in make_carriers(config, make_addresses(config), lambda close: None)

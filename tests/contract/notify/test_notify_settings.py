"""Wrong settings end the process at its start, with the place; the log tells nothing of a message."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from diana_client import NotifyClient, connect
from diana_client.notify import content, email
from diana_common.errors import DianaError, Reason
from diana_common.settings import build
from diana_notify.__main__ import make_server
from diana_notify.config import NotifyConfig
from tests.support.awaiting import awaited
from tests.support.mesh import Mesh
from tests.support.smtp import MailServer

SMTP = {"host": "127.0.0.1", "sender": "diana@a.example"}
TWILIO = {"account_sid": "AC0", "token": {"variable": "HOME"}, "sender": "+16465550100"}
SECRET = "ZZSECRETZZ"
ADA = {"name": "Ada", "email": "ada@a.example", "channels": ["a"]}
RULE = {"name": "r", "stores": ["deid"], "channel": "a", "template": "t"}
GOOD = {
    "smtp": SMTP,
    "channels": {"a": "A"},
    "subscribers": [ADA],
    "templates": {"t": {"subject": "s"}},
    "rules": [RULE],
}


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({"chanels": {}}, "chanels"),
        ({"channels": {"": "A"}, "subscribers": []}, "channels"),
        ({"subscribers": [{**ADA, "mail": "x"}]}, "subscribers[0].mail"),
        ({"subscribers": [{**ADA, "channels": ["b"]}]}, "subscribers[0].channels"),
        ({"subscribers": [{**ADA, "email": "Ada <ada@a.example>"}]}, "subscribers[0].email"),
        ({"subscribers": [{**ADA, "webhook": "http://evil/"}]}, "subscribers[0].webhook"),
        ({"subscribers": [{**ADA, "file": "../x"}]}, "subscribers[0].file"),
        ({"subscribers": [{"name": "Ada", "channels": ["a"]}]}, "subscribers[0]"),
        ({"subscribers": [{**ADA, "wrap": "lettre"}]}, "subscribers[0].wrap"),
        ({"subscribers": [{**ADA, "digest_seconds": -1}]}, "subscribers[0]"),
        ({"limits": {"email": 0}}, "limits.email"),
        ({"limits": {"emial": 6}}, "limits.emial"),
        ({"smtp": None}, "subscribers[0].email"),
        ({"smtp": {**SMTP, "sender": "DIANA <x@y>"}}, "smtp.sender"),
        ({"smtp": {**SMTP, "tls": "ssl"}}, "smtp.tls"),
        ({"smtp": {**SMTP, "user": "x"}}, "smtp"),
        ({"smtp": {**SMTP, "password": "x"}}, "smtp.password"),
        ({"smtp": {**SMTP, "user": "x", "password_file": "absent", "tls": "starttls"}}, "smtp.password_file"),
        ({"smtp": {**SMTP, "ca_file": "absent"}}, "smtp.ca_file"),
        ({"webhook": {"allowed": ["http://x/", "http://u@x/"]}}, "webhook.allowed[1]"),
        ({"webhook": {"signing_key": {"file": "absent"}}}, "webhook.signing_key"),
        ({"webhook": {"signing_key": {"variable": "HOME"}}}, "webhook.signing_key"),
        ({"webhook": {"signing_key": {}}}, "webhook.signing_key"),
        ({"sms": {"carriers": {"pigeon": "no domain"}}}, "sms.carriers.pigeon"),
        ({"slack": {"urls": {"ops": {"variable": "HOME", "file": "absent"}}}}, "slack.urls.ops"),
        ({"slack": {"urls": {"ops": {"variable": "HOME"}}}}, "slack.urls.ops"),
        ({"teams": {"urls": {"ops": {"variable": "ABSENT_HERE"}}}}, "teams.urls.ops"),
        ({"teams": {"urls": {"ops": "https://chat.example/"}}}, "teams.urls.ops"),
        ({"apprise": {"urls": {"ops": {"variable": "HOME"}}}}, "apprise.urls.ops"),
        ({"twilio": {**TWILIO, "token": "hush"}}, "twilio.token"),
        ({"twilio": {**TWILIO, "account_sid": "../AC0"}}, "twilio"),
        ({"twilio": {**TWILIO, "base_url": "http://twilio.example"}}, "twilio.base_url"),
        ({"subscribers": [{**ADA, "slack": "https://chat.example/"}]}, "subscribers[0].slack"),
        ({"subscribers": [{**ADA, "sms": "16465550123@pigeon"}]}, "subscribers[0].sms"),
        ({"templates": {"t": {"subject": "{{ x"}}}, "templates.t.subject"),
        ({"templates": {"t": {"subject": "s", "body": "{% set a = 1 %}"}}}, "templates.t.body"),
        ({"templates": {"t": {"subject": "s", "body_file": "absent"}}}, "templates.t.body_file"),
        ({"rules": [{**RULE, "template": "u"}]}, "rules[0].template"),
        ({"rules": [{**RULE, "channel": "b"}]}, "rules[0].channel"),
        ({"rules": [{**RULE, "stores": []}]}, "rules[0].stores"),
        ({"rules": [{**RULE, "event": "study_stored"}]}, "rules[0].event"),
        ({"retry": {"first_seconds": 0}}, "retry"),
        ({"subscriptions_file": "absent"}, "subscriptions_file"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused_with_its_place(
    tmp_path: Path, settings: dict[str, object], place: str
) -> None:
    with pytest.raises(DianaError) as caught:
        make_server(build(NotifyConfig, {**GOOD, "state_dir": str(tmp_path / "state"), **settings}))
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert caught.value.fields[0].field == place
    assert not (tmp_path / "state" / "lock").exists() or place.startswith("rules")


def test_subscriptions_may_lie_in_a_file_of_two_documents(tmp_path: Path) -> None:
    filed = tmp_path / "subscriptions.yaml"
    filed.write_text("a: A\nb: ${SITE:-Site B}\n---\n- {name: Bob, file: bob.jsonl, channels: [a, b]}\n")
    environment = {
        "DIANA_NOTIFY_SUBSCRIPTIONS_FILE": str(filed),
        "DIANA_NOTIFY_CHANNELS": "{c: C}",
        "DIANA_NOTIFY_SUBSCRIBERS": "[{name: Eve, screen: true, channels: [a, c]}]",
    }
    with Mesh(tmp_path / "state", "notify", settings=environment) as mesh, connect(mesh.notify) as channel:
        channels = {one.tag: one for one in NotifyClient(channel).channels()}
        assert channels["b"].display_name == "Site B"
        assert {tag: [who.display_name for who in one.subscribers] for tag, one in channels.items()} == {
            "a": ["Bob", "Eve"],
            "b": ["Bob"],
            "c": ["Eve"],
        }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: A\n---\n- {name: Bob, file: x, channels: [b]}\n", "subscribers[0].channels: names no channel"),
        ("a: A\n---\n- {name: Bob, fil: x}\n", "subscriptions.yaml.subscribers[0].fil: is not a setting"),
        ("a: A\n---\n- [\n", "subscriptions.yaml: is not YAML"),
        ("a: A\n---\n[]\n---\n{}\n---\nx: y\n", "more than two documents"),
    ],
)
def test_a_wrong_subscription_ends_the_process_with_a_clear_message(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "subscriptions.yaml").write_text(text)
    settings = tmp_path / "notify.yaml"
    settings.write_text(yaml.safe_dump({"subscriptions_file": str(tmp_path / "subscriptions.yaml")}))
    ended = subprocess.run(
        [sys.executable, "-m", "diana_notify", "--config", str(settings)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 4
    assert complaint in ended.stderr
    assert "Traceback" not in ended.stderr


def test_values_and_addresses_are_not_logged_and_texts_are_gone_once_sent(tmp_path: Path) -> None:
    with MailServer() as mail:
        mail.refuse[f"{SECRET}@a.example"] = f"550 {SECRET} unknown"
        mail.greylist = 1
        environment = {
            "DIANA_NOTIFY_SMTP": yaml.safe_dump({**SMTP, "port": mail.port}),
            "DIANA_NOTIFY_RETRY": "{first_seconds: 0.05}",
            "DIANA_NOTIFY_SERVER__LOG_LEVEL": "debug",
        }
        with Mesh(tmp_path, "notify", settings=environment) as mesh, connect(mesh.notify) as channel:
            client = NotifyClient(channel)
            text = content("About {{ values.x }}", "{{ values.x }}", values={"x": SECRET})
            names = [client.send(email(to), text).name for to in ("ada@a.example", f"{SECRET}@a.example")]
            assert awaited(lambda: all(client.delivery(name).HasField("end_time") for name in names))
            assert SECRET not in client.delivery(names[1]).last_error
            assert SECRET in mail.mails[0].text
            log = mesh.processes["notify"].log()
    assert '"given up"' in log and '"not delivered yet"' in log
    assert SECRET not in log

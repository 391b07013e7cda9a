"""Subscribers are told: a channel and a rule in notify's configuration, and the mail that comes of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email import message_from_bytes
from typing import Any

import yaml

from diana_cli.demo.story import PATIENT, SITE, STORE, TRIAL, Demo, StepFailed
from diana_cli.text import clean
from diana_endpoints.items import Item
from diana_endpoints.notify import Notify

_CHANNEL = f"{TRIAL}-{SITE}"
_ADDRESS = "ada@reading-room.example"
_PATIENCE = 60.0
_BODY = """Dear {{ recipient.name }},

a de-identified study of trial {{ values.trial }} from site {{ values.site }} is complete:
{{ values.study_uid }}, {{ values.instance_count }} instances, in store {{ values.store }}.
"""


def configure(demo: Demo) -> Iterator[str]:
    """Open a mail server, and write the notifier's configuration where `up` looks for it."""
    demo.mailbox.open()
    path = demo.mesh.state / "config" / "notify.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(_settings(demo.mailbox.port), sort_keys=False), encoding="utf-8")
    yield f"a mail server listens at 127.0.0.1:{demo.mailbox.port}"
    yield f"{_ADDRESS} subscribes to channel {_CHANNEL}, in {path.relative_to(demo.room)}"


def read_mail(demo: Demo) -> Iterator[str]:
    """Wait for the rule's mail, show it as it came, and hold it against the ledger."""
    mail = demo.mailbox.next_mail(_PATIENCE)
    if mail is None:
        raise StepFailed("no mail came")
    for line in mail.decode("ascii", "replace").splitlines():
        yield clean(f"| {line}".rstrip())
    message = message_from_bytes(mail)
    text = bytes(message.get_payload(decode=True) or b"").decode()
    if message["To"] != _ADDRESS or demo.new_study.meta["study_uid"] not in text or PATIENT in text:
        raise StepFailed("the mail is not the one that was to come")
    [delivery] = _sent(demo.endpoint("notify:", Notify))
    told = ("state", "attempts", "channel", "rule", "recipient")
    yield "the ledger: " + ", ".join(f"{key} {delivery.meta[key]}" for key in told)


def _sent(notify: Notify) -> list[Item]:
    """The channel's deliveries once they are sent: the ledger learns of it just after the mail has come."""
    end = time.monotonic() + _PATIENCE
    while not (sent := list(notify.deliveries("sent", _CHANNEL))):
        if time.monotonic() > end:
            raise StepFailed("the ledger does not know that the mail was sent")
        time.sleep(0.05)
    return sent


def _settings(port: int) -> dict[str, Any]:
    return {
        "smtp": {"host": "127.0.0.1", "port": port, "sender": "diana@hospital.example"},
        "channels": {_CHANNEL: "The demonstration's studies"},
        "subscribers": [
            {
                "name": "Ada Reader",
                "email": _ADDRESS,
                "affiliation": "Reading room",
                "channels": [_CHANNEL],
            }
        ],
        "templates": {"study_ready": {"subject": "A study of trial {{ values.trial }} is ready", "body": _BODY}},
        "rules": [{"name": "study_ready", "stores": [STORE], "channel": "$trial-$site", "template": "study_ready"}],
    }

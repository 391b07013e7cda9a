"""What the notify service can be told."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import yaml

from diana_common.attempts import RetryPolicy
from diana_common.settings import build, config_invalid, expand_tree
from diana_notify.config.transports import (
    AppriseConfig,
    ChatConfig,
    SmsConfig,
    SmtpConfig,
    TwilioConfig,
    WebhookConfig,
)
from diana_server.config import PeerConfig, ServerConfig

_LONGEST_DIGEST = 86_400.0
_FASTEST = 1e6


class Event(Enum):
    """What rules can wait for."""

    STUDY_COMPLETED = "study_completed"


@dataclass(frozen=True)
class SubscriberConfig:
    """Somebody to be told, in at least one way: from `email`, `webhook`, `file`, `screen`, `sms`, `twilio`, `slack`,
    `teams` and `apprise`."""

    name: str
    """For people, and for templates."""

    email: str = ""
    """One e-mail address, without a display name."""

    affiliation: str = ""
    """The institution, for people and for templates."""

    channels: tuple[str, ...] = ()
    """The tags of the channels to hear of."""

    webhook: str = ""
    """A URL that `webhook.allowed` allows."""

    file: str = ""
    """The plain name of a file in the outbox."""

    screen: bool = False
    """Whether messages appear on the server's standard output."""

    sms: str = ""
    """A mobile telephone: the number's digits, "@", and the carrier's name, such as `16465550100@verizon`."""

    twilio: str = ""
    """A telephone that gets text messages by Twilio: "+" and the number's digits, beginning with the country's."""

    slack: str = ""
    """A name among `slack.urls`."""

    teams: str = ""
    """A name among `teams.urls`."""

    apprise: str = ""
    """A name among `apprise.urls`."""

    wrap: str = ""
    """A template that this subscriber's messages are put into: its texts may name `subject` and `body`, those of the
    message, besides all that the message's own template may. An empty subject of it leaves the message's."""

    digest_seconds: float = 0.0
    """What comes for an address within so many seconds goes as one message; each goes by itself when zero."""

    def __post_init__(self) -> None:
        if not 0 <= self.digest_seconds <= _LONGEST_DIGEST:
            raise ValueError("digest_seconds must be 0 to 86400")


@dataclass(frozen=True)
class TemplateConfig:
    """What messages say, in the part of Jinja2's language that messages have: names, conditions, loops, filters."""

    subject: str
    """One line."""

    body: str = ""
    """The text."""

    body_file: Path | None = None
    """A file with the text, UTF-8, instead of `body`."""

    def __post_init__(self) -> None:
        if self.body and self.body_file:
            raise ValueError("body and body_file exclude one another")


@dataclass(frozen=True)
class SenderConfig:
    """This system, as templates name it: `sender.name` and `sender.address`."""

    name: str = "DIANA"
    """For people."""

    address: str = ""
    """Where people may write to; `smtp.sender` when empty."""


@dataclass(frozen=True)
class RuleConfig:
    """Tells a channel's subscribers what happens in the archive."""

    name: str
    """For people; deliveries bear it."""

    stores: tuple[str, ...]
    """The archive's stores to look at."""

    channel: str
    """The channel's tag. `$trial-$site` takes the plain attributes `trial` and `site` of the study; in YAML,
    `${...}` means an environment variable."""

    template: str
    """A template's name. It may name the study's plain attributes, store, study_uid, reason, instance_count."""

    event: Event = Event.STUDY_COMPLETED
    """What to wait for: study_completed. A study that completes once more after late instances is told again."""


@dataclass(frozen=True)
class NotifyConfig:
    """The notify service's configuration."""

    server: ServerConfig = field(default_factory=lambda: ServerConfig(listen="127.0.0.1:50065"))
    """How it listens and what it takes on."""

    state_dir: Path = Path("diana-state/notify")
    """Where the ledger lies. It holds the texts of messages until they are sent; keep it from others."""

    archive: PeerConfig = field(default_factory=lambda: PeerConfig("127.0.0.1:50061"))
    """The archive whose feed the rules follow; not needed without rules."""

    subscriptions_file: Path | None = None
    """Two YAML documents in one file: `channels`, then `subscribers`, as below. Those here come on top."""

    channels: Mapping[str, str] = field(default_factory=dict)
    """What people subscribe to: a name for people by tag, such as `mammo-hospital_a: Mammography at A`."""

    subscribers: tuple[SubscriberConfig, ...] = ()
    """Who subscribed to what."""

    templates: Mapping[str, TemplateConfig] = field(default_factory=dict)
    """What messages say, by name. In YAML, `$$` stands for a dollar sign."""

    smtp: SmtpConfig | None = None
    """The server that takes e-mail; no e-mail and no `sms` when absent."""

    sms: SmsConfig = field(default_factory=SmsConfig)
    """Text messages over carriers' mail relays, by way of `smtp`."""

    twilio: TwilioConfig | None = None
    """Text messages by Twilio; none when absent."""

    slack: ChatConfig = field(default_factory=ChatConfig)
    """Slack's incoming webhooks."""

    teams: ChatConfig = field(default_factory=ChatConfig)
    """The webhooks of Microsoft Teams: incoming ones, or workflows."""

    apprise: AppriseConfig = field(default_factory=AppriseConfig)
    """Whatever else the library apprise reaches."""

    webhook: WebhookConfig = field(default_factory=WebhookConfig)
    """Where webhooks may point."""

    outbox_dir: Path | None = None
    """Where files are written to; `state_dir`/outbox when absent."""

    sender: SenderConfig = field(default_factory=SenderConfig)
    """This system, as templates name it."""

    limits: Mapping[str, float] = field(default_factory=dict)
    """Messages a minute at most, for each target of a transport (`email: 60`), or for one target
    (`"webhook https://chat.example:443": 10`). After a start a target waits for its first turn."""

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    """How often to try."""

    keep_days: float = 30.0
    """For how long deliveries that ended stay in the ledger."""

    rules: tuple[RuleConfig, ...] = ()
    """What is told by itself. When there are rules for the first time they begin with what happens from then on;
    later, with what happened since notify last ran."""

    def __post_init__(self) -> None:
        if not all(0 < len(tag) <= 127 for tag in self.channels):
            raise config_invalid("channels", "a tag is 1 to 127 characters")
        for name, per_minute in self.limits.items():
            if not 0 < per_minute <= _FASTEST:
                raise config_invalid(f"limits.{name}", "is above 0 and at most 1000000 messages a minute")
        if self.keep_days <= 0:
            raise ValueError("keep_days must be positive")


@dataclass(frozen=True)
class Subscriptions:
    """What a file of subscriptions says."""

    channels: Mapping[str, str] = field(default_factory=dict)
    subscribers: tuple[SubscriberConfig, ...] = ()


def subscriptions(config: NotifyConfig) -> Subscriptions:
    """Channels and subscribers of the file and of the settings. Raises DianaError CONFIG_INVALID."""
    if config.subscriptions_file is None:
        return Subscriptions(config.channels, config.subscribers)
    filed = _read_subscriptions(config.subscriptions_file)
    return Subscriptions({**filed.channels, **config.channels}, (*filed.subscribers, *config.subscribers))


def template_body(name: str, template: TemplateConfig) -> str:
    """A template's text. Raises DianaError CONFIG_INVALID."""
    if template.body_file is None:
        return template.body
    try:
        return template.body_file.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise config_invalid(f"templates.{name}.body_file", "cannot be read as UTF-8 text") from None


def _read_subscriptions(path: Path) -> Subscriptions:
    try:
        documents = [one for one in yaml.safe_load_all(path.read_text("utf-8")) if one is not None]
    except (OSError, UnicodeDecodeError):
        raise config_invalid("subscriptions_file", "cannot be read as UTF-8 text") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}" if mark else "the document"
        raise config_invalid(path.name, f"is not YAML at {place}") from None
    if len(documents) > 2:
        raise config_invalid(path.name, "has more than two documents: channels, then subscribers")
    tree: dict[str, Any] = dict(zip(("channels", "subscribers"), documents))
    return build(Subscriptions, expand_tree(tree, os.environ, path.name), path.name)

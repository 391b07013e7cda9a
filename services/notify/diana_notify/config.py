"""What the notify service can be told."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import yaml

from diana_common.settings import build, config_invalid, expand_tree
from diana_server.config import PeerConfig, ServerConfig


class Tls(Enum):
    """How a connection to the mail server is protected."""

    NONE = "none"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


class Event(Enum):
    """What rules can wait for."""

    STUDY_COMPLETED = "study_completed"


@dataclass(frozen=True)
class SubscriberConfig:
    """Somebody to be told. At least one of `email`, `webhook`, `file` and `screen` is needed."""

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
class SmtpConfig:
    """The server that takes e-mail."""

    host: str
    """Its name, which its certificate bears."""

    sender: str
    """The address that messages come from, without a display name."""

    port: int = 25
    """Its port; usually 587 with starttls and 465 with implicit."""

    tls: Tls = Tls.NONE
    """none, starttls or implicit. A server that does not offer STARTTLS when it must gets nothing."""

    user: str = ""
    """The user to log in as; nobody when empty."""

    password_file: Path | None = None
    """A file with the user's password. It is read for each login, so that it may be renewed."""

    ca_file: Path | None = None
    """The authorities to trust, PEM; the system's when absent."""

    timeout: float = 30.0
    """Seconds that each step of an exchange may take; ten times that for all of it."""

    def __post_init__(self) -> None:
        if bool(self.user) != bool(self.password_file):
            raise ValueError("user and password_file go together")
        if self.user and self.tls is Tls.NONE:
            raise ValueError("a password is sent over TLS only: set tls to starttls or implicit")
        if not 1 <= self.port <= 65535 or self.timeout <= 0:
            raise ValueError("port must be 1 to 65535, and timeout positive")


@dataclass(frozen=True)
class WebhookConfig:
    """Where webhooks may point."""

    allowed: tuple[str, ...] = ()
    """URLs; a webhook must be at or below one of them: same scheme, host and port. Nothing is allowed when empty."""

    ca_file: Path | None = None
    """The authorities to trust, PEM; the system's when absent."""

    timeout: float = 10.0
    """Seconds that each step of an exchange may take; three times that for all of it."""

    def __post_init__(self) -> None:
        if self.timeout <= 0:
            raise ValueError("timeout must be positive")


@dataclass(frozen=True)
class RetryConfig:
    """How often to try."""

    first_seconds: float = 5.0
    """Until the second attempt, at most; each further wait is twice as long, and up to half of it is left to chance."""

    longest_seconds: float = 900.0
    """Between two attempts, at most."""

    give_up_seconds: float = 3 * 86_400.0
    """After which a message that was tried in vain is given up, counted from when it was queued."""

    def __post_init__(self) -> None:
        if not 0 < self.first_seconds <= self.longest_seconds or self.give_up_seconds < 0:
            raise ValueError("first_seconds must be positive, longest_seconds not less, give_up_seconds not negative")


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
    """The server that takes e-mail; no e-mail when absent."""

    webhook: WebhookConfig = field(default_factory=WebhookConfig)
    """Where webhooks may point."""

    outbox_dir: Path | None = None
    """Where files are written to; `state_dir`/outbox when absent."""

    retry: RetryConfig = field(default_factory=RetryConfig)
    """How often to try."""

    keep_days: float = 30.0
    """For how long deliveries that ended stay in the ledger."""

    rules: tuple[RuleConfig, ...] = ()
    """What is told by itself. When there are rules for the first time they begin with what happens from then on;
    later, with what happened since notify last ran."""

    def __post_init__(self) -> None:
        if not all(0 < len(tag) <= 127 for tag in self.channels):
            raise config_invalid("channels", "a tag is 1 to 127 characters")
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

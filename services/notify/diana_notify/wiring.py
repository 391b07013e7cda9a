"""What `__main__` puts together for the transports: settings in, address book and carriers out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from diana_common.settings import config_invalid
from diana_notify.adapters.apprise_carrier import AppriseCarrier
from diana_notify.adapters.chats import ChatCarrier, slack_payload, teams_payload
from diana_notify.adapters.local import FileCarrier, ScreenCarrier
from diana_notify.adapters.posting import Poster, check_endpoint
from diana_notify.adapters.secret import Secret
from diana_notify.adapters.sms import RELAYS, SmsCarrier
from diana_notify.adapters.smtp import SmtpCarrier, SmtpServer
from diana_notify.adapters.twilio import TwilioAccount, TwilioCarrier
from diana_notify.adapters.webhook import WebhookCarrier
from diana_notify.config import NotifyConfig, SubscriberConfig
from diana_notify.config.transports import ChatConfig, SecretConfig, SmtpConfig, TwilioConfig
from diana_notify.core.addresses import AddressBook, email_domain
from diana_notify.core.carriers import Carrier
from diana_notify.core.model import Parcel, Recipient, Transport


def make_addresses(config: NotifyConfig) -> AddressBook:
    """What can be written to. Raises DianaError CONFIG_INVALID."""
    for number, prefix in enumerate(config.webhook.allowed):
        try:
            AddressBook(False, [prefix])
        except ValueError as error:
            raise config_invalid(f"webhook.allowed[{number}]", str(error)) from None
    named = {
        Transport.SLACK: config.slack.urls,
        Transport.TEAMS: config.teams.urls,
        Transport.APPRISE: config.apprise.urls,
    }
    return AddressBook(
        config.smtp is not None,
        config.webhook.allowed,
        tuple(_relays(config.sms.carriers)) if config.smtp else (),
        config.twilio is not None,
        {transport: tuple(urls) for transport, urls in named.items()},
    )


def recipients_of(config: SubscriberConfig) -> Iterator[Recipient]:
    """A subscriber's addresses."""
    addresses = {
        Transport.EMAIL: config.email,
        Transport.WEBHOOK: config.webhook,
        Transport.FILE: config.file,
        Transport.SMS: config.sms,
        Transport.TWILIO: config.twilio,
        Transport.SLACK: config.slack,
        Transport.TEAMS: config.teams,
        Transport.APPRISE: config.apprise,
    }
    yield from (Recipient(transport, address) for transport, address in addresses.items() if address)
    if config.screen:
        yield Recipient(Transport.SCREEN, "")


def make_carriers(
    config: NotifyConfig, addresses: AddressBook, on_stop: Callable[[Callable[[], None]], None]
) -> dict[Transport, Carrier]:
    """Every transport that is configured. Raises DianaError CONFIG_INVALID.

    `on_stop` is told what to call once nothing is delivered any more.
    """
    carriers: dict[Transport, Carrier] = {
        Transport.FILE: FileCarrier(config.outbox_dir or config.state_dir / "outbox"),
        Transport.SCREEN: ScreenCarrier(),
        Transport.WEBHOOK: _webhook(config, addresses),
    }
    if config.smtp:
        smtp = SmtpCarrier(_smtp(config.smtp))
        on_stop(smtp.close)
        carriers |= {Transport.EMAIL: smtp, Transport.SMS: SmsCarrier(smtp, _relays(config.sms.carriers))}
    if config.twilio:
        carriers[Transport.TWILIO] = _twilio(config.twilio)
    if config.slack.urls:
        carriers[Transport.SLACK] = _chat("slack", config.slack, slack_payload)
    if config.teams.urls:
        carriers[Transport.TEAMS] = _chat("teams", config.teams, teams_payload)
    if config.apprise.urls:
        urls = _secrets("apprise.urls", config.apprise.urls)
        carriers[Transport.APPRISE] = AppriseCarrier(urls, config.apprise.timeout)
    return carriers


def _webhook(config: NotifyConfig, addresses: AddressBook) -> WebhookCarrier:
    webhook = config.webhook
    key = _secret("webhook.signing_key", webhook.signing_key) if webhook.signing_key else None
    return WebhookCarrier(addresses, webhook.timeout, webhook.ca_file, key)


def _smtp(config: SmtpConfig) -> SmtpServer:
    try:
        email_domain(config.sender)
    except ValueError as error:
        raise config_invalid("smtp.sender", str(error)) from None
    return SmtpServer(
        config.host,
        config.port,
        config.tls.value,
        config.sender,
        config.timeout,
        config.user,
        config.password_file,
        config.ca_file,
    )


def _twilio(config: TwilioConfig) -> TwilioCarrier:
    try:
        check_endpoint(config.base_url)
    except ValueError as error:
        raise config_invalid("twilio.base_url", str(error)) from None
    token = _secret("twilio.token", config.token)
    account = TwilioAccount(config.account_sid, token, config.sender, config.base_url)
    return TwilioCarrier(account, Poster("twilio", config.timeout, config.ca_file))


def _relays(carriers: Mapping[str, str]) -> dict[str, str]:
    """Domains by carrier: those that are known, and the configured ones in their place or besides."""
    relays = {name: domain for name, domain in {**RELAYS, **carriers}.items() if domain}
    for name, domain in relays.items():
        try:
            email_domain(f"x@{domain}")
        except ValueError as error:
            raise config_invalid(f"sms.carriers.{name}", str(error)) from None
    return relays


def _chat(where: str, config: ChatConfig, payload: Callable[[Parcel], Mapping[str, Any]]) -> ChatCarrier:
    poster = Poster(where, config.timeout, config.ca_file)
    return ChatCarrier(where, _secrets(f"{where}.urls", config.urls), poster, payload)


def _secrets(where: str, configs: Mapping[str, SecretConfig]) -> dict[str, Secret]:
    return {name: _secret(f"{where}.{name}", config) for name, config in configs.items()}


def _secret(where: str, config: SecretConfig) -> Secret:
    return Secret(where, config.file, config.variable)

"""Runs the notify service: `python -m diana_notify --config FILE`."""

from __future__ import annotations

from collections.abc import Iterator

from diana.notify.v1 import notify_service_pb2
from diana.notify.v1.notify_service_pb2_grpc import add_NotifyServiceServicer_to_server
from diana_common.attempts import Attempting, RetryPolicy
from diana_common.settings import config_invalid
from diana_common.state_files import FolderLock
from diana_notify.adapters.local import FileCarrier, ScreenCarrier
from diana_notify.adapters.observer import PrometheusObserver
from diana_notify.adapters.smtp import SmtpCarrier, SmtpServer
from diana_notify.adapters.webhook import WebhookCarrier
from diana_notify.config import (
    NotifyConfig,
    RuleConfig,
    SmtpConfig,
    SubscriberConfig,
    subscriptions,
    template_body,
)
from diana_notify.core.addresses import AddressBook, email_domain
from diana_notify.core.carriers import Carrier, Carriers
from diana_notify.core.directory import Directory, Subscription
from diana_notify.core.following import Follower
from diana_notify.core.model import Recipient, Subscriber, Transport
from diana_notify.core.notifier import Notifier
from diana_notify.core.rendering import TemplateText
from diana_notify.core.rules import Rule, Rules
from diana_notify.peers import ArchivePeer
from diana_notify.servicer import NotifyServicer
from diana_notify.stores.sqlite import SqliteLedger
from diana_server.config import read_config
from diana_server.peers import reach
from diana_server.server import Server, run_service

_DAY = 86_400.0


def make_server(config: NotifyConfig) -> Server:
    """The service, ready to start; it delivers and follows the archive from now on.

    Raises DianaError CONFIG_INVALID, STORE_SCHEMA_NEWER.
    """
    server = Server("notify", config.server)  # first of all: it sets up the log
    addresses = _addresses(config)
    directory = _directory(config, addresses)
    carriers = _carriers(config, addresses)
    lock = FolderLock(config.state_dir)
    ledger = SqliteLedger(config.state_dir / "ledger.sqlite")
    observer = PrometheusObserver(ledger.count_queued)
    rules = Rules([_rule(one) for one in config.rules], directory, observer)
    retry = RetryPolicy(config.retry.first_seconds, config.retry.longest_seconds, config.retry.give_up_seconds)
    deliverer = Attempting(ledger, Carriers(carriers).carry, retry, config.keep_days * _DAY, observer)
    notifier = Notifier(directory, addresses, ledger, deliverer.wake)
    archive = ArchivePeer(reach("archive", config.archive))
    follower = Follower(archive, rules, ledger, deliverer.wake, observer.lost)

    def check_ready() -> None:
        notifier.check_ready()
        follower.check_ready()

    server.add(
        notify_service_pb2.DESCRIPTOR.services_by_name["NotifyService"],
        add_NotifyServiceServicer_to_server,
        NotifyServicer(notifier),
        ready=check_ready,
    )
    # Closed in reverse: nothing is queued nor delivered any more when the ledger is closed.
    for close in (lock.close, ledger.close, archive.close, deliverer.stop, follower.stop):
        server.on_stop(close)
    deliverer.start()
    follower.start()
    return server


def _addresses(config: NotifyConfig) -> AddressBook:
    for number, prefix in enumerate(config.webhook.allowed):
        try:
            AddressBook(False, [prefix])
        except ValueError as error:
            raise config_invalid(f"webhook.allowed[{number}]", str(error)) from None
    return AddressBook(config.smtp is not None, config.webhook.allowed)


def _directory(config: NotifyConfig, addresses: AddressBook) -> Directory:
    subscribed = subscriptions(config)
    templates = {name: TemplateText(one.subject, template_body(name, one)) for name, one in config.templates.items()}
    subscribers = [Subscription(_subscriber(one), one.channels) for one in subscribed.subscribers]
    return Directory(subscribed.channels, subscribers, templates, addresses)


def _subscriber(config: SubscriberConfig) -> Subscriber:
    return Subscriber(config.name, config.email, config.affiliation, tuple(_recipients(config)))


def _recipients(config: SubscriberConfig) -> Iterator[Recipient]:
    if config.email:
        yield Recipient(Transport.EMAIL, config.email)
    if config.webhook:
        yield Recipient(Transport.WEBHOOK, config.webhook)
    if config.file:
        yield Recipient(Transport.FILE, config.file)
    if config.screen:
        yield Recipient(Transport.SCREEN, "")


def _rule(config: RuleConfig) -> Rule:
    return Rule(config.name, frozenset(config.stores), config.channel, config.template)


def _carriers(config: NotifyConfig, addresses: AddressBook) -> dict[Transport, Carrier]:
    carriers: dict[Transport, Carrier] = {
        Transport.WEBHOOK: WebhookCarrier(addresses, config.webhook.timeout, config.webhook.ca_file),
        Transport.FILE: FileCarrier(config.outbox_dir or config.state_dir / "outbox"),
        Transport.SCREEN: ScreenCarrier(),
    }
    if config.smtp:
        carriers[Transport.EMAIL] = SmtpCarrier(_smtp(config.smtp))
    return carriers


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


def main() -> None:
    """Serve until told to stop."""
    run_service("notify", lambda: make_server(read_config(NotifyConfig, "notify")))


if __name__ == "__main__":
    main()

"""Runs the notify service: `python -m diana_notify --config FILE`."""

from __future__ import annotations

import time

from diana.notify.v1 import notify_service_pb2
from diana.notify.v1.notify_service_pb2_grpc import add_NotifyServiceServicer_to_server
from diana_common.attempts import Attempting, Limits
from diana_common.settings import config_invalid, nearest
from diana_common.state_files import FolderLock
from diana_notify.adapters.observer import PrometheusObserver
from diana_notify.config import (
    NotifyConfig,
    RuleConfig,
    SubscriberConfig,
    subscriptions,
    template_body,
)
from diana_notify.core.addresses import AddressBook
from diana_notify.core.carriers import Carriers
from diana_notify.core.composing import Composer, Sender
from diana_notify.core.directory import Directory, Subscription
from diana_notify.core.following import Follower
from diana_notify.core.model import Subscriber, Transport
from diana_notify.core.notifier import Notifier
from diana_notify.core.rendering import TemplateText
from diana_notify.core.rules import Rule, Rules
from diana_notify.core.watching import Changes
from diana_notify.peers import ArchivePeer
from diana_notify.servicer import NotifyServicer
from diana_notify.stores.sqlite import SqliteLedger
from diana_notify.wiring import make_addresses, make_carriers, recipients_of
from diana_server.config import read_config
from diana_server.peers import reach
from diana_server.server import Server, run_service

_DAY = 86_400.0


def make_server(config: NotifyConfig) -> Server:
    """The service, ready to start; it delivers and follows the archive from now on.

    Raises DianaError CONFIG_INVALID, STORE_SCHEMA_NEWER.
    """
    server = Server("notify", config.server)  # first of all: it sets up the log
    addresses = make_addresses(config)
    directory = _directory(config, addresses)
    limits = _limits(config)
    carriers = make_carriers(config, addresses, server.on_stop)
    lock = FolderLock(config.state_dir)
    changes = Changes()
    ledger = SqliteLedger(config.state_dir / "ledger.sqlite", changes)
    ledger.hasten(time.time() + config.retry.longest_seconds)
    observer = PrometheusObserver(ledger.count_queued)
    archive = ArchivePeer(reach("archive", config.archive))
    composer = Composer(directory, addresses, archive, _sender(config))
    rules = Rules([_rule(one) for one in config.rules], directory, composer, observer)
    deliverer = Attempting(ledger, Carriers(carriers).carry, config.retry, config.keep_days * _DAY, observer, limits)
    notifier = Notifier(directory, composer, ledger, changes, deliverer.wake)
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
    server.on_stopping(changes.close)
    # Closed in reverse: nothing is queued nor delivered any more when the ledger is closed.
    for close in (lock.close, ledger.close, observer.close, archive.close, deliverer.stop, follower.stop):
        server.on_stop(close)
    deliverer.start()
    follower.start()
    return server


def _directory(config: NotifyConfig, addresses: AddressBook) -> Directory:
    subscribed = subscriptions(config)
    templates = {name: TemplateText(one.subject, template_body(name, one)) for name, one in config.templates.items()}
    subscribers = [Subscription(_subscriber(one), one.channels) for one in subscribed.subscribers]
    return Directory(subscribed.channels, subscribers, templates, addresses)


def _subscriber(config: SubscriberConfig) -> Subscriber:
    recipients = tuple(recipients_of(config))
    return Subscriber(config.name, config.email, config.affiliation, recipients, config.wrap, config.digest_seconds)


def _sender(config: NotifyConfig) -> Sender:
    return Sender(config.sender.name, config.sender.address or (config.smtp.sender if config.smtp else ""))


def _limits(config: NotifyConfig) -> Limits:
    """What is limited must begin with a transport: a limit on nothing would be none."""
    transports = [one.name.lower() for one in Transport]
    for name in config.limits:
        if name.partition(" ")[0] not in transports:
            raise config_invalid(f"limits.{name}", f"begins with no transport; {nearest(name, transports)}")
    return Limits(config.limits)


def _rule(config: RuleConfig) -> Rule:
    return Rule(config.name, frozenset(config.stores), config.channel, config.template)


def main() -> None:
    """Serve until told to stop."""
    run_service("notify", lambda: make_server(read_config(NotifyConfig, "notify")))


if __name__ == "__main__":
    main()

"""The journal, and what carries out the jobs in it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from diana_common.attempts import Attempting
from diana_route.adapters.folders import HostFolder
from diana_route.adapters.observer import PrometheusObserver
from diana_route.adapters.outgoing import OutgoingFolder
from diana_route.config import RouteConfig
from diana_route.core.executing import Carried, Executing
from diana_route.core.intake import Intake
from diana_route.core.journal import Journal
from diana_route.core.model import Item, State, Task
from diana_route.core.rulebook import configuration_digest
from diana_route.core.rules import Rule
from diana_route.core.watched import WatchedFolders
from diana_route.core.watching import Watching
from diana_route.peers.actions import Services, make_actions
from diana_route.peers.channels import Channels
from diana_route.peers.endpoints import Endpoints
from diana_route.peers.file_actions import FileActions
from diana_route.stores.sqlite import SqliteJournal

_DAY = 86_400.0


@dataclass(frozen=True)
class Works:
    """What happens to jobs, from before they are made to their end."""

    journal: SqliteJournal
    watching: Watching
    observer: PrometheusObserver
    attempting: Attempting[Task]
    intake: Intake
    folders: WatchedFolders
    stopping: threading.Event
    """Set when the service is about to stop: what takes long ends itself then."""

    targets: Callable[[Rule, Item], Sequence[str]]
    """See core.deciding.Targets."""


def make_works(config: RouteConfig, rules: Sequence[Rule], channels: Channels, endpoints: Endpoints) -> Works:
    """All of it, not begun yet.

    Raises DianaError: CONFIG_INVALID, STORE_SCHEMA_NEWER, STORE_DAMAGED, DISK_FULL, and what the actions of rules
    cannot have (INVALID_FIELD, PATH_FORBIDDEN).
    """
    watching, stopping = Watching(), threading.Event()
    journal = SqliteJournal(config.state_dir / "jobs.sqlite", watching.changed)
    journal.hasten(time.time() + config.retry.longest_seconds)
    observer = PrometheusObserver(partial(_count_waiting, journal))
    carried: dict[str, Carried] = {}

    def targets(rule: Rule, item: Item) -> Sequence[str]:
        return [action.target(item) for action in carried[rule.name].actions]

    attempting = Attempting(journal, Executing(carried).attempt, config.retry, config.keep_days * _DAY, observer)
    intake = Intake(journal, configuration_digest(rules), attempting.wake, observer.stopped, observer.undone)
    folders = WatchedFolders(
        rules,
        lambda source: HostFolder(source.path, source.layout),
        journal,
        intake,
        targets,
        observer.folder_trouble,
    )
    services = _services(config, channels, endpoints, journal, stopping)
    files = FileActions(channels.archive, folders, journal, stopping.is_set)
    carried.update({rule.name: Carried(rule.digest, make_actions(rule, services, files)) for rule in rules})
    return Works(journal, watching, observer, attempting, intake, folders, stopping, targets)


def _services(
    config: RouteConfig, channels: Channels, endpoints: Endpoints, journal: Journal, stopping: threading.Event
) -> Services:
    return Services(
        channels=channels,
        open_folder=lambda path: OutgoingFolder(path, config.folders),
        notes=journal,
        credits=journal,
        endpoints=endpoints,
        stopping=stopping.is_set,
    )


def _count_waiting(journal: Journal) -> int:
    return sum(count for (_, state), count in journal.counts().items() if state is State.WAITING)

"""What moves things by rules."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from diana_endpoints.items import Item
from diana_endpoints.protocol.endpoint import Endpoint


@runtime_checkable
class Router(Endpoint, Protocol):
    """It carries out rules, a job for each item that a rule is about.

    Where an item is written as a word, that is "study:STORE/UID", "instance:STORE/UID" or "file:RULE/PATH".
    """

    def rules(self) -> Iterator[Item]:
        """The rules in force, in the order of the configuration, and how they fare."""

    def check_rules(self, text: str) -> Iterator[Item]:
        """What is wrong with a file of rules, a fault each with its line; the rules' names if nothing is. What could
        not be looked at is a warning, with its line too."""

    def dry_run(self, text: str = "", since: datetime.timedelta | None = None) -> Iterator[Item]:
        """The jobs that rules would have made since then; at last, how much was looked at."""

    def explain(self, item: str) -> Iterator[Item]:
        """Why each rule would make a job of an item or not, then the jobs that were made of it, newest first."""

    def run_rule(self, rule: str, item: str) -> Item:
        """Make a job of an item by a rule as it is now, whatever was made of it before; the job."""

    def backfill(self, rule: str, since: datetime.timedelta) -> Iterator[Item]:
        """Make jobs of what happened since then and a rule has none of; at last, how much was looked at."""

    def jobs(self, state: str = "", rule: str = "") -> Iterator[Item]:
        """Jobs, newest first: those in one state ("waiting", "done", "dead", "cancelled") and of one rule, or all."""

    def job(self, name: str) -> Item:
        """One job, with its steps."""

    def watch_jobs(self, rule: str = "") -> Iterator[Item]:
        """The jobs that have not ended, then each one whenever it changes. It has no end."""

    def retry_job(self, name: str, with_new_actions: bool = False) -> Item:
        """Have a job that was given up or cancelled go on; the job. `with_new_actions`: another one of its item, where
        its rule has other actions now."""

    def cancel_job(self, name: str) -> Item:
        """End a job; the job."""

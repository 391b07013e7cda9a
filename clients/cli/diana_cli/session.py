"""What all commands of one invocation share: options, services, output, and the count of what failed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from rich.console import Console
from rich.progress import FileSizeColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TransferSpeedColumn

from diana_cli.flowing import Flowing
from diana_cli.mesh.state import DEFAULT_STATE, running_mesh, service_entries
from diana_cli.text import failure_line
from diana_common.errors import Reason, invalid_field
from diana_endpoints.failures import failure_of
from diana_endpoints.items import Failure, Item
from diana_endpoints.protocol.endpoint import Endpoint
from diana_endpoints.services import Services

DEFAULT_SERVICES = Path("services.yaml")
_PIPED_WIDTH = 200
"""Columns of a table that does not go to a terminal."""


@dataclass
class Session:
    """One invocation of diana-cli."""

    services_text: str = ""
    state: Path = DEFAULT_STATE
    store: str = ""
    json: bool = False
    debug: bool = False
    failures_file: IO[Any] | None = None
    failed: int = 0
    unread: bool = False
    """Whether the reader of standard output has gone."""
    where: str = ""
    """Where a chain broke, if it did: the stage, and what it uses."""
    _at_work: Flowing | None = field(default=None, repr=False)
    _advised: set[str] = field(default_factory=set, repr=False)
    _services: Services | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.out = Console(highlight=False, markup=False, emoji=False)
        if not self.out.is_terminal:
            self.out.width = _PIPED_WIDTH
        self.err = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)

    @property
    def services(self) -> Services:
        """The services of the file that was named, else of ./services.yaml, else of the running mesh."""
        if self._services is None:
            self._services = self._with_store(self._find_services())
        return self._services

    def endpoint(self, text: str, role: type, verb: str) -> Endpoint:
        """The endpoint a command names. Raises DianaError INVALID_FIELD if it does not play the role."""
        if self._at_work:
            self._at_work.uses(text)
        endpoint = self.services.endpoint(text)
        if not isinstance(endpoint, role):
            raise invalid_field("ENDPOINT", f"an endpoint of this kind cannot {verb}")
        return endpoint

    def enter(self, stage: Flowing | None) -> Flowing | None:
        """A stage of the chain is at work now; which was before."""
        before, self._at_work = self._at_work, stage
        return before

    def broken(self, line: Sequence[Flowing], error: BaseException) -> None:
        """Tell of what was under way when the chain broke: of each, nobody knows whether it is done."""
        failure = _INTERRUPTED if isinstance(error, KeyboardInterrupt) else failure_of(cast(Exception, error))
        for stage in line:
            if left := stage.unfinished:
                self.note(f"{stage.name}: {len(left)} under way when the chain ended; they may be done or not")
            for item in left:
                self._keep(failure, item)

    def close(self) -> None:
        """Close what was opened."""
        if self._services:
            self._services.close()

    def echo(self, line: str) -> None:
        """A line of the result, on standard output, as it is. Raises BrokenPipeError when nobody reads on."""
        try:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            self.unread = True
            raise

    def note(self, line: str) -> None:
        """A line for people, on standard error; none for scripts."""
        if not self.json:
            self.err.print(line)

    def fail(self, where: str, failure: Failure, item: Item | None = None) -> None:
        """Tell of a failure, the first time with its remedy, and count it. Neither holds a path or a patient value."""
        self.failed += 1
        name = item.name if item else ""
        if self.json:
            said = {"where": where, "item": name, **_as_dict(failure)}
            sys.stderr.write(json.dumps({"error": said}) + "\n")
        else:
            self.err.print(failure_line(where, name, failure))
            if failure.reason not in self._advised:
                self.err.print(f"  {_FOR_PEOPLE.get(failure.reason, failure.remedy)}", style="dim")
        self._advised.add(failure.reason)
        if item:
            self._keep(failure, item)

    def sift(self, where: str, items: Iterable[Item]) -> Iterator[Item]:
        """The items that did not fail; those that did are told of."""
        for item in items:
            if item.failure is None:
                yield item
            else:
                self.fail(where, item.failure, item)

    def progress(self, verb: str, items: Iterable[Item]) -> Iterator[Item]:
        """The same items, with a running count of them and of their bytes on the terminal, if there is one."""
        if self.json or not self.err.is_terminal:
            yield from items
            return
        columns = (SpinnerColumn(), TextColumn("{task.description}"), FileSizeColumn(), TransferSpeedColumn())
        with Progress(*columns, TimeElapsedColumn(), console=self.err, transient=True) as bar:
            task = bar.add_task(verb, total=None)
            for count, item in enumerate(items, 1):
                size = int(item.meta.get("size_bytes", 0))
                bar.update(task, advance=size, description=f"{verb} {count:,} instances")
                yield item

    def _keep(self, failure: Failure, item: Item) -> None:
        """Write it to the file of failures. One that cannot be written is told of once, and left alone then."""
        if not self.failures_file:
            return
        try:
            self.failures_file.write(json.dumps({**item.meta, **_as_dict(failure)}, default=str) + "\n")
            self.failures_file.flush()
        except OSError as error:
            self.failures_file = None
            said = f"the file cannot be written ({error.strerror}): failures are missing in it from here on"
            self.fail("--failures", Failure("FILE_UNWRITABLE", said, "Make room, or name another, and run it again."))

    def _find_services(self) -> Services:
        if self.services_text:
            return Services.given(self.services_text, os.environ)
        if DEFAULT_SERVICES.exists():
            return Services.read(DEFAULT_SERVICES, os.environ)
        mesh = running_mesh(self.state)
        return Services(service_entries(mesh) if mesh else {})

    def _with_store(self, services: Services) -> Services:
        if not self.store:
            return services
        stored = ("archive", "index", "dimse")
        entries = services.entries.items()
        return Services({k: {**e, "store": self.store} if e["ctype"] in stored else e for k, e in entries})


_INTERRUPTED = Failure(
    "INTERRUPTED", "it was under way when the chain was interrupted", "See whether it is done, or run it again."
)


_FOR_PEOPLE = {
    Reason.PEER_UNAVAILABLE.name: "See that it runs, and at that address: diana-cli ls tells how services are.",
}
"""What a person is told to do where the published remedy is for programs."""


def _as_dict(failure: Failure) -> dict[str, str]:
    return {"reason": failure.reason, "message": failure.message, "remedy": failure.remedy}

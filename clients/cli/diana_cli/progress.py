"""A bar for work of which it is known how much there is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from diana_cli.session import Session
from diana_endpoints.protocol.endpoint import OnProgress


@contextmanager
def progress_bar(session: Session, title: str) -> Iterator[OnProgress | None]:
    """What to tell of progress while inside; None where no person would see the bar."""
    if session.json or not session.err.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=session.err, transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)

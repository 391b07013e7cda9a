"""A bar where a person sees it, and nothing where a script reads."""

from __future__ import annotations

import io

from rich.console import Console

from diana_cli.progress import progress_bar
from diana_cli.session import Session


def _session(terminal: bool, json: bool = False) -> tuple[Session, io.StringIO]:
    session, shown = Session(json=json), io.StringIO()
    session.err = Console(file=shown, force_terminal=terminal, width=100)
    return session, shown


def test_progress_is_drawn_on_a_terminal_before_and_after_the_total_is_known() -> None:
    session, shown = _session(terminal=True)
    with progress_bar(session, "anonymize 1.2.3") as tell:
        assert tell is not None
        tell(0, 0)
        tell(3, 11)
    assert "anonymize 1.2.3" in shown.getvalue()
    assert "3/11" in shown.getvalue()


def test_neither_a_pipe_nor_a_script_gets_a_bar() -> None:
    for session, shown in (_session(terminal=False), _session(terminal=True, json=True)):
        with progress_bar(session, "anonymize 1.2.3") as tell:
            assert tell is None
        assert shown.getvalue() == ""

"""Exit statuses, and how an error is told on the way out: what, why, and what to do; a traceback only on request."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress
from enum import IntEnum

import rich_click as click
from click.exceptions import Exit

from diana_cli.mesh.supervisor import MeshFailed
from diana_cli.session import Session
from diana_cli.text import clean
from diana_client.errors import DeadlineExceeded, InvalidRequest, Unavailable
from diana_common.errors import DianaError, Reason
from diana_endpoints.failures import failure_of
from diana_endpoints.items import Failure


class Status(IntEnum):
    """What the process ends with."""

    OK = 0
    ITEM_FAILED = 1
    USAGE = 2
    UNAVAILABLE = 3
    CONFIG = 4
    INTERRUPTED = 130


MEANINGS = {
    Status.OK: "all went well",
    Status.ITEM_FAILED: "some item failed, or was refused; the rest went on",
    Status.USAGE: "the command line, or a question, is wrong",
    Status.UNAVAILABLE: "a service cannot be reached, or does not come up",
    Status.CONFIG: "the configuration or the state folder cannot be used",
    Status.INTERRUPTED: "interrupted",
}


_UNREAD = 128 + 13
"""What a shell makes of SIGPIPE, as with other commands whose reader has gone."""


def status_of(error: BaseException) -> Status:
    """The exit status that an error calls for."""
    match error:
        case KeyboardInterrupt():
            return Status.INTERRUPTED
        case MeshFailed() | Unavailable() | DeadlineExceeded() | DianaError(reason=Reason.PEER_UNAVAILABLE):
            return Status.UNAVAILABLE
        case DianaError(reason=Reason.CONFIG_INVALID):
            return Status.CONFIG
        case InvalidRequest() | DianaError(reason=Reason.INVALID_FIELD):
            return Status.USAGE
        case _:
            return Status.ITEM_FAILED


class Guarded(click.RichGroup):
    """A command group whose errors become a message with a remedy and an exit status."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command line. Raises click's own exceptions only."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, Exit, click.Abort):
            raise
        except (Exception, KeyboardInterrupt) as error:
            if isinstance(error, BrokenPipeError) and isinstance(ctx.obj, Session) and ctx.obj.unread:
                _stop_writing()
                raise Exit(_UNREAD) from None
            if isinstance(ctx.obj, Session):
                _tell(ctx.obj, error)
            raise Exit(status_of(error)) from None


def _stop_writing() -> None:
    """Nothing is left to be written to who has gone, which Python would complain of at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell(session: Session, error: BaseException) -> None:
    if session.debug:
        traceback.print_exception(error)
    if isinstance(error, KeyboardInterrupt):
        session.note("interrupted")
    elif isinstance(error, MeshFailed):
        for line in error.log.splitlines():
            session.note(clean(line))
        session.fail("up", Failure("PEER_UNAVAILABLE", error.message, "The end of its log says why."))
    elif isinstance(error, Exception):
        session.fail(session.where, failure_of(error))

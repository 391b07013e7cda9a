"""Structured logs: one JSON object a line on standard error, without patient values.

Callers pass events and identifiers (`logger("archive").info("stored", study_uid=...)`), never element
values, paths of a source, or request messages.
"""

from __future__ import annotations

import io
import json
import logging
import sys
import warnings
from contextlib import suppress
from typing import TextIO, cast

import structlog

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class _Unfailing(io.TextIOBase):
    """A stream whose end may be full or closed: what it does not take is lost, for no work may fail by its log."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


class _JsonFormatter(logging.Formatter):
    """What libraries log in the same form."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps({"event": record.getMessage(), "logger": record.name, "level": record.levelname.lower()})


def _is_quiet(record: logging.LogRecord) -> bool:
    """Whether a record holds nothing of a file or a peer: these libraries quote what breaks the standard.

    Asked of each record, since pydicom sets its logger's level whenever it is first imported.
    """
    return record.name.partition(".")[0] not in ("pydicom", "pynetdicom")


def _tell_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """A warning's kind and place; its text may quote a value."""
    logging.getLogger("py.warnings").warning("%s at %s:%d", category.__name__, filename, lineno)


def configure(level: str) -> None:
    """Set the least level that is logged, for the whole process."""
    stream = cast(TextIO, _Unfailing(sys.stderr))
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(stream),
    )
    warnings.showwarning = _tell_warning
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_JsonFormatter())
    handler.addFilter(_is_quiet)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def logger(service: str) -> structlog.typing.FilteringBoundLogger:
    """The logger of a service."""
    return cast(structlog.typing.FilteringBoundLogger, structlog.get_logger().bind(service=service))

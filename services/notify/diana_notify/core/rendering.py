"""From templates and values to the text that is sent: once, when a message is queued."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import Template, TemplateSyntaxError, UndefinedError
from jinja2.meta import find_undeclared_variables

from diana_common.errors import DianaError, FieldViolation, Reason
from diana_notify.core.language import MessageEnvironment, restrict

MAX_BYTES = 1 << 20
"""The longest text of a message."""

MAX_SUBJECT_BYTES = 4 << 10
MAX_SUBJECT_SOURCE_BYTES = 4 << 10
MAX_BODY_SOURCE_BYTES = 256 << 10

_ENVIRONMENT = MessageEnvironment()
_FILE_NAME = "<template>"


@dataclass(frozen=True, slots=True)
class TemplateText:
    """A template: the sources of a subject and a body."""

    subject: str
    body: str


class Rendering:
    """Both templates of a message, compiled, to be filled in for each recipient."""

    def __init__(self, source: TemplateText, where: str) -> None:
        """`where` is the place that errors name. Raises TEMPLATE_INVALID."""
        self._subject = _Part(source.subject, f"{where}.subject", MAX_SUBJECT_SOURCE_BYTES, MAX_SUBJECT_BYTES)
        self._body = _Part(source.body, f"{where}.body", MAX_BODY_SOURCE_BYTES, MAX_BYTES)

    @property
    def names(self) -> frozenset[str]:
        """What the templates name: "values", "study" and so on."""
        return self._subject.names | self._body.names

    def render(self, given: Mapping[str, object]) -> tuple[str, str]:
        """Subject and body for what templates may name. Raises TEMPLATE_INVALID, without any value in it."""
        subject = self._subject.render(given)
        if any(unicodedata.category(one) in ("Cc", "Zl", "Zp") for one in subject):
            raise _invalid(self._subject.where, "must be one line without control characters, its values too")
        return subject, self._body.render(given)


class _Part:
    def __init__(self, source: str, where: str, max_source_bytes: int, max_bytes: int) -> None:
        self.where = where
        self._max_bytes = max_bytes
        if _size(source, where) > max_source_bytes:
            raise _invalid(where, f"is longer than {max_source_bytes} bytes")
        try:
            self._template, self.names = _compiled(source)
        except TemplateSyntaxError as error:
            raise _invalid(where, f"line {error.lineno}: {error.message}") from None
        except Exception as error:  # nested beyond what the compiler takes, and whatever else it stumbles over
            raise _invalid(where, f"cannot be compiled ({type(error).__name__})") from None

    def render(self, given: Mapping[str, Any]) -> str:
        pieces: list[str] = []
        size = 0
        try:
            for piece in self._template.generate(given):
                size += len(piece.encode())
                if size > self._max_bytes:
                    raise OverflowError
                pieces.append(piece)
        except OverflowError:
            raise _invalid(self.where, f"comes to more than {self._max_bytes} bytes") from None
        except Exception as error:
            raise _invalid(self.where, f"line {_line(error)}: {_what(error)}") from None
        return "".join(pieces)


@lru_cache(maxsize=64)
def _compiled(source: str) -> tuple[Template, frozenset[str]]:
    """The template, and the names that it does not give itself."""
    tree = restrict(_ENVIRONMENT.parse(source))
    names = frozenset(find_undeclared_variables(tree))
    return _ENVIRONMENT.from_string(tree), names


def _what(error: Exception) -> str:
    """An error's cause without any value: Python's own messages may hold some."""
    if isinstance(error, UndefinedError) and error.message:
        return error.message
    return f"cannot be filled in with these values ({type(error).__name__})"


def _line(error: Exception) -> int:
    line, trace = 1, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == _FILE_NAME:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _size(text: str, where: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise _invalid(where, "is not Unicode text") from None


def _invalid(where: str, description: str) -> DianaError:
    return DianaError(Reason.TEMPLATE_INVALID, f"{where}: {description}", fields=[FieldViolation(where, description)])

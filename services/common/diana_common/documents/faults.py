"""What is wrong with a document: gathered, so that whoever wrote it learns of everything at once."""

from __future__ import annotations

from dataclasses import dataclass

from diana_common.errors import DianaError, FieldViolation, Reason

MOST = 200
"""Faults that one text is told of."""

_IN_AN_ERROR = 20
"""Faults that an error carries: gRPC takes 8 KiB of them."""
_SHOWN_CHARACTERS = 40


class TooManyFaults(Exception):
    """Reading on would not help whoever wrote the text."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: its line, counted from 1 (0: no single line's), the setting's path, what is wrong and would be right.

    No fault repeats more of the text than a short word.
    """

    line: int
    field: str
    description: str

    def __str__(self) -> str:
        return f"{self.where}: {self.description}"

    @property
    def where(self) -> str:
        """As error details have it: "line 12: overrides[3].tag"."""
        return ": ".join(part for part in (f"line {self.line}" if self.line else "", self.field) if part) or "document"


class Faults:
    """Gathers faults, in any order, up to a number that nobody wants to read."""

    def __init__(self) -> None:
        self._found: list[Fault] = []

    def add(self, line: int, field: str, description: str) -> None:
        """One more. Raises TooManyFaults when that is enough."""
        self._found.append(Fault(line, field, description))
        if len(self._found) == MOST:
            raise TooManyFaults

    def in_order(self) -> tuple[Fault, ...]:
        """In the order of the text."""
        return tuple(sorted(self._found, key=lambda fault: fault.line))


def refusal(reason: Reason, faults: tuple[Fault, ...], name: str) -> DianaError:
    """The refusal of a document, `name` it may be found by, with a violation for each of its first faults."""
    first, rest = faults[0], len(faults) - 1
    more = f" (and {rest} more fault{'s' if rest > 1 else ''})" if rest else ""
    violations = [FieldViolation(fault.where, fault.description) for fault in faults[:_IN_AN_ERROR]]
    return DianaError(reason, f"{name}: {first}{more}", fields=violations)


def shown(text: str) -> str:
    """A word of the text, short and printable enough to be repeated."""
    plain = "".join(character if character.isprintable() else "\ufffd" for character in text[:_SHOWN_CHARACTERS])
    return repr(plain + ("..." if len(text) > _SHOWN_CHARACTERS else ""))

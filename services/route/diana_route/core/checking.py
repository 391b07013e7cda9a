"""What is wrong with rules that are not in force yet, as far as it can be known before they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from diana_common.documents import Fault
from diana_route.core.reading import Scope, examine, read_rules
from diana_route.core.references import Directory, Finding, look_up
from diana_route.core.rules import Rule

_WITHHELD = "names an environment variable that the file in force does not: this line is looked at when it is installed"
_ALONE = "stores, profiles, templates, channels, peers and queries were not looked up: no service was asked"
_UNBOUND = "folders and archives were not held against the settings of the service"


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of a file of rules."""

    rules: Sequence[str]
    """Their names; none where anything is wrong."""

    findings: Sequence[Finding]
    """In the order of lines."""


class Checker:
    """Looks at rules that somebody gives, other than those in force. Safe to share between threads."""

    def __init__(self, scope: Scope, open_directory: Callable[[], Directory] | None) -> None:
        """`open_directory` begins a look at what services know; None where there are none to be asked."""
        self._scope = scope
        self._open_directory = open_directory

    def read(self, text: bytes) -> tuple[Rule, ...]:
        """The rules, known by others or not. Raises DianaError RULES_INVALID."""
        return read_rules(text, self._scope)

    def check(self, text: bytes) -> Checked:
        """All that is wrong with them, and what could not be looked at."""
        read = examine(text, self._scope)
        told = [Finding(fault) for fault in read.faults if fault.line not in read.withheld]
        told += [Finding(Fault(line, "", _WITHHELD), is_warning=True) for line in sorted(read.withheld)]
        asked = [one for one in read.references if one.line not in read.withheld]
        if self._open_directory is not None:
            told += look_up(asked, self._open_directory())
        elif asked:
            told.append(Finding(Fault(0, "", _ALONE), is_warning=True))
        if self._scope.folders is None:
            told.append(Finding(Fault(0, "", _UNBOUND), is_warning=True))
        told.sort(key=lambda one: one.fault.line)
        good = all(one.is_warning for one in told)
        return Checked([rule.name for rule in read.rules] if good else [], told)

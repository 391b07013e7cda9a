"""Notify services that kill themselves at a step: `python -m tests.contract.notify.dying`.

Each line of the input is an order in JSON: the settings' file, and of what call to die, before or after it. Each line
of the output is the signal that ended that service. They are forked from here, so that each starts at once.
"""

from __future__ import annotations

import json
import os
import signal
import smtplib
import sys
from collections.abc import Callable
from typing import Any

from diana_notify import __main__ as notify
from diana_notify.adapters import smtp
from diana_notify.adapters.local import FileCarrier
from diana_notify.stores import sqlite
from diana_notify.stores.sqlite import SqliteLedger

OWNERS = {"ledger": SqliteLedger, "carrier": FileCarrier, "rows": sqlite, "smtp": smtp, "wire": smtplib.SMTP}


def die() -> None:
    """As by kill -9."""
    os.kill(os.getpid(), signal.SIGKILL)


def dying(original: Callable[..., Any], when: str, number: int) -> Callable[..., Any]:
    """The call, at whose `number`th time the process dies; what answered None does not count."""
    calls: list[object] = []

    def call(*args: Any, **options: Any) -> Any:
        if when == "before":
            calls.append(None)
            if len(calls) == number:
                die()
        answer = original(*args, **options)
        if when == "after" and (answer is not None or original.__name__ != "next_for"):
            calls.append(None)
            if len(calls) == number:
                die()
        return answer

    return call


def run(order: dict[str, Any]) -> None:
    """One service, to its end."""
    when, owner, name, number = order["step"]
    setattr(OWNERS[owner], name, dying(getattr(OWNERS[owner], name), when, number))
    sys.argv = ["notify", "--config", order["config"]]
    notify.main()


def main() -> None:
    """Run what is ordered, one after the other."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            run(json.loads(line))
            os._exit(0)
        print(os.WTERMSIG(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()

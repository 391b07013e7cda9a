"""Checks rules where no service runs: `python -m diana_route.wiring.checking < rules.yaml` prints JSON.

An object with `rules`, the names if all is well, and `findings`: `line`, `field`, `description`, `is_warning` of each.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict

from diana_common.documents import MAX_BYTES
from diana_route.core.checking import Checker
from diana_route.core.reading import Scope


def main() -> None:
    """Check the rules of the standard input, with the variables of this environment."""
    text = sys.stdin.buffer.read(MAX_BYTES + 1)
    checked = Checker(Scope(folders=None, archives=None, endpoints=None, variables=os.environ), None).check(text)
    findings = [{**asdict(one.fault), "is_warning": one.is_warning} for one in checked.findings]
    json.dump({"rules": checked.rules, "findings": findings}, sys.stdout)


if __name__ == "__main__":
    main()

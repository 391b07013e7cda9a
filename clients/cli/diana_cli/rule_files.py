"""Rules looked at without a mesh: by the router's own program, since nobody else knows what rules may say."""

from __future__ import annotations

import json
import subprocess
import sys

from diana_cli.chain import Flow
from diana_common.errors import DianaError, Reason

_PROGRAM = "diana_route.wiring.checking"
_SECONDS = 60.0


def check_here(text: str) -> Flow:
    """What is wrong with a text of rules, as `Router.check_rules` tells it. Raises DianaError INTERNAL."""
    from diana.route.v1 import route_service_pb2 as pb
    from diana_endpoints.route import checked_items  # time that other commands need not spend

    try:
        done = subprocess.run(
            [sys.executable, "-m", _PROGRAM], input=text.encode(), capture_output=True, timeout=_SECONDS, check=True
        )
        told = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        raise DianaError(Reason.INTERNAL, "The rules could not be looked at on this machine.") from None
    findings = [pb.RuleFinding(**one) for one in told["findings"]]
    yield from checked_items(pb.CheckRulesResponse(findings=findings, rules=told["rules"]))

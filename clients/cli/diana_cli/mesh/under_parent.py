"""Run a command that ends when its parent does: python under_parent.py PARENT_PID COMMAND...

A parent that is killed cannot stop its children; the kernel can. It is asked here, in the child, because code
between fork and exec is not safe in a parent with threads. The wish outlives exec (prctl(2), PR_SET_PDEATHSIG).
Outside Linux the command runs without it. Standard library only, and little of it: this runs at every start.
"""

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        raise SystemExit("the supervisor has ended")
    os.execv(command[0], command)


if __name__ == "__main__":
    main()

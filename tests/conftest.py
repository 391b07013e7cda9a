"""How the tests run: how many at a time, and who runs which."""

from __future__ import annotations

import os

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Whoever is done takes tests over from others: what -n means by itself leaves all the long ones to one."""
    if config.getoption("dist", "no") == "load":
        config.option.dist = "worksteal"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """For `-n auto`: half as many again as there are processors, since tests wait for others a third of their time."""
    processors = len(os.sched_getaffinity(0))
    return None if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else processors + max(1, processors // 2)

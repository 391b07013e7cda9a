"""The cases, found by themselves: every module here lists its own in `CASES`."""

import importlib
import pkgutil

from bench.harness import Case


def all_cases() -> list[Case]:
    """Every case of every module, by module name."""
    modules = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return [case for name in modules for case in importlib.import_module(f"{__name__}.{name}").CASES]

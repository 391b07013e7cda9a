"""Python's cached bytecode: what it runs instead of a source, so it has to say what the source says."""

from __future__ import annotations

import importlib.util
import marshal
import sys
from collections.abc import Collection
from pathlib import Path
from types import CodeType

from diana_cli.integrity.regular import open_regular

_HEADER = 16
"""Bytes before the code: magic number, flags, and the source's time and size or its digest (PEP 552)."""
_LARGEST = 16 * 1024 * 1024


class OtherPython(Exception):
    """The bytecode is for a Python other than this one, which cannot compare it."""


def bytecode_fault(cache: Path, site: Path, sources: Collection[str]) -> str:
    """What is wrong with a file of a __pycache__ folder; empty if it is what this Python makes of its source.

    Raises OSError, OtherPython.
    """
    parts = cache.name.split(".")
    if parts[-1] != "pyc" or len(parts) not in (3, 4):
        return "is no bytecode of a source"
    source = cache.parent.parent / f"{parts[0]}.py"
    if source.relative_to(site).as_posix() not in sources:
        return "is bytecode without a source"
    if parts[1] != sys.implementation.cache_tag:
        raise OtherPython(parts[1])
    level = {"opt-1": 1, "opt-2": 2}.get(parts[2], 0)
    try:
        expected = compile(_read(source), str(source), "exec", dont_inherit=True, optimize=level)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "is bytecode of a source that does not compile"
    return "" if _same(_load(cache), expected) else "is not what its source says"


def _load(cache: Path) -> object:
    data = _read(cache)
    if data[:4] != importlib.util.MAGIC_NUMBER:
        return None
    try:
        return marshal.loads(data[_HEADER:])
    except (ValueError, EOFError, TypeError):
        return None


def _read(file: Path) -> bytes:
    with open_regular(file) as opened:
        return opened.read(_LARGEST)


def _same(one: object, other: object) -> bool:
    """Whether two code objects do the same, also where their comparison by Python is blind."""
    if not isinstance(one, CodeType) or not isinstance(other, CodeType):
        return type(one) is type(other)  # their values have been compared with the code that holds them
    return (
        one == other
        and one.co_linetable == other.co_linetable
        and one.co_exceptiontable == other.co_exceptiontable
        and (one.co_qualname, one.co_stacksize) == (other.co_qualname, other.co_stacksize)
        and all(map(_same, one.co_consts, other.co_consts))
    )

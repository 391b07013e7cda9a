"""The data dictionary and the registry of UIDs (PS3.6), as pydicom has generated them.

They are read from pydicom's files without importing pydicom: that brings numpy and every codec there is into the
process, at four to ten times the time that a service otherwise takes to start.
"""

from __future__ import annotations

from functools import cache
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import NamedTuple


class Entry(NamedTuple):
    """A row of PS3.6; `vr` may name several ("US or SS"), `retired` is "Retired" or empty."""

    vr: str
    vm: str
    name: str
    retired: str
    keyword: str


def _table(module: str) -> ModuleType:
    package = find_spec("pydicom")
    if package is None or package.origin is None:
        raise ImportError("pydicom is not installed")
    loader = SourceFileLoader(
        f"diana_common.dicom.pydicom{module}", str(Path(package.origin).with_name(f"{module}.py"))
    )
    spec = spec_from_loader(loader.name, loader)
    if spec is None:
        raise ImportError(f"pydicom has no {module}")
    loaded = module_from_spec(spec)
    loader.exec_module(loaded)
    return loaded


_dictionary = _table("_dicom_dict")

ENTRIES: dict[int, Entry] = {tag: Entry(*row) for tag, row in _dictionary.DicomDictionary.items()}
"""The attributes by tag, but for those of repeating groups."""

_REPEATING: dict[int, dict[int, Entry]] = {}
"""By the bits that count, then by what these are: 60xx3000 counts all but the xx."""
for _pattern, _row in _dictionary.RepeatersDictionary.items():
    _bits = int("".join("0" if digit == "x" else "F" for digit in _pattern), 16)
    _REPEATING.setdefault(_bits, {})[int(_pattern.replace("x", "0"), 16)] = Entry(*_row)


def entry_of(tag: int) -> Entry | None:
    """The row of a tag, repeating groups too; None for an unknown or private one."""
    found = ENTRIES.get(tag)
    if found is not None or tag & 0x10000:
        return found
    return next((rows[tag & bits] for bits, rows in _REPEATING.items() if tag & bits in rows), None)


class RegisteredUid(NamedTuple):
    """A row of PS3.6 annex A: `kind` is "SOP Class", "Transfer Syntax" and so on."""

    name: str
    kind: str
    info: str
    retired: str
    keyword: str


# Of PS3.6 2026c, what pydicom 3.0.2 lacks.
_LATER_SYNTAXES = {
    uid: RegisteredUid(name, "Transfer Syntax", "", "", keyword)
    for uid, name, keyword in (
        ("1.2.840.10008.1.2.4.110", "JPEG XL Lossless", "JPEGXLLossless"),
        ("1.2.840.10008.1.2.4.111", "JPEG XL JPEG Recompression", "JPEGXLJPEGRecompression"),
        ("1.2.840.10008.1.2.4.112", "JPEG XL", "JPEGXL"),
        ("1.2.840.10008.1.2.8.1", "Deflated Image Frame Compression", "DeflatedImageFrameCompression"),
    )
}


@cache
def registered_uids() -> dict[str, RegisteredUid]:
    """What PS3.6 annex A registers, by UID."""
    known = {uid: RegisteredUid(*row) for uid, row in _table("_uid_dict").UID_dictionary.items()}
    return {**_LATER_SYNTAXES, **known}


@cache
def private_entries() -> dict[str, dict[str, tuple[str, str, str, str]]]:
    """Private attributes by creator, then by place ("0019xx10": any block), each with VR, VM, name and "Retired" or
    nothing."""
    entries: dict[str, dict[str, tuple[str, str, str, str]]] = _table("_private_dict").private_dictionaries
    return entries

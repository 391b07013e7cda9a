"""One instance: collected whole, its subject's identity minted, and rewritten by the engine."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial

from diana_anon.core.engine import Deidentified, deidentify
from diana_anon.core.plan import Plan, compile_plan
from diana_anon.core.ports import Meter, Mint, Piece, Spool
from diana_anon.core.profile import Profile
from diana_anon.core.subject import read_subject
from diana_common.errors import DianaError, Reason
from diana_common.uidmap import map_uid

DEFAULT_PROFILE = "default"
"""The profile of requests that name none."""

_SUBJECTS_HELD = 1024

_AT_ONCE = 2
"""Objects in the engine at a time. A hostile one may take some hundred MiB there, and more at once are no faster."""


@dataclass(frozen=True, slots=True)
class Procedure:
    """A profile made ready: its plan, and the domain of the mint that its identities come from."""

    profile: Profile
    domain: str
    plan: Plan


def make_procedure(profile: Profile, domain: str) -> Procedure:
    """Compile the profile."""
    return Procedure(profile, domain, compile_plan(profile))


class Identities:
    """One domain's identities and UID mapping, held in memory for one piece of work."""

    def __init__(self, mint: Mint, domain: str) -> None:
        """Raises what `Mint.uid_key` does."""
        self.map_uid = partial(map_uid, mint.uid_key(domain))
        self.of = lru_cache(_SUBJECTS_HELD)(partial(mint.identity, domain))


class Deidentifier:
    """De-identifies by the profiles it knows. Safe to use from several threads."""

    def __init__(self, procedures: Iterable[Procedure], mint: Mint, spool: Spool, meter: Meter) -> None:
        self.procedures: Mapping[str, Procedure] = {one.profile.name: one for one in procedures}
        self._mint = mint
        self._spool = spool
        self._meter = meter
        self._places = threading.BoundedSemaphore(_AT_ONCE)

    def procedure(self, name: str) -> Procedure:
        """The named one; the default for an empty name. Raises PROFILE_UNKNOWN."""
        try:
            return self.procedures[name or DEFAULT_PROFILE]
        except KeyError:
            raise DianaError(Reason.PROFILE_UNKNOWN, "No profile of this name is configured.") from None

    def identities(self, procedure: Procedure) -> Identities:
        """What a piece of work by this procedure needs of the mint. Raises what `Mint.uid_key` does."""
        return Identities(self._mint, procedure.domain)

    def instance(self, pieces: Iterable[bytes], procedure: Procedure, identities: Identities) -> Deidentified:
        """De-identify one Part 10 file.

        Raises what `Spool.collect`, `read_subject`, `Mint.identity` and `deidentify` do.
        """
        try:
            source = self._spool.collect(pieces)
            with self._places:
                subject = read_subject(source)
            identity = identities.of(subject)
            with self._places:
                made = deidentify(source, procedure.plan, identity, identities.map_uid)
        except DianaError as error:
            self._meter.refused(procedure.profile.name, error)
            raise
        self._meter.deidentified(procedure.profile.name)
        return made


def gathered(pieces: Iterable[Piece], size: int) -> Iterable[bytes]:
    """The same bytes in pieces of `size`, but for the last."""
    held: list[Piece] = []
    room = size
    for piece in pieces:
        view = memoryview(piece)
        while len(view) >= room:
            yield b"".join([*held, view[:room]])
            view, held, room = view[room:], [], size
        if view:
            held.append(view)
            room -= len(view)
    if held:
        yield b"".join(held)

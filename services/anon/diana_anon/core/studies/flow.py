"""The instances of a study on their way through the de-identifier, in a few lanes, each of them with a download of its
own: while one waits for its next instance, others work on theirs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from queue import Full, Queue

from diana_anon.core.identities import Standing
from diana_anon.core.planning.procedure import Procedure
from diana_anon.core.ports import Source, Whole
from diana_anon.core.studies.deidentifier import AT_ONCE, Deidentifier, Made
from diana_anon.core.studies.siblings import gathered_from, strikes_identifiers
from diana_anon.core.text.identifiers import NOBODY
from diana_common.errors import DianaError, Reason

_LANES = AT_ONCE + 1
_AHEAD = 2
"""Results that may wait to be taken."""
_LOOK_UP_SECONDS = 0.2
"""How long a lane waits for room before it looks whether anybody is there."""

# One instance of a download is gone or damaged; the others may be whole.
OF_ONE = frozenset({Reason.INSTANCE_NOT_FOUND, Reason.STORE_DAMAGED})
# Not an instance's doing: its operation ends, or is tried again.
OF_ALL = frozenset(
    {
        Reason.PEER_UNAVAILABLE,
        Reason.CONFIG_INVALID,
        Reason.DOMAIN_UNKNOWN,
        Reason.DOMAIN_KEY_MISSING,
        Reason.DISK_FULL,
        Reason.INTERNAL,
    }
)

Result = tuple[str, Made | DianaError]
"""The SOP Instance UID of a source, and what became of it."""

_End = BaseException | None
"""What a lane failed by; None: it is done."""


class _State:
    """How those who take the results are. No lock guards it: it is also written when the interpreter, at its end, drops
    them, and other threads run no more that might hold one."""

    leaving = False
    """Lanes are to end."""
    abandoned = False
    """Nobody takes results any more."""


@dataclass(frozen=True, slots=True)
class Flow:
    """De-identifies instances of one study. `collect` takes a download whole, `make` works on it, `stop` says when to
    leave."""

    source: Source
    store: str
    study_uid: str
    collect: Callable[[Iterator[bytes]], Whole]
    make: Callable[[Whole], Made]
    stop: Callable[[], bool]
    key_version: int
    """Of the domain's key, which the work is to go on with after a crash."""

    def results(self, sop_uids: Sequence[str]) -> Generator[Result, None, None]:
        """What becomes of them, in any order; those that are refused, with the error; none after `stop`.

        Raises PEER_UNAVAILABLE, DISK_FULL, INTERNAL, and what the mint refuses a domain with.
        """
        results: Queue[Result | _End] = Queue(_AHEAD)
        state = _State()
        shares = [share for first in range(_LANES) if (share := sop_uids[first::_LANES])]
        for share in shares:
            # Daemons: a process that ends does not wait for one whose results nobody takes any more.
            threading.Thread(target=self._run, args=(share, results, state), name="deidentify", daemon=True).start()
        running, failure = len(shares), None
        try:
            while running:
                if isinstance(one := results.get(), tuple):
                    yield one
                    continue
                running -= 1
                if one is not None:
                    failure, state.leaving = one, True
        finally:
            state.leaving = state.abandoned = True
        if failure is not None:
            raise failure

    def _run(self, sop_uids: Sequence[str], results: Queue[Result | _End], state: _State) -> None:
        """One lane."""
        end: _End = None
        try:
            for one in self._results(sop_uids, state):
                _put(one, results, state)
        except BaseException as error:  # raised where the results are taken
            end = error
        _put(end, results, state)

    def _results(self, sop_uids: Sequence[str], state: _State) -> Iterator[Result]:
        """Those downloaded together; one by one where one of them spoils that."""
        left = dict.fromkeys(sop_uids)
        try:
            yield from self._downloaded(left, state)
        except DianaError as error:
            if error.reason not in OF_ONE:
                raise
            if len(sop_uids) == 1:
                yield sop_uids[0], error
            else:
                for sop_uid in left:
                    yield from self._results([sop_uid], state)

    def _downloaded(self, left: dict[str, None], state: _State) -> Iterator[Result]:
        """What becomes of each instance that can be downloaded; it is taken out of `left`."""
        if not left or state.leaving:
            return
        with closing(self.source.download(self.store, self.study_uid, list(left))) as downloads:
            for sop_uid, data in downloads:
                if state.leaving or self.stop():
                    return
                made = self._made(data)
                left.pop(sop_uid, None)
                yield sop_uid, made

    def _made(self, data: Iterator[bytes]) -> Made | DianaError:
        try:
            return self.make(self.collect(data))
        except DianaError as error:
            if error.reason in OF_ONE | OF_ALL:
                raise
            return error


def _put(one: Result | _End, results: Queue[Result | _End], state: _State) -> None:
    """Hand over a result as soon as there is room, or drop it once nobody takes any."""
    while not state.abandoned:
        try:
            results.put(one, timeout=_LOOK_UP_SECONDS)
        except Full:
            continue
        return


def study_flow(
    deidentifier: Deidentifier,
    source: Source,
    procedure: Procedure,
    store: str,
    study_uid: str,
    stop: Callable[[], bool],
    key_version: int = 0,
) -> Flow:
    """The flow of one study by a profile, by a version of the domain's key (0: the newest).

    Raises what `Source` and `Mint.keys` do.

    Identifiers that any series of the study names are struck from the texts of all, where the profile cleans texts.
    """

    def standing() -> Iterator[Standing]:
        return ((study_uid, key.series_uid, key.sop_uid) for key in source.instances(store, study_uid))

    identities, siblings = deidentifier.identities(procedure, standing, key_version), NOBODY
    if strikes_identifiers(procedure.profile):
        siblings = gathered_from(source.first_headers(store, study_uid), procedure.profile)
    make = partial(deidentifier.instance, procedure=procedure, identities=identities, siblings=siblings)
    collect = partial(deidentifier.collect, procedure=procedure)
    return Flow(source, store, study_uid, collect, make, stop, identities.key_version)

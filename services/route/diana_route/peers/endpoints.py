"""The endpoints of the configuration: made anew for each use, so that no two share one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from diana_client import MeshError
from diana_common.attempts import Failed, Postponed, Refused, Unreachable
from diana_common.errors import DianaError, Reason, invalid_field
from diana_common.settings import join, nearest
from diana_endpoints.failures import is_disk_full
from diana_endpoints.items import Failure
from diana_endpoints.protocol.endpoint import Endpoint
from diana_endpoints.registry import ctype_of, kind, make
from diana_route.peers.faults import failure

_AWAY = frozenset(
    one.name
    for one in (Reason.PEER_UNAVAILABLE, Reason.AE_UNAVAILABLE, Reason.OVERLOADED, Reason.STOPPING, Reason.DISK_FULL)
)
_PASSING = frozenset({Reason.INTERNAL.name, "UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"})


class Endpoints:
    """Endpoints by the names of the configuration; by nothing else, so that no caller has us connect elsewhere."""

    def __init__(self, entries: Mapping[str, Mapping[str, Any]], where: str = "endpoints") -> None:
        """Raises DianaError CONFIG_INVALID for an entry that is described wrongly."""
        self._entries, self._where = entries, where
        for name in entries:
            self._make(name).close()

    @property
    def names(self) -> tuple[str, ...]:
        """What there is."""
        return tuple(self._entries)

    def reads_through(self, name: str) -> bool:
        """Whether one finds by reading all that it has: to be read once, not asked again and again."""
        return kind(ctype_of(self._entries[name], name)).reads_through

    def check(self, name: str, roles: Sequence[Any], can: str, field: str) -> None:
        """Raises DianaError INVALID_FIELD for one that is not there, or has none of the roles: "take instances"."""
        if name not in self._entries:
            raise invalid_field(field, f"is no endpoint of route's configuration; {nearest(name, self._entries)}")
        endpoint = self._make(name)
        endpoint.close()
        if not isinstance(endpoint, tuple(roles)):
            raise invalid_field(field, f"is an endpoint that cannot {can}")

    @contextmanager
    def opened(self, name: str) -> Iterator[Endpoint]:
        """One of them, closed in the end; what it raises is typed. Raises Failed."""
        with attempting(name):
            endpoint = self._make(name)
            try:
                yield endpoint
            finally:
                endpoint.close()

    def _make(self, name: str) -> Endpoint:
        return make(self._entries[name], join(self._where, name))


@contextmanager
def attempting(name: str) -> Iterator[None]:
    """Turn what an endpoint raises into Failed."""
    here = f"endpoint {name}"
    try:
        yield
    except Failed:
        raise
    except MeshError as error:
        raise failure(here, error) from error
    except DianaError as error:
        raise refusal(name, error.reason.name) from error
    except Exception as error:  # what a package of others raises fails this attempt, not the work
        if is_disk_full(error):
            raise refusal(name, Reason.DISK_FULL.name) from error
        if isinstance(error, OSError):
            raise Unreachable(f"{here} cannot be reached ({type(error).__name__})") from error
        raise Postponed(f"{here} failed ({type(error).__name__})") from error


def item_refusal(name: str, found: Failure) -> Failed:
    """What an item's failure amounts to."""
    return refusal(name, found.reason)


def refusal(name: str, reason: str) -> Failed:
    """What a reason for not doing something amounts to: wait for the endpoint, try again, or give up."""
    here = f"endpoint {name}"
    if reason in _AWAY:
        return Unreachable(f"{here} cannot do it now ({reason})")
    return Postponed(f"{here} failed ({reason})") if reason in _PASSING else Refused(f"{here} refused it ({reason})")

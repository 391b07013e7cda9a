"""The action `send` to an endpoint of the configuration: whatever takes instances, asked afterwards if it can tell."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing

from diana_client import ArchiveClient
from diana_common.attempts import Postponed, Refused
from diana_common.errors import DianaError, Reason
from diana_endpoints.headers import fill_header
from diana_endpoints.items import Item as Handed
from diana_endpoints.protocol.endpoint import Endpoint
from diana_endpoints.protocol.items import Finder, Getter, Putter
from diana_endpoints.protocol.query import Query
from diana_route.core.model import Item, Job, Task
from diana_route.peers.endpoints import Endpoints, item_refusal
from diana_route.peers.held import Held, held, small_then_large, stored

_ABSENT = (Reason.STUDY_NOT_FOUND, Reason.INSTANCE_NOT_FOUND, Reason.SOURCE_NOT_FOUND, Reason.ITEM_NOT_FOUND)


class SendingToEndpoint:
    """Carries out one `send` to an endpoint. Takes effect once where the endpoint takes the same instance once."""

    def __init__(
        self,
        name: str,
        archive: ArchiveClient,
        endpoints: Endpoints,
        stopping: Callable[[], bool] = lambda: False,
        *,
        unconfirmed: bool = False,
    ) -> None:
        """`unconfirmed`: that the endpoint took an instance is enough where it can say no more."""
        self._name, self._archive, self._endpoints = name, archive, endpoints
        self._stopping, self._unconfirmed = stopping, unconfirmed

    def target(self, item: Item) -> str:
        """See core.actions.Action."""
        return f"endpoint {self._name}"

    def carry_out(self, task: Task) -> None:
        """See core.actions.Action. Done when the endpoint took every instance."""
        item = stored(task.job.item)
        instances = held(self._archive, item)
        if not instances:
            raise Refused("there is nothing left to send in its store")
        with self._endpoints.opened(self._name) as endpoint:
            if not isinstance(endpoint, Putter):
                raise Refused(f"endpoint {self._name} takes nothing")
            taken = 0
            with closing(self._items(item.store, instances)) as items:
                for one in endpoint.put(items):
                    if one.failure:
                        raise item_refusal(self._name, one.failure)
                    taken += 1
        if taken < len(instances):
            raise Postponed(f"endpoint {self._name} took {taken} of {len(instances)} instances")

    def confirmed(self, job: Job, number: int, held: Sequence[Held]) -> frozenset[str]:
        """See peers.held.Confirming: those that the endpoint finds, or gives back with the same data set's UIDs.

        Raises Refused where it can say neither, unless that is enough.
        """
        names = frozenset(one.sop_instance_uid for one in held)
        found: set[str] = set()
        asks = not self._endpoints.reads_through(self._name)
        with self._endpoints.opened(self._name) as endpoint:
            for study_uid in dict.fromkeys(one.study_uid for one in held):
                told = _instances(endpoint, study_uid, asks)
                if told is None and not self._unconfirmed:
                    raise Refused(f"endpoint {self._name} cannot tell what it has")
                found |= names if told is None else told
        return names & found

    def _items(self, store: str, instances: Sequence[Held]) -> Generator[Handed, None, None]:
        """Each with its UIDs and its bytes."""
        contents = small_then_large(self._archive, store, instances, lambda: not self._stopping())
        with closing(contents):
            for one, content in contents:
                named = {"study_uid": one.study_uid, "series_uid": one.series_uid}
                meta = {**named, "sop_instance_uid": one.sop_instance_uid, "size_bytes": content.size}
                yield Handed(meta, content=content)


def _instances(endpoint: Endpoint, study_uid: str, asks: bool) -> set[str] | None:
    """The SOP Instance UIDs that an endpoint has of a study; None where it cannot be asked.

    It is asked to find them, if `asks`; else to give them back.
    """
    if asks and isinstance(endpoint, Finder):
        query = Query("instance", {"StudyInstanceUID": [study_uid]}, return_keys=("SOPInstanceUID",))
        return {str(one.meta.get("sop_instance_uid", "")) for one in endpoint.find(query) if not one.failure}
    if not isinstance(endpoint, Getter):
        return None
    try:
        return {_uid(one) for one in endpoint.get(Handed({"study_uid": study_uid})) if not one.failure}
    except DianaError as error:
        if error.reason in _ABSENT:
            return set()
        if error.reason is Reason.INVALID_FIELD:  # it does not know its things by UID
            return None
        raise


def _uid(item: Handed) -> str:
    fill_header(item)
    return str(item.meta.get("sop_instance_uid", ""))

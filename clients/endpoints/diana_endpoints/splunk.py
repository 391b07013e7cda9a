"""A Splunk, by its HTTP Event Collector (HEC): items become events."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from diana_common.errors import DianaError, Reason
from diana_common.settings import config_invalid
from diana_endpoints.connection_settings import secret
from diana_endpoints.failures import failure_of, is_away
from diana_endpoints.http import Answer, Server, refused
from diana_endpoints.http_settings import ServerSettings
from diana_endpoints.items import Item
from diana_endpoints.kind import Kind
from diana_endpoints.protocol.endpoint import Health
from diana_endpoints.splunk_events import event_of
from diana_endpoints.splunk_settings import SplunkSettings, read_url

_BYTES = 512 * 1024
_TOLD = (400, 401, 403, 429, 500, 503)
"""Statuses whose answers say, in JSON, what is wrong."""
_BUSY = (429, 503)
_LONGEST_PAUSE = 60.0

Event = tuple[Item, bytes]


class Splunk:
    """Endpoint `splunk`. Methods raise DianaError when Splunk cannot be reached, or does not know the token."""

    def __init__(self, settings: SplunkSettings) -> None:
        """Raises DianaError for settings that cannot be used. Connects when it is first needed."""
        token = secret(settings.token or settings.hec_token, settings.token_file, "token")
        if not token:
            raise config_invalid("token_file", "is required; of a URL, SPLUNK_HEC_TOKEN in the environment")
        self._settings = settings
        self._channel = str(uuid.uuid4())
        headers = {"Authorization": f"Splunk {token}", "X-Splunk-Request-Channel": self._channel}
        door = ServerSettings(ca_file=settings.ca_file, timeout=settings.timeout)
        self._server = Server(door, settings.address, headers=headers)

    def close(self) -> None:
        """Drop the connections."""
        self._server.close()

    def check(self) -> Health:
        """Whether HEC takes events now. It does not tell whether it knows the token."""
        try:
            with self._server.hurried() as server:
                server.ask("GET", "/services/collector/health")
        except DianaError as error:
            return Health(False, error.message)
        return Health(True, f"takes events{self._server.exposed}")

    def put(self, items: Iterable[Item]) -> Iterator[Item]:
        """Send each as an event; an item comes back when Splunk has taken it, or indexed it where that is asked for.

        An event may come twice when a connection breaks.
        """
        batch: list[Event] = []
        size = 0
        for item in items:
            try:
                event = event_of(item, self._settings)
            except Exception as error:
                if is_away(error):
                    raise
                item.failure = failure_of(error)
                yield item
                continue
            if batch and (size + len(event) > _BYTES):
                yield from self._send(batch)
                batch, size = [], 0
            batch.append((item, event))
            size += len(event)
            if len(batch) == self._settings.batch_size:
                yield from self._send(batch)
                batch, size = [], 0
        yield from self._send(batch)

    def _send(self, batch: list[Event]) -> Iterator[Item]:
        """Splunk takes a batch up to the event that it does not like, and says which that is; the rest goes again."""
        while batch:
            batch, done = self._step(batch)
            yield from done

    def _step(self, batch: list[Event]) -> tuple[list[Event], list[Item]]:
        """Send once; what is left to send, and the items that are done with."""
        answer = self._post(batch)
        said = _said(answer)
        if answer.status < 300:
            return [], self._taken(batch, said)
        if answer.status in (401, 403):
            raise refused(f"does not let the token in (HEC code {said.get('code')})")
        error = refused(f"does not take the event (HEC code {said.get('code')}, status {answer.status})")
        place = said.get("invalid-event-number")
        if isinstance(place, int) and 0 <= place < len(batch):
            failed = _failed(batch[place][0], error)
            if self._settings.acknowledgement:  # of those before it, Splunk will never say that they are indexed
                return [*batch[:place], *batch[place + 1 :]], [failed]
            return batch[place + 1 :], [*self._taken(batch[:place], {}), failed]
        if len(batch) == 1:
            return [], [_failed(batch[0][0], error)]
        done: list[Item] = []
        for event in batch:  # it does not say which: each by itself
            done += self._step([event])[1]
        return [], done

    def _post(self, batch: list[Event]) -> Answer:
        """Its answer, once it is not busy any more."""
        body = b"\n".join(event for _, event in batch)
        for attempt in range(self._settings.attempts):
            answer = self._server.ask("POST", "/services/collector/event", body=body, again=True, accepted=_TOLD)
            if answer.status not in _BUSY:
                return answer
            if attempt + 1 < self._settings.attempts:
                time.sleep(_pause(answer, attempt))
        raise DianaError(Reason.PEER_UNAVAILABLE, f"the server is busy, {self._settings.attempts} times over")

    def _taken(self, batch: list[Event], said: dict[str, Any]) -> list[Item]:
        items = [item for item, _ in batch]
        outcome = "sent"
        if self._settings.acknowledgement:
            if not self._acknowledged(said.get("ackId")):
                error = refused("did not acknowledge the event in time, or has acknowledgement disabled")
                return [_failed(item, error) for item in items]
            outcome = "indexed"
        for item in items:
            item.meta["outcome"] = outcome
        return items

    def _acknowledged(self, ack: object) -> bool:
        """Whether a request's events are indexed, asked until they are."""
        if not isinstance(ack, int):
            return False
        until, pause = time.monotonic() + self._settings.acknowledgement_timeout, 0.05
        path, fields = "/services/collector/ack", [("channel", self._channel)]
        while True:
            answer = self._server.ask("POST", path, fields=fields, body=b'{"acks": [%d]}' % ack, again=True)
            acks = _said(answer).get("acks")
            if isinstance(acks, dict) and acks.get(str(ack)) is True:
                return True
            if time.monotonic() + pause > until:
                return False
            time.sleep(pause)
            pause = min(pause * 2, 5.0)


def _said(answer: Answer) -> dict[str, Any]:
    try:
        said = answer.json()
    except DianaError:
        if answer.status < 300:
            raise
        said = {}
    if not isinstance(said, dict):
        raise refused("does not answer as HEC does")
    return said


def _pause(answer: Answer, attempt: int) -> float:
    """As long as it asks for, else longer each time."""
    asked = answer.headers.get("retry-after", "").strip()
    return min(float(asked) if asked.isdecimal() else 0.25 * 2**attempt, _LONGEST_PAUSE)


def _failed(item: Item, error: DianaError) -> Item:
    item.failure = failure_of(error)
    return item


KIND = Kind(SplunkSettings, Splunk, read_url=read_url)

"""A sink that behaves as Splunk's HTTP Event Collector does; no Splunk can be had here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.http_server import Asked, Told, serving

TOKEN = "11111111-2222-3333-4444-555555555555"


@dataclass
class Hec:
    """What it was sent, and how it behaves."""

    url: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    indexes: set[str] = field(default_factory=lambda: {"main", "imaging"})
    requests: int = 0
    busy: int = 0
    """How many requests it still finds itself too busy for."""
    acknowledges: bool = False
    asked_before_indexed: int = 1
    """How often it is asked for an acknowledgement before it gives it."""
    silent_about_place: bool = False
    """Whether it does not say which event of a batch it refused, and takes none of them then."""

    def answer(self, asked: Asked) -> Told:
        """As HEC answers."""
        if asked.path == "/services/collector/health":
            return _told(503, 9, "HEC is unhealthy, queues are full") if self.busy else _told(200, 17, "HEC is healthy")
        if asked.headers.get("authorization") != f"Splunk {TOKEN}":
            return _told(403, 4, "Invalid token")
        if asked.path == "/services/collector/ack":
            return self._acknowledge(asked)
        self.requests += 1
        if self.busy:
            self.busy -= 1
            return _told(503, 9, "Server is busy")
        if self.acknowledges and not asked.headers.get("x-splunk-request-channel"):
            return _told(400, 10, "Data channel is missing")
        return self._take(asked.body.decode())

    def _take(self, text: str) -> Told:
        taken: list[dict[str, Any]] = []
        decoder, place, number = json.JSONDecoder(), 0, 0
        while text[place:].strip():
            place += len(text[place:]) - len(text[place:].lstrip())
            event, place = decoder.raw_decode(text, place)
            if event.get("index", "main") not in self.indexes or not event.get("event"):
                if self.silent_about_place:
                    return _told(400, 7, "Incorrect index")
                self.events += taken
                return _told(400, 7, "Incorrect index", {"invalid-event-number": number})
            taken.append(event)
            number += 1
        self.events += taken
        return _told(200, 0, "Success", {"ackId": self.requests} if self.acknowledges else {})

    def _acknowledge(self, asked: Asked) -> Told:
        if not self.acknowledges:
            return _told(400, 14, "ACK is disabled")
        self.asked_before_indexed -= 1
        acks = json.loads(asked.body)["acks"]
        return Told(200, json.dumps({"acks": {str(one): self.asked_before_indexed < 0 for one in acks}}).encode())


def _told(status: int, code: int, text: str, more: Mapping[str, int] | None = None) -> Told:
    headers = {"Retry-After": "0"} if status == 503 else {}
    return Told(status, json.dumps({"text": text, "code": code, **(more or {})}).encode(), headers)


@contextmanager
def collecting() -> Iterator[Hec]:
    """One that listens."""
    hec = Hec()
    with serving(hec.answer) as url:
        hec.url = url
        yield hec

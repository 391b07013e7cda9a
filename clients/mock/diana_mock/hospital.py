"""A hospital at work: studies arrive at its devices, and what is made of them comes in order of simulated time."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count, islice, takewhile

from diana_mock.chance import chance
from diana_mock.description import Site
from diana_mock.faults import Fault, fault_of, is_slow, spoiled
from diana_mock.parts import Kind, Part, Parts
from diana_mock.studies import Device, Study


@dataclass(frozen=True, slots=True)
class Made:
    """One instance (or plain text) that leaves the hospital."""

    study: Study
    part: Part
    time: datetime
    """When it is sent; simulated."""
    instances: int
    """How many instances the study has."""
    slow: bool = False
    """Whether its study comes slowly."""
    fault: Fault = Fault.NONE
    copy: int = 0
    """1 once it is sent, 2 for the second of a duplicate; 0 while it is planned."""
    data: bytes = b""
    """Its bytes; none for one that is never sent."""


class Hospital:
    """Sites with their devices. What it makes depends on descriptions, seeds and start alone."""

    def __init__(self, sites: Sequence[Site], start: datetime) -> None:
        """`start` is local to all its scanners."""
        self._start = start
        self.begun = 0
        """Studies that have begun, priors too."""
        self._devices = [
            Device(site, service, number)
            for site in sites
            for service in site.services
            for number in range(1, service.devices + 1)
        ]

    def arrivals(self) -> Iterator[Study]:
        """Studies as they begin, without end: a Poisson process for each device."""
        return heapq.merge(*map(self._of_device, self._devices), key=lambda study: study.start)

    def instances(self, studies: int | None = None, duration: timedelta | None = None) -> Iterator[Made]:
        """All that comes of studies that begin: so many, and within so long, of simulated time; else without end.

        What studies have begun ends them. Held in memory is what is under way, not what has been.
        """
        begun: Iterable[Study] = islice(self.arrivals(), studies)
        if duration is not None:
            end = self._start + duration
            begun = takewhile(lambda study: study.start < end, begun)
        yield from self._all(_Sending(), begun)

    def _all(self, sending: _Sending, begun: Iterable[Study]) -> Iterator[Made]:
        for study in begun:
            yield from sending.before(study.start)
            for one in (study.prior, study):
                if one:
                    sending.begin(one, study.start - one.start)
                    self.begun += 1
        yield from sending.before(None)

    def _of_device(self, device: Device) -> Iterator[Study]:
        draw, time = chance(*device.key, "arrivals"), self._start
        for number in count():
            time += timedelta(seconds=draw.expovariate(device.service.studies_per_hour / 3600))
            yield Study(device, number, time.replace(microsecond=0))


class _Sending:
    """What is under way: for each study, what is next of it, in order of time."""

    def __init__(self) -> None:
        self._order = count()
        self._next: list[tuple[datetime, int, Made, Iterator[Made]]] = []

    def begin(self, study: Study, shift: timedelta) -> None:
        """A study begins; it is sent so much later than it is made."""
        self._push(_planned(study, shift))

    def _push(self, planned: Iterator[Made]) -> None:
        if made := next(planned, None):
            heapq.heappush(self._next, (made.time, next(self._order), made, planned))

    def before(self, time: datetime | None) -> Iterator[Made]:
        """What comes before a time, or all that is left."""
        while self._next and (time is None or self._next[0][0] < time):
            _, _, made, planned = heapq.heappop(self._next)
            self._push(planned)
            if made.fault is Fault.LATE_INSTANCES and not made.copy:
                later = made.time + timedelta(minutes=made.study.site.late_minutes)
                self._push(iter([replace(made, time=later, copy=1)]))
            else:
                yield from _finished(made)


def _planned(study: Study, shift: timedelta) -> Iterator[Made]:
    """What a study will come to, without the bytes; `shift` is from when it is made to when it is sent."""
    parts, slow, last = Parts(study), is_slow(study), study.start + shift
    for part in parts:
        natural = part.time + shift
        last = max(natural, last + timedelta(seconds=study.site.slow_seconds)) if slow else natural
        fault = Fault.NONE if part.kind is Kind.TEXT else fault_of(study, part.instance_uid)
        yield Made(study, part, last, parts.count, slow, fault)


def _finished(made: Made) -> Iterator[Made]:
    """With bytes; a duplicate twice."""
    part = made.part
    if part.elements is None:
        yield replace(made, data=part.text.encode("utf-8"))
    elif made.fault is Fault.DROPS:
        yield made
    else:
        whole = replace(made, copy=1, data=spoiled(made.study, part, part.elements(), made.fault))
        yield whole
        if made.fault is Fault.DUPLICATES:
            yield replace(whole, copy=2)

"""A trial intake of real processes, as its environment is told, and an account of every study that came.

A site's file -> store inbox -> de-identified into store trial -> told to the channel of its trial and site.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path

import yaml
from pydicom import dcmread

from diana.notify.v1 import notify_service_pb2 as notify_pb
from diana.route.v1 import route_service_pb2 as route_pb
from diana_client import ArchiveClient, GuidClient, NotifyClient, RouteClient, connect
from tests.support.arrivals import PATIENT, SITES, TRIALS, Arrival
from tests.support.mesh import Mesh

INTAKE, DEIDENTIFY, TELL = "intake", "deidentify", "tell"
STORES = INBOX, TRIAL = "inbox", "trial"
_QUICKLY = {"first_seconds": 0.1, "longest_seconds": 1.0}
_STUDY = re.compile(r"study=([0-9.]+)")


def incoming(state: Path) -> Path:
    """The watched folder."""
    return state / "incoming"


def settings(state: Path) -> dict[str, str]:
    """The environment of a mesh whose state this is; its rules are written, and its folder made."""
    incoming(state).mkdir(parents=True)
    (state / "rules.yaml").write_text(yaml.safe_dump({"rules": _rules(incoming(state))}))
    channels = {_channel(trial, site): f"{trial} at {site}" for trial in TRIALS for site in SITES}
    subscribers = [{"name": tag, "file": f"{tag}.jsonl", "channels": [tag]} for tag in channels]
    template = {"subject": "{{ channel.name }}", "body": "study={{ values.study_uid }}"}
    tree = {
        "ARCHIVE_STORES": {INBOX: {"quiet_period_seconds": 10}, TRIAL: {}},
        "NOTIFY_CHANNELS": channels,
        "NOTIFY_SUBSCRIBERS": subscribers,
        "NOTIFY_TEMPLATES": {"arrived": template},
        "NOTIFY_RETRY": _QUICKLY,
        "ROUTE_RULES_FILE": str(state / "rules.yaml"),
        "ROUTE_FOLDERS": [str(incoming(state))],
        "ROUTE_RETRY": _QUICKLY,
    }
    return {f"DIANA_{name}": yaml.safe_dump(value) for name, value in tree.items()}


def _rules(folder: Path) -> list[dict[str, object]]:
    source = {"folder": str(folder), "layout": "{site}/{trial}", "settle": "2s", "poll": "500ms"}
    anonymize = {"to": TRIAL, "copy": ["site", "trial"], "seal": ["PatientID"]}
    told = {"channel": "$trial-$site", "template": "arrived"}
    return [
        {"name": INTAKE, "source": source, "do": [{"put": INBOX}, "delete"]},
        {"name": DEIDENTIFY, "source": {"store": INBOX}, "do": [{"anonymize": anonymize}]},
        {"name": TELL, "source": {"store": TRIAL}, "do": [{"notify": told}]},
    ]


def _channel(trial: str, site: str) -> str:
    return f"{trial}-{site}"


class Account:
    """Looks from outside what became of the studies that came."""

    def __init__(self, mesh: Mesh, state: Path, channels: ExitStack) -> None:
        self._state, self._logs = state, mesh.processes
        archive, guid, notify, route = (
            channels.enter_context(connect(mesh.processes[name].address))
            for name in ("archive", "guid", "notify", "route")
        )
        self._archive, self._guid = ArchiveClient(archive), GuidClient(guid)
        self._notify, self._route = NotifyClient(notify), RouteClient(route)

    def settled(self, arrivals: Sequence[Arrival]) -> bool:
        """Whether everything that there was to do is done, or given up."""
        if self._left_behind() or any(self._route.jobs(state=route_pb.Job.STATE_WAITING)):
            return False
        if any(self._notify.deliveries(state=notify_pb.Delivery.STATE_QUEUED)):
            return False
        told = self._told()
        return all(told[uid] for uid in self._new_uids(arrivals))

    def complaints(self, arrivals: Sequence[Arrival]) -> list[str]:
        """Whatever is not as it must be, once all has settled."""
        return [
            *(f"{path} was left behind" for path in self._left_behind()),
            *self._jobs(arrivals),
            *self._stored(arrivals),
            *self._messages(arrivals),
            *self._logged(),
        ]

    def _new_uids(self, arrivals: Sequence[Arrival]) -> list[str]:
        """The studies' UIDs in the trial's store."""
        return list(self._guid.map_identifiers([one.study_uid for one in arrivals]).uids) if arrivals else []

    def _left_behind(self) -> list[str]:
        return [path.name for path in incoming(self._state).rglob("*") if path.is_file()]

    def _jobs(self, arrivals: Sequence[Arrival]) -> Iterator[str]:
        """Each file has one job, each completion of a study one of each rule; all are done, with nothing refused."""
        jobs = list(self._route.jobs())
        yield from (
            f"{job.name} of {job.rule} is {route_pb.Job.State.Name(job.state)}: {[one.last_error for one in job.steps]}"
            for job in jobs
            if job.state != route_pb.Job.STATE_DONE or job.refused_count
        )
        files = Counter(job.item.file.path for job in jobs if job.rule == INTAKE)
        yield from (f"{path} had {count} jobs" for path, count in files.items() if count != 1)
        stored = sum(job.stored_count for job in jobs if job.rule == INTAKE)
        if stored != (sent := sum(one.count for one in arrivals)):
            yield f"{sent} instances came, and the jobs tell of {stored}"
        for rule, store in ((DEIDENTIFY, INBOX), (TELL, TRIAL)):
            made = Counter(job.item.study.study_uid for job in jobs if job.rule == rule)
            if made != (completed := self._completed(store)):
                yield f"studies completed in {store} and jobs of {rule} differ: {_differing(completed, made)}"

    def _completed(self, store: str) -> Counter[str]:
        """How often the archive believed that a study was complete: once more after late instances."""
        feed = self._archive.watch_feed(stores=[store], stop_at_head=True, omit_headers=True)
        entries = (entry for batch in feed for entry in batch.entries)
        return Counter(one.study_completed.study_uid for one in entries if one.HasField("study_completed"))

    def _stored(self, arrivals: Sequence[Arrival]) -> Iterator[str]:
        new_uids = self._new_uids(arrivals)
        inbox, trial = (Counter(one.study_uid for one in self._archive.studies(store=name)) for name in STORES)
        for store, there, uids in ((INBOX, inbox, [one.study_uid for one in arrivals]), (TRIAL, trial, new_uids)):
            if there != (wanted := Counter(uids)):
                yield f"{store} has other studies than came: {_differing(wanted, there)}"
        for arrival, new_uid in zip(arrivals, new_uids, strict=True):
            if inbox[arrival.study_uid] and trial[new_uid]:
                yield from (f"{arrival.study_uid}: {what}" for what in self._study(arrival, new_uid))

    def _study(self, arrival: Arrival, new_uid: str) -> Iterator[str]:
        there = sorted(one.sop_instance_uid for one in self._archive.instances(arrival.study_uid, store=INBOX))
        if there != sorted(arrival.instances):
            yield f"inbox has {len(there)} of {arrival.count} instances, or others"
        made = {one.instance.sop_instance_uid: one.read() for one in self._archive.download(new_uid, store=TRIAL)}
        if sorted(made) != sorted(self._guid.map_identifiers(list(arrival.instances)).uids):
            yield f"trial has {len(made)} of {arrival.count} instances, or others"
        if any(arrival.patient_id.encode() in file or PATIENT.encode() in file for file in made.values()):
            yield "trial has who it was"
        if any(str(dcmread(BytesIO(file)).PatientIdentityRemoved) != "YES" for file in made.values()):
            yield "trial has what is not de-identified"
        attributes = dict(self._archive.study(new_uid, store=TRIAL).attributes)
        if attributes != {"site": arrival.site, "trial": arrival.trial}:
            yield f"trial knows it by {attributes}"
        if self._archive.unseal_attributes(new_uid, store=TRIAL) != {"patient_id": arrival.patient_id}:
            yield "its sealed signature is another's"

    def _told(self) -> Counter[str]:
        return sum(self._outbox().values(), Counter[str]())

    def _outbox(self) -> dict[str, Counter[str]]:
        """By channel, how often a study was told of there: once for each idempotency key."""
        told = {}
        for path in (self._state / "notify" / "outbox").glob("*.jsonl"):
            lines = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.endswith("}")]
            texts = {one["id"]: one["body"] for one in lines}
            told[path.stem] = Counter(uid for text in texts.values() for uid in _STUDY.findall(text))
        return told

    def _messages(self, arrivals: Sequence[Arrival]) -> Iterator[str]:
        """Those of a study's channel are told each time that it completed, and nobody else is."""
        told, completed = self._outbox(), self._completed(TRIAL)
        wanted: dict[str, Counter[str]] = {}
        for arrival, uid in zip(arrivals, self._new_uids(arrivals), strict=True):
            wanted.setdefault(_channel(arrival.trial, arrival.site), Counter())[uid] = completed[uid]
        for channel in {*told, *wanted}:
            due, done = wanted.get(channel, Counter()), told.get(channel, Counter())
            if due != done:
                yield f"{channel} was told otherwise than it should: {_differing(due, done)}"
        dead = [one.name for one in self._notify.deliveries() if one.state != notify_pb.Delivery.STATE_SENT]
        yield from (f"{name} was not sent" for name in dead)

    def _logged(self) -> Iterator[str]:
        for name, process in self._logs.items():
            log = process.log()
            yield from (f"the log of {name} has {word!r}" for word in ("Traceback", "PLANTED", PATIENT) if word in log)


def _differing(wanted: Counter[str], found: Counter[str]) -> str:
    return ", ".join(
        f"{uid} {wanted[uid]} and {found[uid]}" for uid in sorted({*wanted, *found}) if wanted[uid] != found[uid]
    )

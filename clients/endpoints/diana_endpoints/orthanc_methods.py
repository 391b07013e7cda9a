"""What only an Orthanc does, by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from diana_common.errors import invalid_field
from diana_endpoints import orthanc_proxy
from diana_endpoints.http import Server
from diana_endpoints.items import Item
from diana_endpoints.levels import INSTANCE
from diana_endpoints.orthanc_jobs import run_job
from diana_endpoints.orthanc_names import as_list, as_mapping, resource

_CHANGES = 1000


@dataclass(frozen=True, slots=True)
class Job:
    """What a method is done with."""

    server: Server
    patience: float
    """Seconds that a job may take."""


def call(
    handler: Callable[..., Iterator[Item]], job: Job, arguments: Sequence[Any], options: Mapping[str, Any]
) -> Iterator[Item]:
    """Do it. Raises DianaError INVALID_FIELD for arguments that it does not take."""
    try:
        inspect.signature(handler).bind(job, *arguments, **options)
    except TypeError as error:
        raise invalid_field("arguments", f"do not fit ({error})") from None
    return handler(job, *arguments, **options)


def _anonymize(
    job: Job,
    named: object = "",
    level: str = "",
    *,
    keep: Sequence[str] = (),
    remove: Sequence[str] = (),
    replace: Mapping[str, str] | None = None,
    keep_source: bool = True,
    force: bool = False,
    **others: str,
) -> Iterator[Item]:
    found = resource(job.server, Item({"id": str(named), "level": level, **others}))
    if found.level == INSTANCE:
        raise invalid_field("level", "must be patient, study or series")
    order = {
        "Keep": _expect("keep", keep, (list, tuple)),
        "Remove": _expect("remove", remove, (list, tuple)),
        "Replace": _expect("replace", replace or {}, Mapping),
        "KeepSource": _expect("keep_source", keep_source, bool),
        "Force": _expect("force", force, bool),
    }
    done = run_job(job.server, f"{found.path}/anonymize", order, job.patience)
    meta = {"id": str(done.get("ID")), "level": found.level.name, "source_id": found.id, "outcome": "anonymized"}
    yield Item({**meta, "instances": done.get("InstancesCount")}, number=1)


def _modalities(job: Job) -> Iterator[Item]:
    return orthanc_proxy.modalities(job.server)


def _echo(job: Job, peer: str) -> Iterator[Item]:
    yield orthanc_proxy.echo(job.server, peer)


def _send(job: Job, peer: str, named: object = "", level: str = "", **others: str) -> Iterator[Item]:
    wanted = Item({"id": str(named), "level": level, **others}, number=1)
    yield orthanc_proxy.send(job.server, peer, wanted, job.patience)


def _statistics(job: Job) -> Iterator[Item]:
    yield Item(data=as_mapping(job.server.ask("GET", "/statistics").json()), number=1)


def _changes(job: Job, since: int = 0) -> Iterator[Item]:
    last, done = int(_expect("since", since, int)), False
    while not done:
        fields = [("since", str(last)), ("limit", str(_CHANGES))]
        page = as_mapping(job.server.ask("GET", "/changes", fields=fields).json())
        for one in as_list(page.get("Changes")):
            change = as_mapping(one)
            level, name = str(change.get("ResourceType", "")).lower(), change.get("ChangeType")
            meta = {"position": change.get("Seq"), "time": change.get("Date"), "change": name, "level": level}
            yield Item({**meta, "id": change.get("ID")})
        done = bool(page.get("Done")) or not page["Changes"]
        last = int(page.get("Last", last))


def _expect(name: str, value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        raise invalid_field(name, "is not of the kind that this takes")
    return value


HANDLERS: Mapping[str, Callable[..., Iterator[Item]]] = {
    "anonymize": _anonymize,
    "modalities": _modalities,
    "echo": _echo,
    "send": _send,
    "statistics": _statistics,
    "changes": _changes,
}
"""What does it, by name; each takes a Job and then what the caller gives."""

METHODS: Mapping[str, str] = {
    "anonymize": "ID [LEVEL] [keep, remove, replace, keep_source, force]: Orthanc's own anonymization; the new study.",
    "modalities": "The DICOM modalities and the other Orthancs that it knows.",
    "echo": "PEER: whether a modality answers a C-ECHO, and in how many milliseconds.",
    "send": "PEER ID [LEVEL]: send a patient, study, series or instance to a modality or another Orthanc.",
    "statistics": "How much it holds.",
    "changes": "[SINCE]: its changes after a position, oldest first.",
}
"""What it is, for people."""

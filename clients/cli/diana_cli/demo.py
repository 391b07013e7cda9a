"""The demonstration: `python -m diana_cli.demo`. A mesh of its own, real DICOM files, each step told with its time.

The files are those that pydicom brings along. State is temporary, ports are free ones, and nothing runs on
after it. Ends with status 1 if a step fails.
"""

from __future__ import annotations

import hashlib
import shutil
import signal
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pydicom.data
from rich.console import Console

from diana_cli.mesh.state import service_entries
from diana_cli.mesh.supervisor import Mesh, MeshFailed
from diana_cli.text import attribute, clean
from diana_client import ArchiveClient, MeshError, connect
from diana_common.errors import DianaError
from diana_endpoints.archive import Archive
from diana_endpoints.guid import Guid
from diana_endpoints.index import Index
from diana_endpoints.items import Item, chunks
from diana_endpoints.protocol import Lister, Query
from diana_endpoints.services import Services

_PATIENT = "98890234"
"""A patient of pydicom's DICOMDIR tests, who is nobody."""
_PARCEL = "dicomdirtests"
"""The folder of test files that the demo packs into a ZIP file; the others stay a folder."""

_NAMED = 3
"""Refused files that are told by name, for each reason."""

_Kind = TypeVar("_Kind")


class StepFailed(Exception):
    """A step found something other than it should."""


@dataclass
class Demo:
    """What the steps hand to one another."""

    room: Path
    """A temporary folder."""

    mesh: Mesh
    services: Services = field(default_factory=lambda: Services({}))
    digests: dict[str, str] = field(default_factory=dict)
    """SHA-256 of each source file that was newly stored, by SOP Instance UID."""

    study: Item = field(default_factory=Item)

    def endpoint(self, text: str, kind: type[_Kind]) -> _Kind:
        """An endpoint of the demo's mesh."""
        endpoint = self.services.endpoint(text)
        if not isinstance(endpoint, kind):
            raise StepFailed(f"{text} is no {kind.__name__}")
        return endpoint


@dataclass(frozen=True)
class Step:
    """One step: what it does, how, and what a person may try next."""

    title: str
    run: Callable[[Demo], Iterator[str]]
    """Does it, and yields lines to show."""

    try_next: str = ""


def start_mesh(demo: Demo) -> Iterator[str]:
    """Start the services on free ports."""
    demo.mesh.start()
    entries = {name: {"address": address} for name, address in demo.mesh.addresses.items()}
    demo.services = Services(service_entries({"services": entries}))
    for name, address in demo.mesh.addresses.items():
        yield f"{name} serves at {address}"


def load_folder(demo: Demo) -> Iterator[str]:
    """Put a folder of real files into the archive."""
    folder = demo.room / "scans"
    folder.mkdir()
    for path in _test_files().iterdir():
        if path.is_file():
            shutil.copyfile(path, folder / path.name)
    yield from _load(demo, f"path:{folder}")


def load_zip(demo: Demo) -> Iterator[str]:
    """Put the members of a ZIP file into the archive."""
    parcel = demo.room / "studies.zip"
    with zipfile.ZipFile(parcel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in (_test_files() / _PARCEL).rglob("*"):
            archive.write(path, path.relative_to(_test_files()))
    yield from _load(demo, f"zip:{parcel}")


def await_index(demo: Demo) -> Iterator[str]:
    """Ask the index for what has just been put: it answers once it knows."""
    with connect(demo.mesh.addresses["archive"]) as channel:
        head = ArchiveClient(channel).statistics().head_position
    index = demo.endpoint("index:", Index)
    studies, instances = (index.count(Query(level, {}, at_least_position=head)) for level in ("study", "instance"))
    yield f"the index knows {studies} studies and {instances} instances"


def find_study(demo: Demo) -> Iterator[str]:
    """Find a patient's studies, and keep the largest."""
    found = list(demo.endpoint("index:", Index).find(Query("study", {"PatientID": [_PATIENT]}, ["PatientSex"])))
    if not found:
        raise StepFailed("the index does not find the study that was put")
    for item in found:
        told = [attribute(item, name) for name in ("StudyDate", "ModalitiesInStudy", "StudyDescription")]
        yield clean(f"{item.meta['study_uid']}  {'  '.join(told)}  {item.meta['instances']} instances")
    demo.study = max(found, key=lambda item: int(item.meta["instances"]))


def fetch_study(demo: Demo) -> Iterator[str]:
    """Fetch the study back, and compare it with the files it came from, byte for byte."""
    fetched = 0
    for item in demo.endpoint("archive:", Archive).get(demo.study):
        fetched += 1
        if _digest(item) != demo.digests.get(item.meta["sop_instance_uid"]):
            raise StepFailed(f"instance {item.name} came back otherwise than it was put")
    if fetched != demo.study.meta["instances"]:
        raise StepFailed(f"{fetched} instances came back of {demo.study.meta['instances']}")
    yield f"{fetched} instances came back, each with the SHA-256 of the file it came from"


def mint_identity(demo: Demo) -> Iterator[str]:
    """Mint the pseudonymous identity of the study's patient, twice."""
    first, again = demo.endpoint("guid:", Guid).mint([demo.study, demo.study])
    if first.failure or first.meta["id"] != again.meta["id"]:
        raise StepFailed("the mint did not answer the same twice")
    yield f"{first.meta['id']}  {first.meta['name']}, the same each time"


def stop_mesh(demo: Demo) -> Iterator[str]:
    """Stop the services in good order."""
    demo.services.close()
    demo.mesh.stop()
    yield "all services have ended"


STEPS = (
    Step("Start a mesh of local processes", start_mesh, "diana-cli up"),
    Step("Load a folder of real files", load_folder, "diana-cli dgetall path:DIR put archive: print"),
    Step("Load a ZIP file", load_zip, "diana-cli dgetall zip:FILE put archive:"),
    Step("Wait for the index", await_index, "diana-cli ls"),
    Step("Find a study", find_study, f"diana-cli find -m PatientID={_PATIENT}"),
    Step("Fetch it back and compare", fetch_study, f"diana-cli find -m PatientID={_PATIENT} get --out DIR"),
    Step("Mint an identity", mint_identity, f"diana-cli guid --patient-id {_PATIENT}"),
    Step("Stop the mesh", stop_mesh),
)


def main() -> int:
    """Run all steps; the exit status."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="diana-demo-") as room:
        demo = Demo(Path(room), Mesh(Path(room) / "state", free_ports=True))
        try:
            for number, step in enumerate(STEPS, 1):
                _run(console, demo, step, f"{number}/{len(STEPS)}")
        except (StepFailed, DianaError, MeshError, MeshFailed, OSError) as error:
            console.print(f"FAILED  {error}", style="bold red")
            return 1
        except KeyboardInterrupt:
            console.print("interrupted")
            return 130
        finally:
            demo.services.close()
            demo.mesh.stop()
    console.print(f"All steps passed in {time.monotonic() - began:.1f} s.", style="bold green")
    console.print("A mesh of your own: diana-cli up, then the commands above in another terminal.")
    return 0


def _run(console: Console, demo: Demo, step: Step, number: str) -> None:
    began = time.monotonic()
    console.print(f"{number}  {step.title}", style="bold")
    for line in step.run(demo):
        console.print(f"     {line}")
    console.print(f"     {time.monotonic() - began:.2f} s", style="dim")
    if step.try_next:
        console.print(f"     try: {step.try_next}", style="cyan")


def _load(demo: Demo, source: str) -> Iterator[str]:
    outcomes: Counter[str] = Counter()
    refused: dict[str, list[str]] = {}
    listed = demo.endpoint(source, Lister)  # type: ignore[type-abstract]
    for item in demo.endpoint("archive:", Archive).put(listed.list()):
        if item.failure:
            outcomes["refused"] += 1
            reason = f"{item.failure.reason}: {item.failure.message}"
            refused.setdefault(reason, []).append(Path(item.meta["path"]).name)
        else:
            outcomes[str(item.meta["outcome"])] += 1
            if item.meta["outcome"] == "stored":
                demo.digests[item.meta["sop_instance_uid"]] = _digest(item)
    for reason, names in sorted(refused.items()):
        others = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield clean(f"refused {', '.join(sorted(names)[:_NAMED])}{others}: {reason}")
    passed_over = [f"{count} {kind} passed over" for kind, count in listed.passed_over.items()]
    yield ", ".join([f"{count} {outcome.replace('_', ' ')}" for outcome, count in outcomes.most_common()] + passed_over)
    if not outcomes["stored"]:
        raise StepFailed("nothing was stored")


def _digest(item: Item) -> str:
    digest = hashlib.sha256()
    for piece in chunks(item.content) if item.content else ():
        digest.update(piece)
    return digest.hexdigest()


def _test_files() -> Path:
    """The DICOM files inside the pydicom package; nothing is downloaded."""
    return Path(pydicom.data.__file__).parent / "test_files"


if __name__ == "__main__":
    raise SystemExit(main())

"""The first half: start a mesh, put real files in, find a study, fetch it back."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pydicom.data

from diana_cli.demo.story import PATIENT, Demo, StepFailed
from diana_cli.mesh.state import service_entries
from diana_cli.text import attribute, clean
from diana_client import ArchiveClient, connect
from diana_endpoints.archive import Archive
from diana_endpoints.guid import Guid
from diana_endpoints.index import Index
from diana_endpoints.items import Item, chunks
from diana_endpoints.protocol.items import Lister
from diana_endpoints.protocol.query import Query
from diana_endpoints.services import Services

_PARCEL = "dicomdirtests"
"""The folder of test files that the demo packs into a ZIP file; the others stay a folder."""

_NAMED = 3
"""Refused files that are told by name, for each reason."""


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
    for path in test_files().iterdir():
        if path.is_file():
            shutil.copyfile(path, folder / path.name)
    yield from _load(demo, f"path:{folder}")


def load_zip(demo: Demo) -> Iterator[str]:
    """Put the members of a ZIP file into the archive."""
    parcel = demo.room / "studies.zip"
    with zipfile.ZipFile(parcel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in (test_files() / _PARCEL).rglob("*"):
            archive.write(path, path.relative_to(test_files()))
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
    found = list(demo.endpoint("index:", Index).find(Query("study", {"PatientID": [PATIENT]}, ["PatientSex"])))
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


def test_files() -> Path:
    """The DICOM files inside the pydicom package; nothing is downloaded."""
    return Path(pydicom.data.__file__).parent / "test_files"

"""examples/trial-intake, run by its one command, with a mail server."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from diana.archive.v1.resources_pb2 import Study
from diana.route.v1 import route_service_pb2 as pb
from diana_client import (
    ArchiveClient,
    Channel,
    NotifyClient,
    RouteClient,
    connect,
)
from tests.support.dicom_files import ROOT, make_small
from tests.support.smtp import MailServer

CHECKOUT = Path(__file__).resolve().parents[2]


PATIENT, NAME = "SITE-PAT-4711", "Original^Iris"


INSTANCES = 3


@dataclass
class Intake:
    """The example, running."""

    room: Path
    mail: MailServer
    environment: Mapping[str, str]
    process: subprocess.Popen[str]
    ready: str
    """What it printed when it was."""

    channels: dict[str, Channel] = field(default_factory=dict)

    @property
    def incoming(self) -> Path:
        """Where sites drop."""
        return self.room / "trial-intake" / "incoming"

    @property
    def state(self) -> Path:
        """Where all else is."""
        return self.room / "trial-intake" / "state"

    @cached_property
    def archive(self) -> ArchiveClient:
        return ArchiveClient(self.channel("archive"))

    @cached_property
    def route(self) -> RouteClient:
        return RouteClient(self.channel("route"))

    @cached_property
    def notify(self) -> NotifyClient:
        return NotifyClient(self.channel("notify"))

    def channel(self, name: str) -> Channel:
        """A connection to a service."""
        services = json.loads((self.state / "mesh.json").read_text())["services"]
        return self.channels.setdefault(name, connect(services[name]["address"]))

    def drop(self, site: str, trial: str, number: int) -> str:
        """A site drops a zip with a study of its own; its UID."""
        study_uid = f"{ROOT}.88.{number}"
        folder = self.incoming / site / trial
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"visit{number}.zip").write_bytes(site_zip(study_uid))
        return study_uid

    def studies(self, site: str) -> list[Study]:
        """A site's studies in the trial's store."""
        return [one for one in self.archive.studies(store="trial") if one.attributes.get("site") == site]

    def is_done(self, count: int) -> bool:
        """Whether so many jobs are done, and none waits."""
        states = Counter(job.state for job in self.route.jobs())
        return states == {pb.Job.STATE_DONE: count}

    def logs(self) -> str:
        """What the services that handle the study wrote."""
        return "\n".join((self.state / "logs" / f"{name}.log").read_text() for name in ("route", "notify", "anon"))

    def stop(self) -> int:
        """Ctrl-C."""
        for channel in self.channels.values():
            channel.close()
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=60)
        return self.process.returncode


def site_zip(study_uid: str) -> bytes:
    """What a site sends: a folder in a zip, with something besides the images."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__MACOSX/visit/._1.dcm", "What a site's computer adds.")
        for number in range(1, INSTANCES + 1):
            data = make_small(
                patient_id=PATIENT,
                PatientName=NAME,
                study_uid=study_uid,
                series_uid=f"{study_uid}.1",
                sop_uid=f"{study_uid}.1.{number}",
            )
            archive.writestr(f"visit/{number}.dcm", data)
    return held.getvalue()


@contextmanager
def trial_intake(room: Path) -> Iterator[Intake]:
    """The example in a folder of its own, with a mail server; a checkout is where the person is."""
    (room / "examples").symlink_to(CHECKOUT / "examples")
    with MailServer() as mail:
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "DIANA_NOTIFY_SMTP__PORT": str(mail.port),
            "DIANA_STATE": "trial-intake/state",
        }
        process = subprocess.Popen(
            ["examples/trial-intake/run.sh", "trial-intake", "--free-ports"],
            cwd=room,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        printed = []
        while line := process.stdout.readline():
            printed.append(line)
            if line.startswith("ready"):
                break
        running = Intake(room, mail, environment, process, "".join(printed))
        try:
            yield running
        finally:
            status = running.stop()
        assert status == 0

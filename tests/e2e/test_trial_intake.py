"""examples/trial-intake, run by its one command: sites drop zips, and the right coordinators get mail, nobody else.

What docs/trial-intake.md says is typed word for word first; then come the things that a page does not show.
"""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pydicom
import pytest

from diana.archive.v1.resources_pb2 import Study
from diana.notify.v1 import notify_service_pb2 as notify_pb
from diana.route.v1 import route_service_pb2 as pb
from diana_client import (
    ArchiveClient,
    Channel,
    IndexClient,
    NotifyClient,
    ReceiptClient,
    RouteClient,
    connect,
    record_attributes,
    verify_receipt,
)
from tests.e2e import test_readme as tour
from tests.support.dicom_files import ROOT, make_small
from tests.support.smtp import MailServer
from tests.unit.notify.notify_bench import awaited

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = CHECKOUT / "docs" / "trial-intake.md"
ADA, BEN, CLEO, DAN = (
    "ada@trials.example",
    "ben@hospital-b.example",
    "cleo@trials.example",
    "dan@hospital-a.example",
)
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


@pytest.fixture(scope="module")
def intake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Intake]:
    """The example in a folder of its own, with a mail server; a checkout is where the person is."""
    room = tmp_path_factory.mktemp("intake")
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


@pytest.fixture(scope="module")
def page(intake: Intake) -> list[tuple[str, str, str]]:
    """The page's commands, with what it says that they print, and what they print; typed by who waits for results."""
    first, *rest = tour.blocks(PAGE)
    assert [command for command, _ in first][-1] == "examples/trial-intake/run.sh"
    typed = [one for block in rest for one in block if "activate" not in one[0]]
    script = "exec 2>&1\n" + "\n".join(f"{command}\necho =====" for command, _ in typed)
    before, after = script.split("\ndiana-cli jobs list\n")
    outputs = _type(intake, before)
    assert awaited(lambda: intake.is_done(3)), intake.logs()
    assert awaited(lambda: len(intake.mail.mails) == 2), intake.logs()
    outputs += _type(intake, _variables(before) + "\ndiana-cli jobs list\n" + after)
    return [(command, said, output) for (command, said), output in zip(typed, outputs, strict=True)]


def _type(intake: Intake, script: str) -> list[str]:
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=intake.room,
        env=dict(intake.environment),
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout.split("=====\n")[:-1]


def _plain(text: str, room: Path) -> list[str]:
    """Without what differs from run to run: where the person is, what jobs and keys are called, a moved date."""
    for pattern, name in (
        (r"\bjobs/[0-9a-f]{32}", "JOB"),
        (r"(Signing key +)[0-9a-f]+", r"\1KEY"),
        (r" \d{8} ", " DATE "),
    ):
        text = re.sub(pattern, name, text.replace(str(room), "/srv/diana"))
    return tour.plain(text)


def _variables(script: str) -> str:
    """What the first shell knew."""
    return "\n".join(line for line in script.splitlines() if line.startswith(("DATA=", "export ")))


def test_every_example_of_the_page_prints_what_it_says(intake: Intake, page: list[tuple[str, str, str]]) -> None:
    first, *_ = tour.blocks(PAGE)
    assert tour.plain(intake.ready) == tour.plain(first[-1][1])
    for command, said, output in page:
        assert _plain(output, intake.room) == _plain(said, intake.room), f"{command}\n{output}"


@pytest.fixture(scope="module")
def original(intake: Intake, page: object) -> str:
    """Hospital B has sent a study as well, and all is done: its UID there."""
    study_uid = intake.drop("hospital_b", "mammo", 1)
    assert awaited(lambda: intake.is_done(6)), intake.logs()
    intake.mail.wait_for(4)
    return study_uid


def test_the_trials_store_has_the_study_de_identified_with_receipts_and_a_sealed_signature(
    intake: Intake, original: str
) -> None:
    [study] = intake.studies("hospital_b")
    assert dict(study.attributes) == {"trial": "mammo", "site": "hospital_b"}
    assert (study.instance_count, study.study_uid == original) == (INSTANCES, False)
    for one in intake.archive.download(study_uid=study.study_uid, store="trial"):
        data = one.read()
        assert PATIENT.encode() not in data and b"Iris" not in data and original.encode() not in data
        made = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
        assert made.PatientIdentityRemoved == "YES"
        receipts = ReceiptClient(intake.channel("anon"))
        said = verify_receipt(receipts.get(made.SOPInstanceUID), receipts.signing_keys(), result=data)
        assert said["sop_instance_uid"] == made.SOPInstanceUID
    assert intake.archive.unseal_attributes(study.study_uid, store="trial") == {
        "patient_id": PATIENT,
        "patient_name": NAME,
    }


def test_the_index_knows_the_study_by_its_pseudonym(intake: Intake, original: str) -> None:
    [study] = intake.studies("hospital_b")
    head = intake.archive.statistics(store="trial").head_position
    with_uid = {"StudyInstanceUID": study.study_uid}
    [record] = IndexClient(intake.channel("index")).find("study", with_uid, store="trial", at_least_position=head)
    assert str(record_attributes(record)["00100020"]) not in ("", PATIENT)


def test_mail_goes_to_who_subscribes_to_that_trial_and_site_and_to_nobody_else(intake: Intake, original: str) -> None:
    [at_a], [at_b] = intake.studies("hospital_a"), intake.studies("hospital_b")
    told = Counter((one.recipients, one.message["Subject"]) for one in intake.mail.mails)
    a, b = "MAMMO at Hospital A: a study has arrived", "MAMMO at Hospital B: a study has arrived"
    assert told == {((ADA,), a): 1, ((CLEO,), a): 1, ((BEN,), b): 1, ((CLEO,), b): 1}
    for one in intake.mail.mails:
        here, there = (at_a, at_b) if one.message["Subject"] == a else (at_b, at_a)
        assert here.study_uid in one.text and there.study_uid not in one.text
        assert not {original, PATIENT, "Iris"} & set(one.text.split())
    assert intake.mail.asked(DAN) == 0
    assert {one.state for one in intake.notify.deliveries()} == {notify_pb.Delivery.STATE_SENT}


def test_the_zips_are_gone_and_no_log_or_listing_tells_who_it_was(intake: Intake, original: str) -> None:
    assert not [one for one in intake.incoming.rglob("*") if one.is_file()]
    [study] = intake.studies("hospital_b")
    for told in (*map(str, intake.route.jobs()), *intake.logs().splitlines()):
        assert PATIENT not in told and "Iris" not in told
        assert not (original in told and study.study_uid in told)


def test_the_same_zip_once_more_is_known(intake: Intake, original: str) -> None:
    intake.drop("hospital_b", "mammo", 1)
    assert awaited(lambda: intake.is_done(7)), intake.logs()
    newest = next(intake.route.jobs())
    assert (newest.rule, newest.stored_count, newest.refused_count) == ("intake", INSTANCES, 0)
    assert len(intake.studies("hospital_b")) == 1

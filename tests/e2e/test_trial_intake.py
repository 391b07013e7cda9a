"""examples/trial-intake, run by its one command: sites drop zips, and the right coordinators get mail, nobody else.

What docs/trial-intake.md says is typed word for word first; then come the things that a page does not show.
"""

from __future__ import annotations

import io
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from diana.notify.v1 import notify_service_pb2 as notify_pb
from diana_client import (
    IndexClient,
    ReceiptClient,
    record_attributes,
    verify_receipt,
)
from tests.support import tour
from tests.support.awaiting import awaited
from tests.support.trial_intake import CHECKOUT, INSTANCES, NAME, PATIENT, Intake, trial_intake

PAGE = CHECKOUT / "docs" / "trial-intake.md"
ADA, BEN, CLEO, DAN = (
    "ada@trials.example",
    "ben@hospital-b.example",
    "cleo@trials.example",
    "dan@hospital-a.example",
)


@pytest.fixture(scope="module")
def intake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Intake]:
    with trial_intake(tmp_path_factory.mktemp("intake")) as running:
        yield running


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

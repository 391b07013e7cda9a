"""A mock hospital of 1,000 studies an hour feeds the trial intake, and its ledger is the answer key.

Simulated time goes fast: five hours in ten minutes for `make soak`, some minutes in seconds for the suite.
What docs/mock.md says becomes of each fault there is looked at too.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from diana.route.v1 import route_service_pb2 as pb
from diana_client import GuidClient
from diana_mock.ledger import whole_studies
from tests.support.trial_intake import Intake, trial_intake

RECIPIENTS = 2
"""Who is told of a study of trial mammo at hospital A: Ada and Cleo."""

REFUSED = {"truncated": "DATA_SET_TRUNCATED", "missing_uid": "UID_MISSING"}
"""Why the intake takes no instance with one of these faults."""

SITE = {
    "name": "Hospital A",
    "late_minutes": 20,
    "slow_seconds": 30,
    "faults": {
        "duplicates": 0.01, "drops": 0.01, "late_instances": 0.01, "wrong_vr": 0.01, "odd_charsets": 0.01,
        "wrong_patient_id": 0.005, "missing_uid": 0.01, "truncated": 0.01, "slow": 0.02,
    },
    "services": [
        {"name": "Mammography", "modality": "MG", "devices": 5, "studies_per_hour": 100, "image_size": 32,
         "instances": 2},
        {"name": "Ultrasound", "modality": "US", "devices": 5, "studies_per_hour": 100, "image_size": 32,
         "instances": 1},
    ],
}  # fmt: skip
_UID = re.compile(r"\b[0-9]+(?:\.[0-9]+){2,}\b")


@pytest.fixture(scope="module")
def intake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Intake]:
    with trial_intake(tmp_path_factory.mktemp("intake")) as running:
        yield running


@dataclass
class Soaked:
    """What the mock hospital says it sent, and what the intake made of it."""

    intake: Intake
    lines: list[dict[str, Any]]

    @cached_property
    def whole(self) -> dict[str, frozenset[str]]:
        """The studies that were sent whole, with their instances."""
        return whole_studies(map(json.dumps, self.lines))

    @cached_property
    def new_uids(self) -> dict[str, str]:
        """What each study is called in the trial's store."""
        uids = sorted({line["study_uid"] for line in self.lines})
        return dict(zip(uids, GuidClient(self.intake.channel("guid")).map_identifiers(uids).uids, strict=True))

    @cached_property
    def doubtful(self) -> set[str]:
        """Studies with a Patient ID that two people bear: whoever comes second under it is not de-identified."""
        wrong = {line["patient_id_sent"] for line in self.lines if line["patient_id_sent"] != line["patient_id"]}
        return {line["study_uid"] for line in self.lines if line["patient_id_sent"] in wrong}

    @cached_property
    def expected(self) -> dict[str, int]:
        """Instances that each study has at the end, by its new UID: those that were sent and can be stored."""
        sent = {
            (line["study_uid"], line["sop_instance_uid"])
            for line in self.lines
            if line["fault"] not in ("drops", *REFUSED) and line["study_uid"] not in self.doubtful
        }
        return dict(Counter(self.new_uids[study] for study, _ in sent))

    def told(self) -> Counter[str]:
        """How many mails there were of each study."""
        return Counter(uid for mail in self.intake.mail.mails for uid in _UID.findall(mail.text))

    def completed(self) -> Counter[str]:
        """How often each study of the trial's store was complete: once more after late instances."""
        feed = self.intake.archive.watch_feed(stores=["trial"], stop_at_head=True, omit_headers=True)
        entries = (entry for batch in feed for entry in batch.entries)
        return Counter(one.study_completed.study_uid for one in entries if one.HasField("study_completed"))

    def settled(self) -> bool:
        """Whether nothing is under way any more."""
        if any(self.intake.route.jobs(state=pb.Job.STATE_WAITING)):
            return False
        there = {one.study_uid: one.instance_count for one in self.intake.archive.studies(store="trial")}
        if any(there.get(uid) != count for uid, count in self.expected.items()):
            return False
        completed = self.completed()
        return set(self.expected) <= completed.keys() and self.told() == Counter(
            {uid: count * RECIPIENTS for uid, count in completed.items()}
        )

    def complaints(self) -> Iterator[str]:
        """Whatever is not as it must be."""
        yield from self._stored()
        yield from self._refused()
        told = self.told()
        yield from (f"{uid} was told of {told[new]} times" for uid, new in self.new_uids.items()
                    if uid in self.whole.keys() - self.doubtful and told[new] < RECIPIENTS)  # fmt: skip
        logs = self.intake.logs()
        yield from (f"a log has {word!r}" for word in ("Traceback", *self._patients()) if word in logs)

    def _stored(self) -> Iterator[str]:
        archive = self.intake.archive
        inbox = Counter(one.study_uid for one in archive.studies(store="inbox"))
        trial = {one.study_uid: one.instance_count for one in archive.studies(store="trial")}
        for uid, instances in self.whole.items():
            there = trial.get(self.new_uids[uid], 0)
            if inbox[uid] != 1 or (there != len(instances) and uid not in self.doubtful):
                yield f"{uid} was sent whole, with {len(instances)}, and the trial has {there}"
        doubtful = {self.new_uids[uid] for uid in self.doubtful}
        if {uid: count for uid, count in trial.items() if uid not in doubtful} != self.expected:
            yield f"the trial's store has others than were sent: {sorted(trial.keys() ^ self.expected.keys())}"

    def _refused(self) -> Iterator[str]:
        """What cannot be stored has a dead job that says why, and lies where it was dropped; nothing else does."""
        wanted = {line["sop_instance_uid"]: REFUSED[line["fault"]] for line in self.lines if line["fault"] in REFUSED}
        jobs = list(self.intake.route.jobs(state=pb.Job.STATE_DEAD))
        dead = {Path(one.item.file.path).stem: one.steps[0].last_error for one in jobs if one.rule == "intake"}
        left = {path.stem for path in self.intake.incoming.rglob("*") if path.is_file()}
        if dead != wanted or left != wanted.keys():
            yield f"refused should be {wanted}, dead are {dead}, and left are {left}"
        for job in jobs:
            doubtful = job.item.study.study_uid in self.doubtful and "IDENTITY_COLLISION" in job.steps[0].last_error
            if job.rule != "intake" and not doubtful:
                yield f"{job.name} of {job.rule} is dead: {job.steps[0].last_error}"

    def _patients(self) -> set[str]:
        return {line["patient_id"] for line in self.lines}


def run(intake: Intake, duration: str, speed: int, seed: int) -> Soaked:
    """Have the hospital work so long."""
    (intake.room / "site.json").write_text(json.dumps(SITE))
    words = ["mock", "@site.json", "--speed", str(speed), "--duration", duration, "--seed", str(seed)]
    words += ["--dest", f"path:{intake.incoming / 'hospital_a' / 'mammo'}", "--ledger", "ledger.jsonl"]
    done = subprocess.run(
        [sys.executable, "-m", "diana_cli", *words],
        cwd=intake.room,
        env=dict(os.environ),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = (intake.room / "ledger.jsonl").read_text("utf-8").splitlines()
    return Soaked(intake, [json.loads(line) for line in lines])


def settle(true: Callable[[], bool], seconds: float, every: float) -> bool:
    """Whether something that takes long to look at came true in time."""
    pause = threading.Event()
    return any(true() or pause.wait(every) for _ in range(round(seconds / every)))


@pytest.mark.timeout(240)
def test_studies_of_some_minutes_arrive_in_the_trial_once_as_the_ledger_says(intake: Intake) -> None:
    soaked = run(intake, "5m", speed=60, seed=1)
    assert settle(soaked.settled, 120, 0.5), list(soaked.complaints())
    assert list(soaked.complaints()) == [] and len(soaked.whole) > 40


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_studies_of_five_hours_arrive_in_the_trial_once_as_the_ledger_says(intake: Intake) -> None:
    soaked = run(intake, "5h", speed=30, seed=2)
    assert settle(soaked.settled, 1200, 10), list(soaked.complaints())
    assert list(soaked.complaints()) == [] and len(soaked.whole) > 4000

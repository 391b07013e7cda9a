"""anonymize, send, dispatch and deliveries against a mesh that diana-cli runs itself."""

from __future__ import annotations

import json
import select
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.dicom_files import ROOT, make_small
from tests.support.local_mesh import CLI, LocalMesh, run_cli, until, write_study

NOTIFY = """
channels: {news-here: News, mammo-here: Mammography here}
subscribers:
  - {name: Ada, file: news.jsonl, channels: [news-here]}
  - {name: Ben, file: mammo.jsonl, channels: [mammo-here]}
templates:
  ready: {subject: A study is ready, body: "{{ values.study_uid }} has {{ values.instance_count }} instances"}
rules:
  - {name: ready, stores: [deid], channel: $trial-$site, template: ready}
"""

ANON = """
profiles: {trial: {use: trial}}
crosswalk:
  tokens:
    ada: {file: ada.token, may: [reidentify]}
    ben: {file: ben.token, may: [audit]}
"""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    """A mesh for all tests of this file; each uses a study of its own."""
    room = tmp_path_factory.mktemp("mesh")
    (room / "state" / "config").mkdir(parents=True)
    (room / "state" / "config" / "notify.yaml").write_text(NOTIFY)
    for name in ("ada", "ben"):
        (room / f"{name}.token").write_text(name * 8)
    (room / "state" / "config" / "anon.yaml").write_text(ANON.replace("file: ", f"file: {room}/"))
    running = LocalMesh.start(room)
    yield running
    assert running.stop() == 0


def _put(mesh: LocalMesh, folder: Path, number: int) -> dict[str, bytes]:
    files = write_study(folder, number)
    mesh.run("dgetall", f"path:{folder}", "put", "archive:")
    return files


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in folder.rglob("*.dcm")}


def test_a_study_is_deidentified_found_and_fetched(mesh: LocalMesh, tmp_path: Path) -> None:
    _put(mesh, tmp_path / "in", 1)
    [made] = mesh.items("anonymize", f"{ROOT}.9.1", "--to", "deid", "--attribute", "trial=mammo")
    assert (made["instances"], made["refused"], made["complete"]) == (3, 0, True)
    assert made["source_study_uid"] == f"{ROOT}.9.1"

    keys = ["-m", f"StudyInstanceUID={made['study_uid']}", "--at-least", made["position"]]
    [found] = mesh.items("find", "--in", "index:deid", *keys, "-r", "PatientName")
    assert (found["instances"], found["store"]) == (3, "deid")
    assert "Phantom" not in found["PatientName"]

    fetch = ["get", "--from", "archive:deid", "--study", made["study_uid"], "--out", tmp_path / "out"]
    assert mesh.run(*fetch) == "3 stored\n"
    whole = b"".join(_bytes(tmp_path / "out").values())
    for value in (b"E2E1", b"Phantom^Petra", b"Petra", b"19610404", b"Teaching Hospital", f"{ROOT}.9.1".encode()):
        assert value not in whole, value
    changes = mesh.items("watch", "--in", "archive:deid", "--from-beginning", "--stop-at-head")
    told = [change for change in changes if change.get("study_uid") == made["study_uid"]]
    assert {"trial": "mammo"} in [change.get("attributes") for change in told]
    assert told[-1]["reason"] == "counted_against_source"


def test_files_come_out_as_the_study_does_byte_for_byte(mesh: LocalMesh, tmp_path: Path) -> None:
    _put(mesh, tmp_path / "in", 2)
    chain: list[str | Path] = [
        "anonymize",
        f"{ROOT}.9.2",
        "--to",
        "deid",
        "get",
        "--from",
        "archive:deid",
        "--out",
        tmp_path / "study",
    ]
    assert mesh.run(*chain) == "3 stored\n"
    flow: list[str | Path] = ["dgetall", f"path:{tmp_path / 'in'}", "anonymize", "--out", tmp_path / "flow"]
    assert mesh.run(*flow) == "3 stored\n"
    named: list[str | Path] = ["anonymize", "--out", tmp_path / "named", *sorted((tmp_path / "in").iterdir())]
    assert mesh.run(*named) == "3 stored\n"
    assert _bytes(tmp_path / "study") == _bytes(tmp_path / "flow") == _bytes(tmp_path / "named")


def test_a_second_time_stores_nothing_twice(mesh: LocalMesh, tmp_path: Path) -> None:
    _put(mesh, tmp_path / "in", 3)
    once, again = (mesh.items("anonymize", f"{ROOT}.9.3", "--to", "deid") for _ in range(2))
    assert once[0]["study_uid"] == again[0]["study_uid"]
    assert mesh.items("get", "--from", "archive:deid", "--study", once[0]["study_uid"], "count") == [{"count": 3}]


def test_a_cohort_is_deidentified_study_by_study(mesh: LocalMesh, tmp_path: Path) -> None:
    for number in (4, 5):
        _put(mesh, tmp_path / str(number), number)
    chain = ["dgetall", f"path:{tmp_path}", "put", "archive:", "anonymize", "--to", "deid"]
    made = mesh.items(*chain)
    assert {item["source_study_uid"] for item in made} == {f"{ROOT}.9.4", f"{ROOT}.9.5"}
    assert [item["instances"] for item in made] == [3, 3]


def test_a_refused_instance_is_told_and_the_others_arrive(mesh: LocalMesh, tmp_path: Path) -> None:
    write_study(tmp_path / "in", 6)
    nobody = make_small(
        patient_id="", study_uid=f"{ROOT}.9.6", series_uid=f"{ROOT}.9.6.0", sop_uid=f"{ROOT}.9.6.4", PatientName=""
    )
    (tmp_path / "in" / "nobody.dcm").write_bytes(nobody)
    mesh.run("dgetall", f"path:{tmp_path / 'in'}", "put", "archive:")
    done = run_cli(["--state", mesh.state, "--json", "anonymize", f"{ROOT}.9.6", "--to", "deid"], tmp_path)
    assert done.returncode == 1
    made = json.loads(done.stdout)
    assert (made["refused"], made["complete"]) == (1, False)
    told = json.loads(done.stderr.splitlines()[0])["error"]
    assert (told["where"], told["item"], told["reason"]) == ("anonymize", f"{ROOT}.9.6.4", "SUBJECT_INVALID")
    assert "subject_key: name_birth_date_sex" in told["remedy"]


@pytest.mark.parametrize(
    ("args", "status", "reason"),
    [
        (["anonymize", "1.2.3.4", "--to", "deid"], 1, "STUDY_NOT_FOUND"),
        (["anonymize", "1.2.3.4", "--from", "nosuchstore", "--to", "deid"], 1, "STORE_UNKNOWN"),
        (["anonymize", "1.2.3.4", "--to", "deid", "--profile", "nosuch"], 1, "PROFILE_UNKNOWN"),
        (["dispatch", "nosuch", "--body", "x"], 1, "CHANNEL_UNKNOWN"),
        (["send", "screen:", "--template", "nosuch"], 1, "TEMPLATE_UNKNOWN"),
        (["send", "email:ada@hospital.example", "--body", "x"], 2, "RECIPIENT_INVALID"),
        (["send", "screen:", "--body", "{{ values"], 2, "TEMPLATE_INVALID"),
    ],
)
def test_a_refusal_names_its_reason_and_a_remedy(mesh: LocalMesh, args: list[str], status: int, reason: str) -> None:
    done = run_cli(["--state", mesh.state, *args], mesh.state.parent)
    assert done.returncode == status, done.stderr
    first, remedy = done.stderr.splitlines()
    assert reason in first
    assert remedy.startswith("  ")


def test_a_channel_is_told_and_the_ledger_says_so(mesh: LocalMesh) -> None:
    [queued] = mesh.items(
        "dispatch", "news-here", "--subject", "Hello", "--body", "{{ values.count }} studies", "--value", "count=12"
    )
    assert queued["channel"] == "news-here"
    until(lambda: queued["delivery"] in {one["delivery"] for one in mesh.items("deliveries", "--state", "sent")})
    [line] = (mesh.state / "notify" / "outbox" / "news.jsonl").read_text().splitlines()
    assert json.loads(line)["body"] == "12 studies"


def test_who_watches_the_deliveries_sees_them_sent_until_ctrl_c(mesh: LocalMesh) -> None:
    command = [*CLI, "--state", str(mesh.state), "--json", "deliveries", "--channel", "news-here", "--watch"]
    watcher = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    told = watcher.stdout
    assert told is not None

    def is_told() -> bool:
        """It watches from some moment on: what was sent before is not told."""
        mesh.items("dispatch", "news-here", "--body", "Look.")
        return bool(select.select([told], [], [], 0.2)[0])

    until(is_told)
    while json.loads(told.readline())["state"] != "sent":
        pass
    watcher.send_signal(signal.SIGINT)
    _, errors = watcher.communicate(timeout=60)
    assert (watcher.returncode, errors) == (0, "")


def test_a_study_that_completes_is_told_on_the_channel_of_its_trial_and_site(mesh: LocalMesh, tmp_path: Path) -> None:
    _put(mesh, tmp_path / "in", 7)
    attributes = ["--attribute", "trial=mammo", "--attribute", "site=here"]
    mesh.run("anonymize", f"{ROOT}.9.7", "--to", "deid", *attributes)
    until(lambda: bool(mesh.items("deliveries", "--channel", "mammo-here", "--state", "sent")))
    [told] = mesh.items("deliveries", "--channel", "mammo-here")
    assert told["rule"]
    assert "E2E7" not in (mesh.state / "notify" / "outbox" / "mammo.jsonl").read_text()


def _as(mesh: LocalMesh, caller: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Run diana-cli with somebody's token."""
    room = mesh.state.parent
    services = room / f"{caller}.yaml"
    address = mesh.services()["anon"]["address"]
    services.write_text(f"anon: {{ctype: anon, address: '{address}', token_file: {room}/{caller}.token}}")
    return run_cli(["--services", services, "--json", *args], room)


def test_a_cohort_is_looked_at_first_done_with_proof_and_led_back_by_those_who_may(
    mesh: LocalMesh, tmp_path: Path
) -> None:
    _put(mesh, tmp_path / "in", 8)
    study, page = f"{ROOT}.9.8", tmp_path / "preview.html"
    [looked] = mesh.items("anonymize", study, "--preview", "--report", page)
    assert (looked["instances"], looked["conflicts"], looked["outcome"]) == (3, 0, "previewed")
    assert "Text that would remain" in page.read_text()

    [done] = mesh.items("anonymize", study, "--to", "deid", "--together", "--report", tmp_path / "done.json")
    report = json.loads((tmp_path / "done.json").read_text())
    assert (done["studies"], report["counts"]["instances"]) == (1, 3)
    assert study not in json.dumps(report)
    assert report["operation"]["operation"] == done["operation"]
    new = report["studies"][0]["study_uid"]
    mesh.run("get", "--from", "archive:deid", "--study", new, "--out", tmp_path / "out")
    results = sorted((tmp_path / "out").rglob("*.dcm"))
    for file in results:
        [receipt] = mesh.items("receipt", file, "--actions")
        assert (receipt["file"], receipt["signature"], receipt["study_uid"]) == ("result", "good", new)
        assert ["(0010,0010)", "identity"] in receipt["actions"]
    [source] = mesh.items("receipt", results[0].stem, "--verify", results[0])
    assert source["file"] == "result"
    assert (
        "RECEIPT_INVALID"
        in run_cli(["--state", mesh.state, "receipt", results[0].stem, "--verify", results[1]], tmp_path).stderr
    )
    assert mesh.items("quarantine") == []

    [found] = map(json.loads, _as(mesh, "ada", "reidentify", new, "--reason", "case 17").stdout.splitlines())
    assert (found["patient_id"], found["study_uid"]) == ("E2E8", study)
    assert "CALLER_NOT_PERMITTED" in _as(mesh, "ben", "reidentify", new, "--reason", "curious").stderr
    assert "CALLER_NOT_PERMITTED" in _as(mesh, "ada", "reidentifications").stderr
    log = [json.loads(line) for line in _as(mesh, "ben", "reidentifications").stdout.splitlines()]
    assert [(one["caller"], one["granted"], one["reason"]) for one in log] == [
        ("ben", False, "curious"),
        ("ada", True, "case 17"),
    ]


def test_a_report_as_text_comes_out_without_its_patient(mesh: LocalMesh, tmp_path: Path) -> None:
    _put(mesh, tmp_path / "in", 9)
    (tmp_path / "report.txt").write_text("Phantom, Petra, was seen again. Lungs are clear.\n")
    told = mesh.run("anonymize", tmp_path / "report.txt", "--of", f"{ROOT}.9.9")
    assert "Phantom" not in told
    assert "Lungs are clear." in told
    line: list[str | Path] = ["--state", mesh.state, "anonymize", tmp_path / "report.txt", "--profile", "trial"]
    lacking = run_cli(line, tmp_path)
    assert lacking.returncode == 1
    assert "--of" in lacking.stderr

"""The older system's verbs, as its documentation has them, with a real Orthanc, a real mesh and real mail."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from diana_cli.signatures import KEY_VARIABLE
from tests.support import orthanc
from tests.support.dicom_files import ROOT
from tests.support.local_mesh import LocalMesh, write_scans
from tests.support.smtp import MailServer

pytestmark = orthanc.needs_orthanc

NOTIFY = """
channels: {mammo-here: Mammography here}
subscribers:
  - {name: Ada, file: mammo.jsonl, channels: [mammo-here]}
"""
SUBSCRIPTIONS = """
mammo-here: Mammography here
---
- {name: Ada, email: ada@hospital.example, channels: [mammo-here]}
- {name: Ben, email: ben@hospital.example, channels: [other]}
"""
ORIGINAL = {"PatientName": "Phantom^Petra", "AccessionNumber": "ACC0001", "StudyDateTime": "20260114100900"}
SIGN = "signature:[AccessionNumber,StudyDateTime,PatientName,trial,site]"


@dataclass
class Site:
    """A mesh, an Orthanc that the environment names, and folders with a study each: a test has its own."""

    mesh: LocalMesh
    pacs: orthanc.Served
    room: Path

    def folder(self, number: int) -> Path:
        """The folder of a study, which is written if it is not there yet."""
        folder = self.room / f"data{number}" / "dcm"
        if not folder.exists():
            write_scans(folder, number)
        return folder

    def scans(self, number: int) -> str:
        """The same as an endpoint."""
        return f"path:{self.folder(number)}"

    def found(self, made: dict[str, Any], *question: str) -> dict[str, Any]:
        """The one study of those that a question finds in Orthanc that something was put into."""
        [found] = [
            one for one in self.mesh.items("ofind", *question, "orthanc:") if one["study_uid"] == made["study_uid"]
        ]
        return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    room = tmp_path_factory.mktemp("older")
    config = room / "state" / "config"
    config.mkdir(parents=True)
    (config / "notify.yaml").write_text(NOTIFY)
    (room / "orthanc").mkdir()
    with orthanc.serving(room / "orthanc") as pacs, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORTHANC_HOST", "127.0.0.1")
        patch.setenv("ORTHANC_PORT", str(pacs.port))
        patch.setenv(KEY_VARIABLE, base64.urlsafe_b64encode(bytes(range(32))).decode())
        (config / "dimse.yaml").write_text(json.dumps({"peers": {"pacs": _peer(pacs)}}))
        mesh = LocalMesh.start(room)
        yield Site(mesh, pacs, room)
        assert mesh.stop() == 0


def _peer(pacs: orthanc.Served) -> dict[str, object]:
    """The Orthanc, as our DICOM door knows it; it is told of the door."""
    ours = json.dumps({"AET": "DIANA", "Host": "127.0.0.1", "Port": 104}).encode()
    urlopen(Request(f"{pacs.url}/modalities/diana", ours, method="PUT")).close()
    with urlopen(f"{pacs.url}/modalities?expand") as answer:
        port = json.load(answer)["itself"]["Port"]
    return {"title": "ORTHANC", "host": "127.0.0.1", "port": port, "retrieve": "get"}


def test_one_file_is_dumped_as_an_image_beside_its_name(site: Site, tmp_path: Path) -> None:
    line = ["get", site.scans(1), "IM0001.dcm", "fdump"]
    assert site.mesh.run(*line, "png", tmp_path) == "1 written\n"
    assert [path.name for path in tmp_path.iterdir()] == ["IM0001.png"]
    assert (tmp_path / "IM0001.png").read_bytes().startswith(b"\x89PNG")
    site.mesh.run(*line, tmp_path / "windowed", "--window", "lung")
    assert (tmp_path / "windowed" / "IM0001.png").read_bytes() != (tmp_path / "IM0001.png").read_bytes()
    site.mesh.run("dcm2im", site.folder(1) / "IM0001.dcm", tmp_path / "again")
    assert (tmp_path / "again" / "IM0001.png").read_bytes() == (tmp_path / "IM0001.png").read_bytes()


def test_a_trial_goes_to_orthanc_deidentified_signed_and_is_told_of(site: Site) -> None:
    """The older documentation's longest lines, with the key in the environment."""
    made = site.mesh.items(
        *("dgetall", "-b", site.scans(1), "setmeta", "{trial: mammo, site: here}"),
        *("oput", "--anonymize", "--sign", SIGN, "orthanc:"),
    )
    assert [one["outcome"] for one in made] == ["stored"] * 3
    found = site.found(made[0], "-q", "{'StudyDescription': ''}")
    assert found["study_uid"] != f"{ROOT}.9.1"
    [opened] = site.mesh.items("oget", "-m", "signature", "orthanc:", found["id"])
    assert {key: opened[key] for key in (*ORIGINAL, "trial", "site")} == {**ORIGINAL, "trial": "mammo", "site": "here"}
    [raw] = site.mesh.items("ogetm", "orthanc:", found["study_uid"], "signature")
    assert raw["PatientName"] == "Phantom^Petra"

    with MailServer() as mail, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMTP_HOST", "127.0.0.1")
        patch.setenv("SMTP_PORT", str(mail.port))
        patch.setenv("SMTP_FROM", "diana@hospital.example")
        (site.room / "subscriptions.yaml").write_text(SUBSCRIPTIONS)
        (site.room / "notify.txt.tmpl").write_text(
            "Subject: {{ AccessionNumber }}\n\nDear {{ recipient.name }}: {{ trial }}"
        )
        site.mesh.run(
            *("oget", "-m", "signature", "orthanc:", found["id"], "dispatch"),
            *("--subscriptions", f"@{site.room}/subscriptions.yaml", "--email-messenger", "smtp:"),
            *("--msg_t", f"@{site.room}/notify.txt.tmpl", "--channel_tmpl=$trial-$site"),
        )
        [got] = mail.wait_for(1)
    assert (got.recipients, got.message["Subject"], got.text.strip()) == (
        ("ada@hospital.example",),
        "ACC0001",
        "Dear Ada: mammo",
    )


def test_metadata_without_the_key_says_nothing(site: Site, tmp_path: Path) -> None:
    made = site.mesh.items("dgetall", site.scans(2), "oput", "-a", "--sign", "signature: [PatientName]", "orthanc:")
    found = site.found(made[0], "-q", "PatientID: '*'")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(KEY_VARIABLE)
        [sealed] = site.mesh.items("ogetm", "orthanc:", found["id"], "signature")
        assert "Phantom" not in str(sealed)
        (tmp_path / "other.key").write_text(base64.b64encode(bytes(32)).decode())
        wrong = ["ogetm", "--fkey-file", tmp_path / "other.key", "orthanc:", found["id"], "signature"]
        site.mesh.run(*wrong, status=1)
        refused = site.mesh.run("dgetall", site.scans(2), "oput", "--sign", SIGN, "orthanc:", status=2)
        assert refused == ""


def test_an_archive_takes_the_same_verbs(site: Site, tmp_path: Path) -> None:
    take = ["dgetall", site.scans(3), "setmeta", "{trial: mammo, site: here}"]
    made = site.mesh.items(*take, "oput", "-a", "--sign", SIGN, "archive:deid")
    study, position = made[0]["study_uid"], made[-1]["position"]
    site.mesh.run("find", "--in", "index:deid", "--at-least", position)
    [found] = site.mesh.items("ofind", "archive:deid")
    assert found["study_uid"] == study
    [opened] = site.mesh.items("oget", "-m", "signature", "archive:deid", study)
    assert opened["PatientName"] == "Phantom^Petra"
    site.mesh.run("oputm", "archive:deid", study, "{trial: mammo, site: here}")
    assert site.mesh.run("ogetm", "archive:deid", study, "trial") == "trial: mammo\n"
    told = site.mesh.items(
        "oget", "-m", "trial,site", "archive:deid", study, "dispatch", "$trial-$site", "--subject", "x"
    )
    assert [one["channel"] for one in told] == ["mammo-here"]
    assert site.mesh.run("oget", "-b", "archive:deid", study, "put", f"path:{tmp_path}") == "3 stored\n"


def test_what_a_peer_has_is_found_and_retrieved(site: Site) -> None:
    """As `ofind -d radarch sticky_bridge`: here Orthanc asks itself."""
    site.mesh.run("dgetall", site.scans(4), "oput", "orthanc:")
    found = site.mesh.items("ofind", "-a", "ACC0004", "-d", "itself", "orthanc:")
    assert [one["study_uid"] for one in found] == [f"{ROOT}.9.4"]
    assert site.mesh.items("ofind", "-a", "NONE", "-d", "itself", "orthanc:") == []
    series = site.mesh.items("ofind", "-l", "series", "-q", f"StudyInstanceUID: {ROOT}.9.4", "orthanc:")
    assert [one["series_uid"] for one in series] == [f"{ROOT}.9.4.0"]


def test_an_archives_door_finds_and_retrieves_from_the_same_peer(site: Site) -> None:
    site.mesh.run("dgetall", site.scans(5), "oput", "orthanc:")
    line = ["ofind", "-a", "ACC0005", "--peer", "pacs"]
    [found] = site.mesh.items(*line, "archive:")
    assert found["study_uid"] == f"{ROOT}.9.5"
    assert site.mesh.run(*line, "-r", "archive:") == "3 retrieved\n"
    assert site.mesh.run("oget", "-b", "archive:", f"{ROOT}.9.5", "count") == "3\n"


def test_reports_are_found_and_read(site: Site, tmp_path: Path) -> None:
    put = site.mesh.items("dgetall", site.scans(6), "put", "archive:")
    site.mesh.run("find", "--at-least", put[-1]["position"])
    (tmp_path / "ACC0006.txt").write_text("Former smoker, 37.5 pack-years. No nodule. Lung-RADS 2. RADCAT 3.")
    site.mesh.run("report", "put", tmp_path)
    line = ["mfind", "-a", "ACC0006", "-e", "lungrads", "-e", "radcat", "index:"]
    [found] = site.mesh.items(*line)
    assert (found["lungrads"], found["current_smoker"], found["pack_years"]) == ("2", False, 37.5)
    assert found["radcat"] == "3"
    assert site.mesh.run(*line, "print", "jsonl").startswith("{")
    assert site.mesh.items("mfind", "-q", "nodule", "--start_date", "2026-01-01", "index:")
    assert site.mesh.items("mfind", "-q", "AccessionNumber: NONE", "index:") == []
    assert site.mesh.items("mfind", "--today", "index:") == []


def test_one_person_is_told_at_once_or_by_notify(site: Site) -> None:
    with MailServer() as mail, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMTP_HOST", "127.0.0.1")
        patch.setenv("SMTP_PORT", str(mail.port))
        patch.setenv("SMTP_FROM", "diana@hospital.example")
        site.mesh.run("wsend", "--data", "msg_text: Hello 123", "-t", "test@example.com", "smtp:")
        line = ["-t", "test@example.com", "-m", "Found {{ AccessionNumber }} in {{ path }}", "smtp:"]
        site.mesh.run("get", site.scans(7), "IM0001.dcm", "wsend", *line)
        texts = [one.text.strip() for one in mail.wait_for(2)]
    assert texts == ["Hello 123", "Found ACC0007 in IM0001.dcm"]
    [queued] = site.mesh.items("wsend", "--data", "msg_text: '{{ 7 * 7 }}'", "-t", "file:told.jsonl", "notify:")
    assert queued["recipient"] == "file:told.jsonl"


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        (["oput", "--fkey", "secret", "orthanc:"], "--fkey-file FILE"),
        (["oput", "-a", "--anon-salt", "secret", "orthanc:"], "guid service"),
    ],
)
def test_secrets_are_not_taken_on_the_command_line(site: Site, line: list[str], remedy: str) -> None:
    from click.testing import CliRunner

    from diana_cli.app import cli

    told = CliRunner().invoke(cli, ["dgetall", site.scans(7), *line], env={"COLUMNS": "300", "TERM": "dumb"})
    assert told.exit_code == 2
    assert remedy in told.output
    assert "secret" not in told.output
    assert os.environ[KEY_VARIABLE] not in told.output

"""ProfileService on a real server: by client, by asyncio's, and from the shell."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner, Result
from pydicom import Dataset, dcmread

from diana.anon.v1 import profile_service_pb2 as pb
from diana.anon.v1.profile_service_pb2_grpc import ProfileServiceStub
from diana_anon.__main__ import make_server
from diana_anon.config import AnonConfig, ProfileConfig
from diana_anon.core.profiles import NAMES, profile_digest, shipped_profile, shipped_text
from diana_cli.app import cli
from diana_client import AsyncProfileClient, MeshError, NotFound, ProfileClient, connect, connect_async
from diana_common.errors import DianaError, Reason
from diana_server.config import PeerConfig, ServerConfig
from tests.contract.anon.conftest import NOWHERE, Serve
from tests.contract.guid.refusals import refused
from tests.support.dicom_files import make_small

OWN = """# of the trial's office
profile: office
extends: trial
overrides:
  - {tag: StationName, action: replace, value: SCANNER, modality: [CT, MR]}
  - {tag: SeriesDescription, action: keep, iod: MR Image Storage}
"""
BAD = "profile: office\noptions: [113102]\noverrides:\n  - {tag: AccesionNumber, action: map}\n"
MR = "1.2.840.10008.5.1.4.1.1.4"


@dataclass
class Running:
    """A server with the profiles "default" and "atlas", and who asks it."""

    address: str
    client: ProfileClient
    stub: ProfileServiceStub
    folder: Path

    def run(self, *line: str | Path) -> Result:
        """Run diana-cli."""
        services = self.folder / "services.yaml"
        services.write_text(json.dumps({"anon": {"ctype": "anon", "address": self.address}}))
        args = ["--services", str(services), "profile", *map(str, line)]
        return CliRunner().invoke(cli, args, env={"COLUMNS": "200", "TERM": "dumb"})

    def file(self, text: str) -> Path:
        """A profile's file."""
        path = self.folder / "office.yaml"
        path.write_text(text)
        return path


def config(folder: Path, **profiles: ProfileConfig) -> AnonConfig:
    nowhere = PeerConfig(NOWHERE)
    return AnonConfig(
        ServerConfig(listen="127.0.0.1:0"), folder / "anon", archive=nowhere, guid=nowhere, profiles=profiles
    )


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("profiles")
    own = folder / "atlas.yaml"
    own.write_text(OWN)
    server = make_server(config(folder, atlas=ProfileConfig(file=own)))
    try:
        address = server.start()
        with connect(address) as channel, grpc.insecure_channel(address) as raw:
            yield Running(address, ProfileClient(channel), ProfileServiceStub(raw), folder)
    finally:
        server.stop(0)


def test_configured_profiles_and_shipped_ones_can_be_had(running: Running) -> None:
    for name in NAMES:
        found = running.client.get(name)
        assert (found.text, found.digest) == (shipped_text(name), profile_digest(shipped_profile(name)))
    assert running.client.get("atlas").text.decode() == OWN
    assert running.client.get("default").digest == running.client.get("basic").digest
    with pytest.raises(NotFound) as caught:
        running.client.get("atlsa")
    assert caught.value.reason == "PROFILE_UNKNOWN"
    assert "did you mean 'atlas'?" in caught.value.message


def test_a_text_is_checked_and_its_digest_is_that_of_the_same_profile_elsewhere(running: Running) -> None:
    good = running.client.check(OWN.replace("office", "other").encode())
    assert (good.digest, list(good.faults)) == (running.client.get("atlas").digest, [])
    bad = running.client.check(BAD.encode())
    assert [(one.line, one.field) for one in bad.faults] == [(2, "options[0]"), (4, "overrides[0].tag")]
    assert bad.faults[1].description == "'AccesionNumber' is no attribute; did you mean 'AccessionNumber'?"
    assert not bad.digest


def test_profiles_are_compared_by_name_and_by_text(running: Running) -> None:
    assert running.client.compare("atlas", OWN.encode()) == []
    found = {one.path: one for one in running.client.compare("trial", "atlas")}
    assert list(found) == ["(0008,1010)"]
    condition = "Modality = CT OR Modality = MR"
    assert (found["(0008,1010)"].left, found["(0008,1010)"].right) == ("remove", f"remove (replace if {condition})")
    assert "(0008,103E)" in {one.path for one in running.client.compare("trial", "atlas", sop_class_uid=MR)}


def test_an_attribute_is_explained(running: Running) -> None:
    told = running.client.explain("atlas", "RequestAttributesSequence.AccessionNumber")
    assert (told.path, told.keyword, told.action) == ("(0040,0275).(0008,0050)", "AccessionNumber", "map")
    assert told.reasons[0].startswith("Override on line ")
    told = running.client.explain(OWN.encode(), "(0008,1010)")
    assert list(told.conditional) == [
        pb.ConditionalAction(condition="Modality = CT OR Modality = MR", action="replace", line=5)
    ]
    assert running.client.explain("atlas", "SeriesDescription", sop_class_uid=MR).action == "keep"


async def test_asyncio_s_client_gets_the_same(running: Running) -> None:
    async with connect_async(running.address) as channel:
        client = AsyncProfileClient(channel)
        assert await client.get("trial") == running.client.get("trial")
        assert await client.check(BAD.encode()) == running.client.check(BAD.encode())
        assert await client.compare("basic", OWN.encode()) == running.client.compare("basic", OWN.encode())
        assert await client.explain("basic", "Rows") == running.client.explain("basic", "Rows")


def test_what_is_asked_wrongly_is_refused_by_its_field(running: Running) -> None:
    ref = pb.ProfileRef(name="basic")
    unfit = refused(running.stub.ExplainAttribute, pb.ExplainAttributeRequest(profile=ref, path="PatientNam"))
    assert (unfit.reason, unfit.fields) == ("INVALID_FIELD", ["path"])
    nothing = refused(running.stub.ExplainAttribute, pb.ExplainAttributeRequest(profile=pb.ProfileRef(), path="Rows"))
    assert (nothing.reason, nothing.fields) == ("INVALID_FIELD", ["profile.profile"])
    faulty = pb.CompareProfilesRequest(left=ref, right=pb.ProfileRef(text=BAD.encode()))
    refusal = refused(running.stub.CompareProfiles, faulty)
    assert refusal.reason == "PROFILE_INVALID"
    assert refusal.fields == ["line 2: options[0]", "line 4: overrides[0].tag"]
    with pytest.raises(MeshError) as caught:
        running.client.check(b"#" * (1024 * 1024 + 1))
    assert caught.value.fields[0][0] == "text"


def test_a_text_with_a_thousand_faults_is_refused_in_one_answer(running: Running) -> None:
    text = b"profile: x\noptions:\n" + b"  - nonsense that is rather long, to fill the answer\n" * 1000
    assert len(running.client.check(text).faults) == 200
    refusal = refused(
        running.stub.ExplainAttribute, pb.ExplainAttributeRequest(profile=pb.ProfileRef(text=text), path="Rows")
    )
    assert (refusal.reason, len(refusal.fields)) == ("PROFILE_INVALID", 20)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BAD, "profiles.atlas.file: line 2: options[0]: 113102, Clean Recognizable Visual Features, is not offered"),
        (BAD, "; line 4: overrides[0].tag: 'AccesionNumber' is no attribute"),
        (None, "profiles.atlas.file: cannot be read (No such file or directory)"),
    ],
)
def test_a_service_does_not_start_with_a_faulty_profile(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "atlas.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(DianaError) as caught:
        make_server(config(tmp_path, atlas=ProfileConfig(file=file)))
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert said in caught.value.message


def test_a_service_does_not_start_with_an_unknown_profile(tmp_path: Path) -> None:
    with pytest.raises(DianaError) as caught:
        make_server(config(tmp_path, atlas=ProfileConfig(use="triall")))
    assert caught.value.message == (
        "profiles.atlas.use: is no profile that comes with the service; did you mean 'trial'?"
    )


def test_the_shell_checks_a_file(running: Running) -> None:
    good = running.run("check", running.file(OWN))
    assert (good.exit_code, good.stdout) == (0, f"office.yaml: good, digest {running.client.get('atlas').digest}\n")
    bad = running.run("check", running.file(BAD))
    assert bad.exit_code == 1
    assert bad.stdout.splitlines()[1].startswith("office.yaml:4: overrides[0].tag: 'AccesionNumber' is no attribute")
    assert bad.stderr == "2 faults\n"
    assert running.run("check", running.folder / "nowhere.yaml").exit_code == 2
    assert running.run("check", running.file("")).exit_code == 2


def test_the_shell_explains_and_compares_by_name_and_by_file(running: Running) -> None:
    told = running.run("explain", running.file(OWN), "StationName", "--iod", "MR Image Storage")
    assert told.stdout.splitlines()[:2] == [
        "(0008,1010) StationName: remove",
        "  but replace if Modality = CT OR Modality = MR (line 5)",
    ]
    assert running.run("explain", "PatientID").stdout.startswith("(0010,0020) PatientID: identity\n")
    assert running.run("explain", "basic", "PatientAge", "more").exit_code == 2
    assert running.run("explain", "none", "PatientAge").exit_code == 1
    assert running.run("explain", "PatientAges").exit_code == 2
    assert running.run("explain", "PatientAge", "--iod", "CT Imag").exit_code == 2
    found = running.run("diff", "trial", running.file(OWN)).stdout.splitlines()
    cells = "(0008,1010) StationName remove remove (replace if Modality = CT OR Modality = MR)"
    assert " ".join(found[1].split()) == cells
    same = running.run("diff", "default", "basic")
    assert (same.exit_code, same.stdout, same.stderr) == (0, "", "no difference\n")
    assert running.run("diff", "basic", running.folder / "nowhere.yaml").exit_code != 0


def test_the_shell_shows_and_lists_profiles(running: Running) -> None:
    assert running.run("show", "atlas").stdout == OWN
    listed = running.run("list").stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["Profile", "atlas", "default"]


def test_an_instance_is_treated_by_the_overrides_whose_conditions_it_meets(serve: Serve, tmp_path: Path) -> None:
    own = tmp_path / "atlas.yaml"
    own.write_text(OWN)
    bench = serve(profiles={"atlas": ProfileConfig(file=own)})

    def made(modality: str) -> Dataset:
        file = make_small(Modality=modality, StationName="ROOM 7", AccessionNumber="A1")
        return dcmread(BytesIO(bench.anon.anonymize_instance(file, profile="atlas").read()))

    scanner, other = made("CT"), made("US")
    assert (scanner.StationName, "StationName" in other) == ("SCANNER", False)
    assert scanner.AccessionNumber == other.AccessionNumber not in ("A1", "")

"""The contracts as a stranger meets them: `buf curl`, knowing nothing but what reflection tells."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo

from diana_common.errors import Reason
from tests.support.dicom_files import ROOT as UID_ROOT
from tests.support.dicom_files import make_small
from tests.support.mesh import Mesh

BUF_CURL = [str(Path(sys.executable).with_name("buf")), "curl", "--protocol", "grpc", "--http2-prior-knowledge"]
ARCHIVE = "diana.archive.v1.ArchiveService"
INDEX = "diana.index.v1.IndexService"
Detail = TypeVar("Detail", bound=Message)
STUDY, SOP_UID = f"{UID_ROOT}.31", f"{UID_ROOT}.31.1.1"


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    with Mesh(tmp_path_factory.mktemp("mesh"), "archive", "index") as mesh:
        yield mesh


def buf_curl(address: str, method: str, request: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    command = [*BUF_CURL, "-d", "@-", f"http://{address}/{method}"]
    return subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, timeout=60)


def answers(address: str, method: str, request: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages of the answer, one after the other."""
    ended = buf_curl(address, method, request)
    assert ended.returncode == 0, ended.stderr
    decoder, text, found = json.JSONDecoder(), ended.stdout.strip(), []
    while text:
        message, end = decoder.raw_decode(text)
        found.append(message)
        text = text[end:].lstrip()
    return found


def details(ended: subprocess.CompletedProcess[str], kind: type[Detail]) -> list[Detail]:
    """The details of that kind of a call's error."""
    values = [one["value"] for one in json.loads(ended.stderr)["details"] if one["type"] == kind.DESCRIPTOR.full_name]
    return [kind.FromString(base64.b64decode(value + "==")) for value in values]


def store(mesh: Mesh, file: bytes) -> dict[str, Any]:
    """Store a file; returns the answer for it."""
    chunk = {"tag": 1, "data": base64.b64encode(file).decode(), "finish": True}
    (answer,) = answers(mesh.archive, f"{ARCHIVE}/UploadInstances", {"chunks": [chunk]})
    (result,) = answer["results"]
    assert isinstance(result, dict)
    return result


def test_reflection_lists_the_contracts(mesh: Mesh) -> None:
    command = [*BUF_CURL, "--list-services", f"http://{mesh.archive}"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert {ARCHIVE, "grpc.health.v1.Health"} <= set(ended.stdout.split())


def test_the_stores_are_listed(mesh: Mesh) -> None:
    (answer,) = answers(mesh.archive, f"{ARCHIVE}/ListStores", {})
    assert "default" in [one["name"] for one in answer["stores"]]


def test_an_instance_is_stored_found_and_read_back(mesh: Mesh) -> None:
    file = make_small(study_uid=STUDY, series_uid=f"{STUDY}.1", sop_uid=SOP_UID)
    result = store(mesh, file)
    assert result["outcome"] in ("OUTCOME_STORED", "OUTCOME_ALREADY_STORED")

    matches = [{"attribute": "StudyInstanceUID", "values": [STUDY]}]
    question = {"level": "QUERY_LEVEL_INSTANCE", "matches": matches, "atLeastPosition": result["position"]}
    (page,) = answers(mesh.index, f"{INDEX}/Find", question)
    assert [one["sopInstanceUid"] for one in page["records"]] == [SOP_UID]

    pieces = answers(mesh.archive, f"{ARCHIVE}/ReadInstance", {"sopInstanceUid": SOP_UID})
    read = b"".join(base64.b64decode(piece.get("data", "")) for piece in pieces)
    assert hashlib.sha256(read).digest() == hashlib.sha256(file).digest()


def test_a_refusal_carries_its_reason_and_remedy(mesh: Mesh) -> None:
    ended = buf_curl(mesh.archive, f"{ARCHIVE}/GetStudy", {"studyUid": "1.2.3.4"})
    assert ended.returncode != 0
    assert json.loads(ended.stderr)["code"] == "not_found"
    (info,) = details(ended, ErrorInfo)
    assert (info.domain, info.reason) == ("diana", Reason.STUDY_NOT_FOUND.name)
    assert info.metadata["remedy"] == Reason.STUDY_NOT_FOUND.remedy


def test_a_request_that_breaks_its_contract_names_the_field(mesh: Mesh) -> None:
    ended = buf_curl(mesh.archive, f"{ARCHIVE}/GetStudy", {"studyUid": "not a UID"})
    (bad,) = details(ended, BadRequest)
    assert [violation.field for violation in bad.field_violations] == ["study_uid"]

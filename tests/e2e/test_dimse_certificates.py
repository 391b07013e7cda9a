"""A door that demands certificates of those who call over TLS, with DCMTK as the caller."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import trustme

from diana.dimse.v1.dimse_service_pb2 import ListLocalEntitiesRequest
from diana.dimse.v1.dimse_service_pb2_grpc import DimseServiceStub
from tests.support.dimse_door import needs_dcmtk
from tests.support.mesh import Mesh

pytestmark = needs_dcmtk


@dataclass(frozen=True)
class Door:
    """Where it is, and the folder with everybody's keys."""

    port: str
    folder: Path

    def echo(self, title: str, *tls: str) -> bool:
        """Whether a caller of this title is answered."""
        command = ["echoscu", *tls, "-aet", title, "-aec", "DIANA", "127.0.0.1", self.port]
        return subprocess.run(command, capture_output=True, timeout=60).returncode == 0

    def keys(self, name: str) -> tuple[str, ...]:
        """DCMTK's options for somebody's key, and the authority that all trust."""
        return ("+tls", f"{self.folder}/{name}.key", f"{self.folder}/{name}.pem", "+cf", f"{self.folder}/ca.pem")


def _issue(folder: Path, authority: trustme.CA, file: str, name: str) -> None:
    issued = authority.issue_cert(name)
    issued.private_key_pem.write_to_path(f"{folder}/{file}.key")
    for blob in issued.cert_chain_pems:
        blob.write_to_path(f"{folder}/{file}.pem", append=True)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    folder = tmp_path_factory.mktemp("keys")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(f"{folder}/ca.pem")
    for file, name in (("door", "127.0.0.1"), ("ct", "ct.hospital.example"), ("other", "other.hospital.example")):
        _issue(folder, authority, file, name)
    _issue(folder, trustme.CA(), "stranger", "ct.hospital.example")
    tls = {
        "listen": "127.0.0.1:0",
        "cert_file": f"{folder}/door.pem",
        "key_file": f"{folder}/door.key",
        "client_ca_file": f"{folder}/ca.pem",
    }
    peers = {"ct": {"title": "CT1", "certificate_names": ["ct.hospital.example"]}}
    settings = {"DIANA_DIMSE_TLS": json.dumps(tls), "DIANA_DIMSE_PEERS": json.dumps(peers)}
    with Mesh(tmp_path_factory.mktemp("state"), "dimse", settings=settings) as mesh:
        with grpc.insecure_channel(mesh.dimse) as channel:
            answer = DimseServiceStub(channel).ListLocalEntities(ListLocalEntitiesRequest())
        yield Door(answer.tls_address.rpartition(":")[2], folder)


def test_who_bears_a_peers_certificate_is_that_peer(door: Door) -> None:
    assert door.echo("CT1", *door.keys("ct"))


def test_a_title_is_not_lent_to_another_certificate(door: Door) -> None:
    assert not door.echo("CT1", *door.keys("other"))
    assert door.echo("OTHER", *door.keys("other"))


def test_without_a_certificate_or_with_a_strangers_nobody_comes_in(door: Door) -> None:
    assert not door.echo("CT1", "+tla", "+cf", f"{door.folder}/ca.pem")
    assert not door.echo("CT1", *door.keys("stranger"))
    assert door.echo("CT1", *door.keys("ct"))

"""Domains and their keys: configured, listed, created once, shared by every server of one key."""

from __future__ import annotations

import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from diana.guid.v1 import guid_service_pb2 as pb
from diana.guid.v1.guid_service_pb2_grpc import GuidServiceStub
from diana_common.errors import DianaError, Reason
from diana_guid.__main__ import make_server
from diana_guid.config import DomainConfig, GuidConfig, Scheme, Uids
from diana_guid.core import GuidMint, Subject, make_domain
from diana_guid.stores import FileKeyStore, KeyFile
from diana_server.config import ServerConfig, load_config
from tests.contract.guid.conftest import Serve
from tests.contract.guid.refusals import refused

Channels = Callable[[GuidConfig], grpc.Channel]
REQUEST = pb.MintIdentityRequest(subject=pb.Subject(patient_id="4711"))


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def health(channel: grpc.Channel) -> int:
    stub: Any = HealthStub(channel)
    status: int = stub.Check(health_pb2.HealthCheckRequest(service="diana.guid.v1.GuidService")).status
    return status


def test_domains_are_listed_by_name_with_scheme_and_presence_of_their_key(serve: Serve) -> None:
    mint = serve(
        old=DomainConfig(scheme=Scheme.DIANA2),
        older=DomainConfig(scheme=Scheme.DIANA2, uids=Uids.DIANA2),
        bare=DomainConfig(create_key=False),
    )
    assert list(mint.ListDomains(pb.ListDomainsRequest()).domains) == [
        pb.Domain(name="bare", scheme=pb.SCHEME_KEYED, uid_scheme=pb.SCHEME_KEYED),
        pb.Domain(name="default", scheme=pb.SCHEME_KEYED, uid_scheme=pb.SCHEME_KEYED, key_present=True, key_version=1),
        pb.Domain(name="old", scheme=pb.SCHEME_DIANA2, uid_scheme=pb.SCHEME_KEYED, key_present=True, key_version=1),
        pb.Domain(name="older", scheme=pb.SCHEME_DIANA2, uid_scheme=pb.SCHEME_DIANA2, key_present=True, key_version=1),
    ]


def test_the_default_domain_makes_itself_a_private_key(serve: Serve, tmp_path: Path) -> None:
    assert serve().MintIdentity(REQUEST).identity.id
    key = tmp_path / "guid" / "keys" / "default.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert [child.name for child in key.parent.iterdir()] == ["default.key"]


def test_servers_of_one_key_give_one_identity(serve: Serve) -> None:
    assert serve().MintIdentity(REQUEST) == serve().MintIdentity(REQUEST)


def test_a_key_copied_to_another_machine_gives_the_same_identities(channels: Channels, tmp_path: Path) -> None:
    here = GuidServiceStub(channels(GuidConfig(state_dir=tmp_path / "here")))
    key = written(tmp_path / "copy.key", (tmp_path / "here" / "keys" / "default.key").read_text())
    key.chmod(0o600)
    copied = GuidConfig(state_dir=tmp_path / "there", domains={"default": DomainConfig(key_file=key)})
    assert here.MintIdentity(REQUEST) == GuidServiceStub(channels(copied)).MintIdentity(REQUEST)
    assert not (tmp_path / "there").exists()


def test_servers_whose_first_mint_is_at_the_same_time_make_one_key(tmp_path: Path) -> None:
    key = KeyFile(tmp_path / "keys" / "default.key", create=True)
    mints = [GuidMint([make_domain("default")], FileKeyStore({"default": key})) for _ in range(4)]
    start = Barrier(16)

    def first_use(number: int) -> str:
        start.wait()
        return mints[number % 4].mint("default", Subject(patient_id="4711")).id

    with ThreadPoolExecutor(16) as threads:
        assert len(set(threads.map(first_use, range(16)))) == 1
    assert [child.name for child in (tmp_path / "keys").iterdir()] == ["default.key"]


def test_a_server_is_healthy_while_all_keys_can_be_loaded(channels: Channels, tmp_path: Path) -> None:
    key = tmp_path / "trial.key"
    domains = {"trial": DomainConfig(key_file=key), "old": DomainConfig(scheme=Scheme.DIANA2)}
    channel = channels(GuidConfig(state_dir=tmp_path, domains=domains))
    assert health(channel) == health_pb2.HealthCheckResponse.NOT_SERVING
    trial = pb.MintIdentityRequest(domain="trial", subject=REQUEST.subject)
    assert refused(GuidServiceStub(channel).MintIdentity, trial).reason == "DOMAIN_KEY_MISSING"
    written(key, "5a" * 32).chmod(0o600)
    assert health(channel) == health_pb2.HealthCheckResponse.SERVING
    assert GuidServiceStub(channel).MintIdentity(trial).identity.id


def test_a_key_that_is_none_is_refused_without_its_text(channels: Channels, tmp_path: Path) -> None:
    key = written(tmp_path / "trial.key", "not-a-key")
    key.chmod(0o600)
    channel = channels(GuidConfig(state_dir=tmp_path, domains={"trial": DomainConfig(key_file=key)}))
    assert health(channel) == health_pb2.HealthCheckResponse.NOT_SERVING
    refusal = refused(
        GuidServiceStub(channel).MintIdentity, pb.MintIdentityRequest(domain="trial", subject=REQUEST.subject)
    )
    assert refusal.reason == "CONFIG_INVALID"
    assert "not-a-key" not in refusal.text
    assert str(tmp_path) not in refusal.text


def test_settings_come_from_a_file_and_the_environment(tmp_path: Path) -> None:
    path = written(
        tmp_path / "guid.yaml",
        "domains:\n  trial-1: {seconds: true, key_file: '${KEYS}/t.key', create_key: true}\n  default:\n",
    )
    env = {"KEYS": str(tmp_path), "DIANA_GUID_STATE_DIR": "elsewhere", "DIANA_GUID_DOMAINS__OLD__SCHEME": "diana2"}
    config = load_config(GuidConfig, "guid", path, env)
    assert config.state_dir == Path("elsewhere")
    assert config.domains == {
        "trial-1": DomainConfig(seconds=True, key_file=tmp_path / "t.key", create_key=True),
        "default": DomainConfig(),
        "old": DomainConfig(scheme=Scheme.DIANA2),
    }


def test_a_key_is_made_at_a_named_file_only_when_asked_for(serve: Serve, tmp_path: Path) -> None:
    asked, absent = tmp_path / "asked.key", tmp_path / "absent.key"
    serve(asked=DomainConfig(key_file=asked, create_key=True), absent=DomainConfig(key_file=absent))
    assert asked.exists()
    assert not absent.exists()


def test_the_service_is_built_from_defaults(tmp_path: Path) -> None:
    config = load_config(GuidConfig, "guid", None, {"DIANA_GUID_STATE_DIR": str(tmp_path)})
    assert config.server == ServerConfig(listen="127.0.0.1:50063")
    make_server(config)
    assert (tmp_path / "keys" / "default.key").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("domains: {Trial: {}}", "domains.Trial: a domain's name is 1 to 63 of a-z, 0-9, '-' and '_'"),
        ("domains: {a.b: {}}", "domains.a.b: a domain's name"),
        ("domains: {" + "x" * 64 + ": {}}", f"domains.{'x' * 64}: a domain's name"),
        ("domains: {../x: {}}", "domains.../x: a domain's name"),
        ("domains: {t: {scheme: diana}}", "domains.t.scheme: is not one of its values; did you mean 'diana2'?"),
        ("domains: {t: {second: true}}", "domains.t.second: is not a setting; did you mean 'seconds'?"),
        ("domains: {t: {subject_key: name}}", "domains.t.subject_key: is not one of its values"),
        ("domains: {t: {birth_date_days: 0}}", "domains.t: birth_date_days must be 1 to 3650"),
        ("domains: {t: {time_offset_days: 3651}}", "domains.t: time_offset_days must be 1 to 3650"),
        ("domains: {t: {seconds: 1}}", "domains.t.seconds: must be true or false"),
        ("domains: {t: {scheme: diana2, seconds: true}}", "domains.t: scheme diana2 has no seconds"),
        ("domains: {t: {uids: diana2}}", "domains.t: scheme keyed has no uids"),
        ("key_tokens: {alice: absent}", "key_tokens.alice: is no readable file"),
        ("domains: [t]", "domains: must be a mapping"),
    ],
)
def test_a_wrong_setting_is_refused_where_it_stands(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DianaError) as refusal:
        make_server(load_config(GuidConfig, "guid", written(tmp_path / "guid.yaml", text), {}))
    assert refusal.value.reason is Reason.CONFIG_INVALID
    assert refusal.value.message.startswith(message)

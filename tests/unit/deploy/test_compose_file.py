"""What must hold of docker-compose.yml and of the settings it mounts, whatever is added to it."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import compose_pydantic
import pytest
import yaml

from diana_cli.mesh.table import SERVICES
from diana_common.settings import expand_tree
from diana_endpoints.services import Services
from diana_server.config import ServerConfig, load_config
from diana_server.interceptor import PROBE_STREAMS
from tests.support.compose import PROJECT, default_services, read_compose, seconds

COMPOSE = read_compose({})
TLS = read_compose({}, "deploy/tls.yml")
OURS = default_services(COMPOSE)
SPECS = {spec.name: spec for spec in SERVICES}
DICOM, DICOM_TLS = 11112, 2762
_OWN_THREADS = 256  # of gRPC, of health and metrics, and of workers: more than any service starts

both_stacks = pytest.mark.parametrize("compose", [COMPOSE, TLS], ids=["plain", "tls"])
every_service = pytest.mark.parametrize("name", COMPOSE["services"])
each_of_ours = pytest.mark.parametrize("name", OURS)


def settings(name: str, compose: dict[str, Any] = COMPOSE) -> Any:
    """A service's configuration, read from its file in deploy/ and its environment by the service's own rules."""
    config = importlib.import_module(f"diana_{name}.config")
    environment = compose["services"][name]["environment"]
    return load_config(getattr(config, f"{name.capitalize()}Config"), name, config_file(name), environment)


def config_file(name: str) -> Path:
    return PROJECT / str(COMPOSE["configs"][name]["file"])


def called(name: str) -> tuple[str, ...]:
    """The services that a service calls."""
    return (*SPECS[name].needs, *SPECS[name].calls)


def mounted(name: str) -> dict[str, str]:
    """What is mounted where in a service's container: the path, and whether it is a volume, a config or a secret."""
    service = COMPOSE["services"][name]
    return {
        **{mount.split(":")[1]: "volume" for mount in service.get("volumes", [])},
        **{config["target"]: "config" for config in service.get("configs", [])},
        **{f"/run/secrets/{secret}": "secret" for secret in service.get("secrets", [])},
    }


@both_stacks
def test_the_compose_specification_knows_every_key(compose: dict[str, Any]) -> None:
    tree = {key: value for key, value in compose.items() if not key.startswith("x-")}  # the specification lets x- pass
    compose_pydantic.ComposeSpecification(**tree)


@both_stacks
def test_what_is_named_is_defined_and_what_is_defined_is_used(compose: dict[str, Any]) -> None:
    for kind in ("configs", "secrets", "networks", "volumes"):
        used = set()
        for service in compose["services"].values():
            for entry in service.get(kind, []):
                used.add(entry["source"] if isinstance(entry, dict) else entry.split(":")[0])
        assert used == set(compose[kind]), kind


@each_of_ours
def test_with_tls_every_end_of_every_call_shows_a_certificate_and_anon_the_mint_a_token(name: str) -> None:
    files = {"CERT_FILE": "tls_cert", "KEY_FILE": "tls_key"}
    ends = {"SERVER__TLS": {**files, "CLIENT_CA_FILE": "tls_ca"}}
    ends |= {needed.upper(): {**files, "CA_FILE": "tls_ca"} for needed in called(name)}
    if name == "dimse":
        ends["TLS"] = ends["SERVER__TLS"]
    tokens = {"GUID_MINT_TOKENS__ANON", "ANON_GUID__TOKEN_FILE"}
    said = set(TLS["services"][name]["environment"].items()) - set(OURS[name]["environment"].items())
    said.discard(("DIANA_DIMSE_TLS__LISTEN", f"0.0.0.0:{DICOM_TLS}"))
    assert said == {
        (f"DIANA_{name.upper()}_{end}__{setting}", f"/run/secrets/{secret}")
        for end, settings in ends.items()
        for setting, secret in settings.items()
    } | {(f"DIANA_{one}", "/run/secrets/guid_mint_token") for one in tokens if one.startswith(f"{name.upper()}_")}
    assert str(settings(name, TLS).server.tls.client_ca_file) == "/run/secrets/tls_ca"
    plain, test = OURS[name]["healthcheck"]["test"], TLS["services"][name]["healthcheck"]["test"]
    shown = {"ca": "tls_ca", "cert": "tls_cert", "key": "tls_key"}
    assert test == plain + [f"--{option}-file=/run/secrets/{secret}" for option, secret in shown.items()]


def test_the_stack_has_the_services_of_the_local_mesh() -> None:
    assert set(OURS) == set(SPECS)


@each_of_ours
def test_a_service_runs_its_module_on_its_port_and_is_asked_for_its_contract(name: str) -> None:
    service, spec = OURS[name], SPECS[name]
    assert service["command"] == ["python", "-m", spec.module, "--config", f"/etc/diana/{name}.yaml"]
    others = [DICOM] if name == "dimse" else []
    assert service["ports"] == [f"127.0.0.1:{port}:{port}" for port in (spec.port, *others)]
    assert service["healthcheck"]["test"] == ["CMD", "diana-health", f"{name}:{spec.port}", spec.contract]
    assert set(service.get("depends_on", {})) == set(called(name))


@every_service
def test_a_service_may_do_no_more_than_it_must(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "devices", "network_mode", "pid", "ipc"} & set(service)
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] == "CMD"
    assert all(how == {"condition": "service_healthy"} for how in service.get("depends_on", {}).values())


@every_service
def test_a_service_is_reached_over_loopback_or_not_at_all(name: str) -> None:
    service = COMPOSE["services"][name]
    assert "back" in service["networks"]
    assert COMPOSE["networks"]["back"]["internal"] is True
    for port in service.get("ports", []):
        assert port.startswith("127.0.0.1:")


def test_only_who_writes_mail_or_calls_a_pacs_finds_a_way_out() -> None:
    networks = COMPOSE["networks"]
    assert networks["front"]["driver_opts"] == {"com.docker.network.bridge.enable_ip_masquerade": "false"}
    assert {name for name, service in COMPOSE["services"].items() if "outside" in service["networks"]} == {
        "notify",
        "dimse",
    }


def test_the_command_line_finds_every_service_on_loopback() -> None:
    with Services.read(PROJECT / "deploy" / "services.yaml", {}) as services:
        assert services.entries == {
            name: {"ctype": name, "address": f"127.0.0.1:{spec.port}"} for name, spec in SPECS.items()
        }


@every_service
def test_no_secret_stands_in_the_compose_file_or_in_settings(name: str) -> None:
    for variable, value in COMPOSE["services"][name].get("environment", {}).items():
        if re.search("PASSWORD|SECRET|TOKEN|KEY", variable):
            assert variable.endswith("_FILE") and str(value).startswith("/run/secrets/")
    for secret in COMPOSE["secrets"].values():
        assert list(secret) == ["file"] and Path(secret["file"]).parent == Path("deploy/secrets")
    assert (PROJECT / "deploy/secrets/.gitignore").read_text("utf-8").split() == ["*", "!.gitignore", "!README.md"]


@each_of_ours
def test_a_service_has_time_to_stop_and_room_for_its_threads(name: str) -> None:
    server: ServerConfig = settings(name).server
    assert seconds(OURS[name]["stop_grace_period"]) >= server.grace_seconds + 10
    threads = server.max_concurrent_calls + PROBE_STREAMS + _OWN_THREADS
    if name == "dimse":
        threads += 2 * settings(name).limits.associations
    assert OURS[name]["deploy"]["resources"]["limits"]["pids"] > threads


@each_of_ours
def test_settings_name_only_what_is_mounted_and_state_lies_in_the_volume(name: str) -> None:
    tree = expand_tree(yaml.safe_load(config_file(name).read_text("utf-8")), {})
    places = mounted(name)
    for path in re.findall(r'"(/[^"]*)"', json.dumps(tree)):
        assert any(Path(path).is_relative_to(place) for place in places), path
    assert places[str(settings(name).state_dir)] == "volume"


@each_of_ours
def test_a_service_listens_where_the_stack_looks_for_it(name: str) -> None:
    assert settings(name).server.listen == f"0.0.0.0:{SPECS[name].port}"
    for needed in called(name):
        assert getattr(settings(name), needed).address == f"{needed}:{SPECS[needed].port}"


def test_a_site_says_in_env_where_modalities_reach_the_door() -> None:
    said = {"DIANA_DICOM_ADDRESS": "10.1.0.9", "DIANA_DICOM_PORT": "104", "DIANA_DICOM_TLS_PORT": "2763"}
    site = read_compose(said, "deploy/tls.yml")["services"]["dimse"]
    assert site["ports"][1:] == [f"10.1.0.9:104:{DICOM}", f"10.1.0.9:2763:{DICOM_TLS}"]
    assert settings("dimse").listen == f"0.0.0.0:{DICOM}"
    assert settings("dimse", TLS).tls.listen == f"0.0.0.0:{DICOM_TLS}"

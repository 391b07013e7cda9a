"""Services YAML and endpoint URLs: what they mean, and what is refused with a hint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from diana_common.errors import DianaError, Reason
from diana_endpoints.archive import Archive
from diana_endpoints.folder import Folder
from diana_endpoints.protocol.anon import Anonymizer
from diana_endpoints.protocol.archive import Watcher
from diana_endpoints.protocol.endpoint import Checkable
from diana_endpoints.protocol.guid import Minter
from diana_endpoints.protocol.items import Deleter, Finder, Getter, Lister, Putter
from diana_endpoints.protocol.notify import Messenger
from diana_endpoints.services import Services
from diana_endpoints.zips import Zip

ADDRESS = "127.0.0.1:1"


def _read(tmp_path: Path, text: str, env: Mapping[str, str] | None = None) -> Services:
    path = tmp_path / "services.yaml"
    path.write_text(text, encoding="utf-8")
    return Services.read(path, env or {})


def test_each_kind_of_endpoint_is_made_from_yaml_and_plays_its_roles(tmp_path: Path) -> None:
    text = f"""
    pacs: {{ctype: archive, address: "{ADDRESS}", store: trial}}
    answers: {{ctype: index, address: "{ADDRESS}"}}
    mint: {{ctype: guid, address: "{ADDRESS}", domain: study1}}
    deid: {{ctype: anon, address: "{ADDRESS}", profile: longitudinal}}
    herald: {{ctype: notify, address: "{ADDRESS}"}}
    inbox: {{ctype: folder, path: "{tmp_path}"}}
    parcel: {{ctype: zip, path: x.zip, max_members: 10}}
    """
    with _read(tmp_path, text) as services:
        roles = {
            "pacs": (Checkable, Lister, Getter, Putter, Deleter, Watcher),
            "answers": (Checkable, Finder),
            "mint": (Checkable, Minter),
            "deid": (Checkable, Anonymizer),
            "herald": (Checkable, Messenger),
            "inbox": (Checkable, Lister, Getter, Putter, Finder, Deleter),
            "parcel": (Checkable, Lister, Getter, Putter),
        }
        every = {Anonymizer, Checkable, Lister, Getter, Messenger, Putter, Deleter, Finder, Minter, Watcher}
        for name, played in roles.items():
            endpoint = services.endpoint(name)
            assert {role for role in every if isinstance(endpoint, role)} == set(played), name


def test_a_url_makes_an_endpoint_without_yaml(tmp_path: Path) -> None:
    with Services({}) as services:
        assert isinstance(services.endpoint(f"path:{tmp_path}"), Folder)
        assert isinstance(services.endpoint("zip:x.zip"), Zip)


def test_a_mesh_url_takes_its_address_from_the_service_and_its_store_from_the_url() -> None:
    entries = {
        "archive": {"ctype": "archive", "address": ADDRESS, "store": "own"},
        "x": {"ctype": "archive", "address": "b:1"},
    }
    with Services(entries) as services:
        assert isinstance(services.endpoint("archive:trial"), Archive)
        assert services.describe("archive:trial") == {"ctype": "archive", "address": ADDRESS, "store": "trial"}
        assert services.describe("archive:")["store"] == "own"


def test_the_only_service_of_a_kind_is_meant_whatever_its_name() -> None:
    with Services({"pacs": {"ctype": "archive", "address": ADDRESS}}) as services:
        assert services.describe("archive:")["address"] == ADDRESS


def test_two_services_of_a_kind_must_be_named() -> None:
    with Services({name: {"ctype": "archive", "address": ADDRESS} for name in ("a", "b")}) as services:
        with pytest.raises(DianaError, match=r"described \(a, b\)"):
            services.endpoint("archive:")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("x: 3", "x: must be a mapping"),
        ("- x", "must be a mapping of services"),
        ("x: [", "is not YAML at line"),
        ("x: {ctype: folder, path: '${INBOX:?say where}'}", "x.path: say where"),
        ("x: {ctype: folder, path: '@missing'}", "x.path: the file cannot be read"),
    ],
)
def test_a_description_that_cannot_be_meant_is_refused_at_once(tmp_path: Path, text: str, hint: str) -> None:
    with pytest.raises(DianaError) as refused:
        _read(tmp_path, text)
    assert refused.value.reason is Reason.CONFIG_INVALID
    assert hint in refused.value.message


@pytest.mark.parametrize("ctype", ["archiv", "", None, ["csv"]])
def test_a_kind_that_is_none_costs_that_service_alone(tmp_path: Path, ctype: object) -> None:
    with Services({"bad": {"ctype": ctype}, "good": {"ctype": "DcmDir", "path": str(tmp_path)}}) as services:
        assert isinstance(services.endpoint("good"), Folder)
        assert isinstance(services.endpoint(f"path:{tmp_path}"), Folder)
        assert isinstance(services.describe("bad")["ctype"], str)
        with pytest.raises(DianaError, match=r"^bad\.ctype: is") as refused:
            services.endpoint("bad")
    assert refused.value.reason is Reason.CONFIG_INVALID


@pytest.mark.parametrize(
    ("entry", "hint"),
    [
        ({"ctype": "archiv", "address": "a"}, "x.ctype: is not a kind of endpoint; did you mean 'archive'"),
        ({"address": "a"}, "x.ctype: is required"),
        ({"ctype": "archive", "adress": "a:1"}, "x.adress: is not a setting; did you mean 'address'"),
        ({"ctype": "archive"}, "x.address: is required"),
        ({"ctype": "zip", "path": "x", "max_members": "many"}, "x.max_members: must be a whole number"),
        ({"ctype": "archive", "address": "a:1", "tls": {"ca": "f"}}, "x.tls.ca: is not a setting"),
        ({"ctype": "orthanc", "port": 65536}, "x: port must be from 1 to 65535"),
        ({"ctype": "splunk", "host": "h", "token": "t", "port": 0}, "x: port must be from 1 to 65535"),
        ({"ctype": "redis", "port": -1}, "x: port must be from 1 to 65535"),
        ({"ctype": "smtp", "port": 65536}, "x: port must be from 1 to 65535"),
    ],
)
def test_settings_are_checked_when_the_endpoint_is_made(entry: dict[str, object], hint: str) -> None:
    with pytest.raises(DianaError) as refused:
        Services({"x": entry}).endpoint("x")
    assert hint in refused.value.message


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("inbux", "did you mean 'inbox'"),
        ("pth:/x", "did you mean 'path:'"),
        ("path:", "needs a path after the colon"),
        ("notify:news", "takes nothing after notify:"),
        ("archive:", "start a mesh"),
    ],
)
def test_an_endpoint_that_names_nothing_is_refused_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(DianaError) as refused:
        Services({"inbox": {"ctype": "folder", "path": "x"}}).endpoint(text)
    assert hint in refused.value.message


def test_variables_and_files_stand_in_for_values(tmp_path: Path) -> None:
    (tmp_path / "address").write_text("host:5\n")
    (tmp_path / "tls.yaml").write_text("ca_file: ca.pem\n")
    text = """
    a: {ctype: archive, address: "@address", tls: "@tls.yaml", store: "${STORE:-spare}"}
    b: {ctype: folder, path: "@@home"}
    """
    entries = _read(tmp_path, text).entries
    assert entries["a"] == {"ctype": "archive", "address": "host:5", "tls": {"ca_file": "ca.pem"}, "store": "spare"}
    assert entries["b"]["path"] == "@home"


def test_a_variable_cannot_make_a_file_be_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    entries = _read(tmp_path, "a: {ctype: folder, path: '${P}'}", {"P": "@secret"}).entries
    assert entries["a"]["path"] == "@secret"


def test_an_endpoint_is_made_once(tmp_path: Path) -> None:
    with Services({}) as services:
        assert services.endpoint(f"path:{tmp_path}") is services.endpoint(f"path:{tmp_path}")


@pytest.mark.parametrize("kind", ["redis", "smtp", "orthanc"])
@pytest.mark.parametrize("port", ["65536", "0", "-1", "port", "\u0663"])
def test_a_port_of_the_environment_is_held_to_its_range(kind: str, port: str) -> None:
    with pytest.raises(DianaError, match=f"{kind.upper()}_PORT: must be a port from 1 to 65535"):
        Services({}, {f"{kind.upper()}_PORT": port}).endpoint(f"{kind}:")

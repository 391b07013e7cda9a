"""Keys of domains: listed, rotated, exported and imported by those who were given a token, and by nobody else."""

from __future__ import annotations

import base64
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from diana.guid.v1 import guid_service_pb2 as guid_pb
from diana.guid.v1 import key_service_pb2 as pb
from diana.guid.v1.guid_service_pb2_grpc import GuidServiceStub
from diana.guid.v1.key_service_pb2_grpc import KeyServiceStub
from diana_common.sealing import SealedKey, new_sealing_key, public_sealing_key, seal, unseal
from diana_common.uidmap import map_accession_number, map_uid
from diana_guid.config import DomainConfig, GuidConfig, Scheme
from tests.contract.guid.refusals import refused

Channels = Callable[[GuidConfig], grpc.Channel]

TOKEN = "correct-horse-battery-staple"
SUBJECT = guid_pb.Subject(patient_id="4711")
REQUESTS = [
    ("ListKeyVersions", pb.ListKeyVersionsRequest()),
    ("RotateKey", pb.RotateKeyRequest(request_id="1")),
    ("ExportKey", pb.ExportKeyRequest(recipient_public_key=public_sealing_key(bytes(32)))),
    ("ImportKey", pb.ImportKeyRequest(sealed_key=pb.SealedKey(domain="default", version=1))),
    ("GetSealingKey", pb.GetSealingKeyRequest()),
]


class Site:
    """One server with its state, and who may handle its keys."""

    def __init__(self, channels: Channels, folder: Path, **domains: DomainConfig) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "token").write_text(TOKEN + "\n")
        self.state = folder / "state"
        channel = channels(GuidConfig(state_dir=self.state, domains=domains, key_tokens={"alice": folder / "token"}))
        self.mint, self.keys = GuidServiceStub(channel), KeyServiceStub(channel)

    def ask(self, method: str, request: Any, authorization: str | None = f"Bearer {TOKEN}") -> Any:
        metadata = [] if authorization is None else [("authorization", authorization)]
        return getattr(self.keys, method)(request, metadata=metadata)

    def refusal(self, method: str, request: Any, authorization: str | None = f"Bearer {TOKEN}") -> tuple[int, str]:
        refusal = refused(lambda asked: self.ask(method, asked, authorization), request)
        return refusal.code, refusal.reason

    def identity(self, key_version: int = 0, domain: str = "") -> guid_pb.Identity:
        request = guid_pb.MintIdentityRequest(subject=SUBJECT, key_version=key_version, domain=domain)
        identity: guid_pb.Identity = self.mint.MintIdentity(request).identity
        return identity

    def rotate(self, request_id: str, domain: str = "") -> pb.KeyVersion:
        made: pb.KeyVersion = self.ask("RotateKey", pb.RotateKeyRequest(request_id=request_id, domain=domain)).version
        return made

    def versions(self, domain: str = "") -> list[pb.KeyVersion]:
        return list(self.ask("ListKeyVersions", pb.ListKeyVersionsRequest(domain=domain)).versions)

    def export(self, recipient: bytes, version: int = 0, domain: str = "") -> pb.SealedKey:
        request = pb.ExportKeyRequest(recipient_public_key=recipient, version=version, domain=domain)
        sealed: pb.SealedKey = self.ask("ExportKey", request).sealed_key
        return sealed


@pytest.fixture
def site(channels: Channels, tmp_path: Path) -> Site:
    return Site(channels, tmp_path / "here", trial=DomainConfig(), old=DomainConfig(scheme=Scheme.DIANA2))


def opened(sealed: pb.SealedKey, private_key: bytes) -> bytes:
    return unseal(SealedKey(sealed.domain, sealed.version, sealed.ephemeral_public_key, sealed.ciphertext), private_key)


@pytest.mark.parametrize(("method", "request_"), REQUESTS)
@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong-horse-battery-staple",
        TOKEN,
        f"Basic {TOKEN}",
        "Bearer " + "x" * 5000,
    ],
)
def test_nobody_without_the_token_is_let_in(site: Site, method: str, request_: Any, authorization: str | None) -> None:
    assert site.refusal(method, request_, authorization) == (16, "CALLER_UNKNOWN")
    assert not (site.state / "keys" / "default.v2.key").exists()


@pytest.mark.parametrize(("method", "request_"), REQUESTS)
def test_without_a_configured_token_nobody_is(channels: Channels, tmp_path: Path, method: str, request_: Any) -> None:
    keys = KeyServiceStub(channels(GuidConfig(state_dir=tmp_path)))
    refusal = refused(
        lambda asked: getattr(keys, method)(asked, metadata=[("authorization", f"Bearer {TOKEN}")]), request_
    )
    assert (refusal.code, refusal.reason) == (7, "CALLER_NOT_PERMITTED")


def test_a_rotated_key_mints_other_identities_and_the_old_one_still_its_own(site: Site) -> None:
    before, leased = site.identity(), site.mint.LeaseUidKey(guid_pb.LeaseUidKeyRequest())
    assert site.rotate("one").version == 2
    after = site.identity()
    assert (before.key_version, after.key_version) == (1, 2)
    assert before.id != after.id
    assert site.identity(1) == before
    assert site.identity(2) == after
    assert site.mint.LeaseUidKey(guid_pb.LeaseUidKeyRequest(key_version=1)) == leased
    newest = site.mint.LeaseUidKey(guid_pb.LeaseUidKeyRequest())
    assert (leased.key_version, newest.key_version) == (1, 2)
    assert not {leased.uid_key, leased.accession_number_key} & {newest.uid_key, newest.accession_number_key}
    assert [one.key_version for one in site.mint.ListDomains(guid_pb.ListDomainsRequest()).domains] == [2, 1, 1]


def test_batches_and_identifiers_come_from_the_key_version_that_is_named(site: Site) -> None:
    site.rotate("one")
    batch = guid_pb.BatchMintIdentitiesRequest(subjects=[SUBJECT])
    mapped = guid_pb.MapIdentifiersRequest(uids=["1.2.3"], accession_numbers=["A1"])
    for version in (1, 2, 0):
        batch.key_version = mapped.key_version = version
        (result,) = site.mint.BatchMintIdentities(batch).results
        assert result.identity == site.identity(version)
        assert result.identity.key_version == (version or 2)
        leased = site.mint.LeaseUidKey(guid_pb.LeaseUidKeyRequest(key_version=version))
        answer = site.mint.MapIdentifiers(mapped)
        assert answer.key_version == leased.key_version == (version or 2)
        assert list(answer.uids) == [map_uid(leased.uid_key, "1.2.3")]
        assert list(answer.accession_numbers) == [map_accession_number(leased.accession_number_key, "A1")]
    for method, request in (("BatchMintIdentities", batch), ("MapIdentifiers", mapped)):
        for version, expected in ((3, (5, "KEY_VERSION_UNKNOWN")), (-1, (3, "INVALID_FIELD"))):
            request.key_version = version
            refusal = refused(getattr(site.mint, method), request)
            assert (refusal.code, refusal.reason) == expected


def test_the_uids_and_accession_numbers_of_a_diana2_domain_rotate_and_its_identities_do_not(site: Site) -> None:
    request = guid_pb.MintIdentityRequest(domain="old")
    request.subject.name, request.subject.age_years = "DOE^JANE", 3
    request.subject.reference_date.year, request.subject.reference_date.month, request.subject.reference_date.day = (
        2018,
        1,
        1,
    )
    identity, leased = site.mint.MintIdentity(request), site.mint.LeaseUidKey(guid_pb.LeaseUidKeyRequest(domain="old"))
    site.rotate("one", "old")
    assert site.mint.MintIdentity(request) == identity
    assert identity.identity.key_version == 0
    assert site.mint.LeaseUidKey(guid_pb.LeaseUidKeyRequest(domain="old")) != leased


def test_one_request_id_makes_one_version_for_ever(site: Site, channels: Channels, tmp_path: Path) -> None:
    first = site.rotate("one")
    assert site.rotate("two").version == 3
    assert site.rotate("one") == first
    restarted = Site(channels, tmp_path / "here")
    assert restarted.rotate("one") == first
    assert restarted.rotate("three").version == 4
    assert site.identity() == restarted.identity()
    assert site.identity().key_version == 4


def test_servers_that_rotate_at_once_agree(site: Site, channels: Channels, tmp_path: Path) -> None:
    other = Site(channels, tmp_path / "here", trial=DomainConfig())
    with ThreadPoolExecutor(8) as threads:
        same = set(threads.map(lambda n: (site, other)[n % 2].rotate("same").version, range(16)))
        each = list(threads.map(lambda n: (site, other)[n % 2].rotate(str(n)).version, range(16)))
    assert same == {2}
    assert sorted(each) == list(range(3, 19))
    assert [one.version for one in site.versions()] == list(range(18, 0, -1))
    assert site.versions() == other.versions()


def test_versions_are_private_files_that_differ_and_the_list_tells_no_key(site: Site) -> None:
    site.rotate("one")
    files = [site.state / "keys" / name for name in ("default.key", "default.v2.key")]
    assert [stat.S_IMODE(path.stat().st_mode) for path in files] == [0o600, 0o600]
    keys = [base64.b64decode(path.read_text().splitlines()[0]) for path in files]
    assert len(set(keys)) == 2
    newest, oldest = site.versions()
    assert [(newest.version, oldest.version), len(newest.check_value)] == [(2, 1), 16]
    assert newest.check_value != oldest.check_value
    assert newest.create_time.seconds >= oldest.create_time.seconds > 0
    assert not any(key.hex()[:16] == one.check_value for key in keys for one in (newest, oldest))


def test_an_operators_key_file_is_never_changed(channels: Channels, tmp_path: Path) -> None:
    key = tmp_path / "operators.key"
    key.write_text("5a" * 32)
    key.chmod(0o600)
    site = Site(channels, tmp_path / "here", default=DomainConfig(key_file=key))
    assert site.refusal("RotateKey", pb.RotateKeyRequest(request_id="1")) == (9, "DOMAIN_KEY_MISSING")
    sealed = seal(bytes(32), "default", 2, site.ask("GetSealingKey", pb.GetSealingKeyRequest()).public_key)
    request = pb.ImportKeyRequest(sealed_key=message(sealed))
    assert site.refusal("ImportKey", request) == (9, "DOMAIN_KEY_MISSING")
    assert [one.version for one in site.versions()] == [1]
    assert len([*tmp_path.glob("*.key")]) == 1
    mine = new_sealing_key()
    assert opened(site.export(public_sealing_key(mine)), mine) == b"\x5a" * 32


def message(sealed: SealedKey) -> pb.SealedKey:
    return pb.SealedKey(
        domain=sealed.domain,
        version=sealed.version,
        ephemeral_public_key=sealed.ephemeral_public_key,
        ciphertext=sealed.ciphertext,
    )


def test_an_export_opens_with_the_recipients_key_only_and_never_looks_alike(site: Site) -> None:
    mine = new_sealing_key()
    sealed, again = site.export(public_sealing_key(mine)), site.export(public_sealing_key(mine))
    assert sealed.ciphertext != again.ciphertext
    key = opened(sealed, mine)
    assert key == opened(again, mine)
    assert base64.b64encode(key).decode() == (site.state / "keys" / "default.key").read_text().splitlines()[0]
    with pytest.raises(Exception, match="does not open"):
        opened(sealed, new_sealing_key())


def test_keys_move_to_another_site_under_seal_and_mint_the_same_there(
    site: Site, channels: Channels, tmp_path: Path
) -> None:
    site.rotate("one")
    away = Site(channels, tmp_path / "there", default=DomainConfig(create_key=False))
    assert refused(away.mint.MintIdentity, guid_pb.MintIdentityRequest(subject=SUBJECT)).reason == "DOMAIN_KEY_MISSING"
    recipient = away.ask("GetSealingKey", pb.GetSealingKeyRequest()).public_key
    assert stat.S_IMODE((away.state / "sealing.key").stat().st_mode) == 0o600
    for version in (2, 1, 2):
        request = pb.ImportKeyRequest(sealed_key=site.export(recipient, version))
        assert away.ask("ImportKey", request).version.version == version
    assert [(one.version, one.check_value) for one in away.versions()] == [
        (one.version, one.check_value) for one in site.versions()
    ]
    for version in (0, 1, 2):
        assert away.identity(version) == site.identity(version)
    assert away.rotate("one").version == 3


def test_what_was_not_sealed_for_this_place_is_not_put_there(site: Site) -> None:
    recipient = site.ask("GetSealingKey", pb.GetSealingKeyRequest()).public_key
    sealed = message(seal(bytes(32), "default", 2, recipient))
    whole = sealed.SerializeToString()
    for field, value in (
        ("domain", "trial"),
        ("version", 3),
        ("ephemeral_public_key", bytes(32)),
        ("ephemeral_public_key", b"short"),
        ("ciphertext", sealed.ciphertext[:-1]),
        ("ciphertext", b""),
        ("ciphertext", bytes(100_000)),
    ):
        altered = pb.SealedKey.FromString(whole)
        setattr(altered, field, value)
        assert site.refusal("ImportKey", pb.ImportKeyRequest(sealed_key=altered)) == (3, "SEALED_KEY_INVALID")
    for bad in (
        seal(bytes(32), "default", 2, public_sealing_key(new_sealing_key())),
        seal(bytes(31), "default", 2, recipient),
        seal(bytes(5000), "default", 2, recipient),
        seal(bytes(32), "default", 0, recipient),
        seal(bytes(32), "default", -1, recipient),
        seal(bytes(32), "default", 10_000, recipient),
        seal(bytes(32), "default", 999_999_999, recipient),
        seal(bytes(32), "default", 2**31 - 1, recipient),
    ):
        assert site.refusal("ImportKey", pb.ImportKeyRequest(sealed_key=message(bad))) == (3, "SEALED_KEY_INVALID")
    too_large = pb.ImportKeyRequest(sealed_key=message(seal(bytes(32), "default", 10_000, recipient)))
    assert "1 to 9999" in refused(lambda asked: site.ask("ImportKey", asked), too_large).text
    assert site.refusal("ImportKey", pb.ImportKeyRequest()) == (3, "INVALID_FIELD")
    elsewhere = message(seal(bytes(32), "../../x", 2, recipient))
    assert site.refusal("ImportKey", pb.ImportKeyRequest(sealed_key=elsewhere)) == (5, "DOMAIN_UNKNOWN")
    assert [one.version for one in site.versions()] == [1]


def test_another_key_never_takes_a_versions_place(site: Site) -> None:
    before = site.identity()
    recipient = site.ask("GetSealingKey", pb.GetSealingKeyRequest()).public_key
    request = pb.ImportKeyRequest(sealed_key=message(seal(bytes(32), "default", 1, recipient)))
    assert site.refusal("ImportKey", request) == (6, "REQUEST_ID_REUSED")
    assert site.identity() == before


@pytest.mark.parametrize(
    ("method", "request_", "expected"),
    [
        ("RotateKey", pb.RotateKeyRequest(), (3, "INVALID_FIELD")),
        ("RotateKey", pb.RotateKeyRequest(request_id="x" * 129), (3, "INVALID_FIELD")),
        ("RotateKey", pb.RotateKeyRequest(request_id="1", domain="../x"), (3, "INVALID_FIELD")),
        ("RotateKey", pb.RotateKeyRequest(request_id="1", domain="nowhere"), (5, "DOMAIN_UNKNOWN")),
        ("ListKeyVersions", pb.ListKeyVersionsRequest(domain="nowhere"), (5, "DOMAIN_UNKNOWN")),
        ("ExportKey", pb.ExportKeyRequest(recipient_public_key=b"short"), (3, "INVALID_FIELD")),
        ("ExportKey", pb.ExportKeyRequest(recipient_public_key=bytes(32)), (3, "INVALID_FIELD")),
        ("ExportKey", pb.ExportKeyRequest(recipient_public_key=b"\x09" * 32, version=-1), (3, "INVALID_FIELD")),
        ("ExportKey", pb.ExportKeyRequest(recipient_public_key=b"\x09" * 32, version=9), (5, "KEY_VERSION_UNKNOWN")),
        ("ExportKey", pb.ExportKeyRequest(recipient_public_key=b"\x09" * 32, domain="nowhere"), (5, "DOMAIN_UNKNOWN")),
    ],
)
def test_a_request_that_cannot_be_is_refused(site: Site, method: str, request_: Any, expected: tuple[int, str]) -> None:
    assert site.refusal(method, request_) == expected


def test_odd_names_beside_the_keys_are_no_versions(site: Site) -> None:
    site.identity()
    keys = site.state / "keys"
    for name in (
        "default.v0.key",
        "default.v1.key",
        "default.v02.key",
        "default.v9999999999.key",
        "default.vx.key",
        "xdefault.v7.key",
        "default.v7.key.bak",
        "default.v٣.key",
    ):
        (keys / name).write_text("5a" * 32)
    assert [one.version for one in site.versions()] == [1]
    assert site.rotate("one").version == 2

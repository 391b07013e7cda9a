"""Small rules: what is the same, what a header may weigh, digests, seals, settings."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pytest

from diana_archive.__main__ import policies
from diana_archive.config import ArchiveConfig
from diana_archive.core.headers import LARGEST, fit_header
from diana_archive.core.incoming import Digests, guess_data_set_offset
from diana_archive.core.model import ConflictPolicy, Known, QuotaPolicy
from diana_archive.core.policies import Policies
from diana_archive.core.seal import seal, unseal
from diana_archive.core.storing import check_conflict, find_same
from diana_archive.stores.memory import MemorySealKeys
from diana_common.errors import DianaError, Reason
from diana_common.header import scan
from diana_server.config import load_config
from tests.support.dicom_files import make_small

OLDER = Known(1, "v1", "1.2", b"a", False)
CURRENT = Known(2, "v2", "1.2", b"b", True)


def test_the_same_is_equal_in_transfer_syntax_and_data_set() -> None:
    assert find_same([OLDER, CURRENT], "1.2", b"a") == OLDER
    assert find_same([OLDER, CURRENT], "1.3", b"a") is None
    assert find_same([OLDER, CURRENT], "1.2", b"c") is None
    assert find_same([], "1.2", b"a") is None


def test_a_conflict_is_refused_only_by_policy() -> None:
    check_conflict([], ConflictPolicy.REFUSE, "1")
    check_conflict([CURRENT], ConflictPolicy.KEEP_BOTH, "1")
    with pytest.raises(DianaError) as caught:
        check_conflict([CURRENT], ConflictPolicy.REFUSE, "1")
    assert caught.value.reason == Reason.INSTANCE_CONFLICT


def test_a_header_that_fits_is_left_as_it_is() -> None:
    header = scan(make_small()).dicom_json
    assert fit_header(header) is header


def test_the_largest_elements_are_left_out_until_a_header_fits() -> None:
    tricky = 'a"b\\{[\u00e9' * 10
    header: dict[str, dict[str, Any]] = {
        "00080018": {"vr": "UI", "Value": ["1.2"]},
        "30060039": {"vr": "SQ", "Value": [{"00081155": {"vr": "UT", "Value": [tricky]}} for _ in range(40_000)]},
        "30060080": {"vr": "SQ", "Value": [{"30060082": {"vr": "IS", "Value": [number]}} for number in range(9)]},
        "40100040": {"vr": "UT", "Value": ["y" * LARGEST]},
    }
    encoded = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    fitted = fit_header(encoded)
    assert len(fitted) <= LARGEST
    for tag in ("30060039", "40100040"):
        header[tag] = {"vr": header[tag]["vr"], "BulkDataURI": f"element:{tag}"}
    assert json.loads(fitted) == header


def test_a_header_of_too_many_small_elements_is_refused() -> None:
    header = {f"{number:08X}": {"vr": "CS", "Value": ["A"]} for number in range(120_000)}
    with pytest.raises(DianaError) as caught:
        fit_header(json.dumps(header, separators=(",", ":")).encode())
    assert caught.value.reason == Reason.DATA_SET_LIMIT


def test_digests_of_pieces_are_those_of_the_whole() -> None:
    data = make_small()
    offset = guess_data_set_offset(data[:4096])
    assert offset == scan(data).data_set_offset
    source = random.Random(5)
    for _ in range(20):
        digests = Digests(offset)
        at = 0
        while at < len(data):
            size = source.randint(0, 3000)
            digests.update(data[at : at + size])
            at += size
        assert digests.results() == (hashlib.sha256(data[:offset]).digest(), hashlib.sha256(data[offset:]).digest())


@pytest.mark.parametrize("head", [b"", b"x" * 200, make_small()[:143], bytes(128) + b"DICM" + bytes(100)])
def test_no_offset_is_guessed_without_a_group_length(head: bytes) -> None:
    assert guess_data_set_offset(head) is None


def test_a_seal_opens_in_its_place_with_its_key_and_nowhere_else() -> None:
    keys = MemorySealKeys({"old": bytes(32)})
    sealed = seal(keys, "trial", "1.2", {"accession": "A1"})
    rotated = MemorySealKeys({"old": bytes(32), "new": bytes(range(32))})
    assert unseal(rotated, "trial", "1.2", sealed) == {"accession": "A1"}
    assert seal(rotated, "trial", "1.2", {})["key_id"] == "new"
    other_key = MemorySealKeys({"old": bytes(range(32))})
    for where in ((keys, "other", "1.2"), (keys, "trial", "1.3"), (other_key, "trial", "1.2")):
        with pytest.raises(DianaError) as caught:
            unseal(*where, sealed)
        assert caught.value.reason == Reason.SEAL_BROKEN


def test_no_two_seals_are_alike_and_none_shows_its_values() -> None:
    keys = MemorySealKeys({"k": bytes(32)})
    first, second = (seal(keys, "s", "1", {"patient": "Doe"}) for _ in range(2))
    assert first["nonce"] != second["nonce"]
    assert first["box"] != second["box"]
    assert "Doe" not in json.dumps(first)


def test_the_default_store_is_always_there_and_can_be_configured(tmp_path: Path) -> None:
    assert [policy.name for policy in Policies([]).all()] == ["default"]
    path = tmp_path / "archive.yaml"
    path.write_text("stores:\n  default: {conflict_policy: keep_both, quiet_period_seconds: 5}\n  trial: {}\n")
    known = Policies(policies(load_config(ArchiveConfig, "archive", path, {})))
    assert [policy.name for policy in known.all()] == ["default", "trial"]
    assert known.find("").conflict == ConflictPolicy.KEEP_BOTH
    assert known.find("default").quiet_us == 5_000_000


def test_a_store_is_configured_with_retention_quota_and_settle_period(tmp_path: Path) -> None:
    path = tmp_path / "archive.yaml"
    path.write_text(
        "stores:\n  trial: {settle_period_seconds: 9, retention_seconds: 60, quota_bytes: 1000,"
        " quota_policy: delete_oldest}\n  plain: {}\n"
    )
    known = Policies(policies(load_config(ArchiveConfig, "archive", path, {})))
    trial, plain = known.find("trial"), known.find("plain")
    assert (trial.settle_us, trial.retention_us, trial.quota_bytes) == (9_000_000, 60_000_000, 1000)
    assert trial.quota_policy == QuotaPolicy.DELETE_OLDEST
    assert (plain.settle_us, plain.retention_us, plain.quota_bytes) == (5_000_000, 0, 0)
    assert plain.quota_policy == QuotaPolicy.REFUSE


@pytest.mark.parametrize(
    "text",
    [
        "stores: {UPPER: {}}",
        "stores: {a: {conflict_policy: overwrite}}",
        "stores: {a: {quiet_period_seconds: -1}}",
        "stores: {a: {settle_period_seconds: -1}}",
        "stores: {a: {retention_seconds: -1}}",
        "stores: {a: {quota_bytes: -1}}",
        "stores: {a: {quota_policy: delete_newest}}",
        "stores: {../a: {}}",
        "max_instance_bytes: 0",
    ],
)
def test_bad_settings_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "archive.yaml"
    path.write_text(text)
    with pytest.raises(DianaError) as caught:
        load_config(ArchiveConfig, "archive", path, {})
    assert caught.value.reason == Reason.CONFIG_INVALID

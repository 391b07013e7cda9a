"""What can be set for an object store, and what cannot; credentials that change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from diana.archive.v1 import resources_pb2
from diana_archive.config import ArchiveConfig
from diana_archive.core import failures
from diana_archive.core.model import Compression, StorePolicy
from diana_archive.stores.s3_bucket import Bucket, CredentialsFile
from diana_archive.wire import resources
from diana_common.errors import DianaError, Reason
from diana_common.settings import build
from tests.support.s3 import ACCESS_KEY, write_credentials


def test_an_object_store_and_compression_are_set() -> None:
    tree = {
        "object_store": {"bucket": "archive", "endpoint": "https://s3.example", "path_style": False},
        "stores": {"trial": {"compression": "zstd"}},
    }
    config = build(ArchiveConfig, tree)
    assert config.object_store
    assert (config.object_store.bucket, config.object_store.conditional_put) == ("archive", True)
    assert config.stores["trial"].compression == "zstd"
    assert build(ArchiveConfig, {}).object_store is None


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"bucket": ""}, "bucket"),
        ({}, "bucket"),
        ({"bucket": "a", "endpoint": "s3.example"}, "URL"),
        ({"bucket": "a", "endpoint": "http://s3.example"}, "allow_http"),
        ({"bucket": "a", "timeout_seconds": 0}, "timeout_seconds"),
        ({"bucket": "a", "secret_access_key": "x"}, "secret_access_key"),
    ],
)
def test_a_bad_setting_is_refused_by_its_name(setting: dict[str, Any], said: str) -> None:
    with pytest.raises(DianaError, match=said) as caught:
        build(ArchiveConfig, {"object_store": setting})
    assert caught.value.reason == Reason.CONFIG_INVALID


def test_a_store_tells_how_it_keeps_its_bytes() -> None:
    assert resources.store(StorePolicy("a")).compression == resources_pb2.COMPRESSION_NONE
    assert resources.store(StorePolicy("a", compression=Compression.ZSTD)).compression == resources_pb2.COMPRESSION_ZSTD


def test_an_unknown_compression_is_refused() -> None:
    with pytest.raises(DianaError, match="compression must be none or zstd"):
        build(ArchiveConfig, {"stores": {"trial": {"compression": "gzip"}}})


@pytest.mark.parametrize("content", ["", "not a file of sections", "[default]\naws_access_key_id = one-secret\n"])
def test_a_credentials_file_that_is_none_is_refused_and_not_quoted(content: str, tmp_path: Path) -> None:
    path = tmp_path / "credentials"
    path.write_text(content)
    with pytest.raises(DianaError, match="credentials_file") as caught:
        Bucket("archive", credentials_file=path)
    assert caught.value.reason == Reason.CONFIG_INVALID
    assert "secret" not in str(caught.value).replace("aws_secret_access_key", "")
    with pytest.raises(DianaError, match="credentials_file"):
        Bucket("archive", credentials_file=tmp_path / "absent")


def test_credentials_are_read_again(tmp_path: Path) -> None:
    path = write_credentials(tmp_path / "credentials")
    provider = CredentialsFile(path)
    before = provider()
    assert (before["access_key_id"], before["token"]) == (ACCESS_KEY, None)
    path.write_text(path.read_text().replace(ACCESS_KEY, "another") + "aws_session_token = t%20\n")
    assert (provider()["access_key_id"], provider()["token"]) == ("another", "t%20")


def test_an_authority_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DianaError, match="ca_file"):
        Bucket("archive", ca_file=tmp_path / "absent.pem")


def test_a_store_that_is_away_is_no_damage() -> None:
    away, gone = ConnectionError("the object store does not answer as it should"), FileNotFoundError(2, "gone")
    assert failures.from_read(away, "1.2").reason == Reason.PEER_UNAVAILABLE
    assert failures.from_read(gone, "1.2").reason == Reason.STORE_DAMAGED
    assert failures.from_write(away).reason == Reason.PEER_UNAVAILABLE
    assert failures.from_open(away).reason == Reason.PEER_UNAVAILABLE

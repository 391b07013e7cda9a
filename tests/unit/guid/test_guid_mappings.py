"""Accession numbers and UIDs: mapped by domain and value only."""

from __future__ import annotations

import base64
import hmac
import random
import uuid

import pytest

from diana_common.errors import DianaError, Reason
from diana_common.uidmap import SUBKEY_BYTES, map_uid
from diana_guid.core import GuidMint, base32, make_domain
from diana_guid.core.key_tree import Digester
from diana_guid.stores import MemoryKeyStore

KEY = bytes(range(32))
MINT = GuidMint([make_domain("research")], MemoryKeyStore({"research": KEY}))


def mapped(uid: str) -> str:
    return MINT.map_uids("research", [uid])[0]


def test_who_holds_the_subkey_maps_as_the_mint_does() -> None:
    subkey = MINT.uid_subkey("research")
    assert len(subkey) == SUBKEY_BYTES
    assert [map_uid(subkey, "1.2.840.1")] == MINT.map_uids("research", ["1.2.840.1"])


def test_a_mapped_uid_stays_what_it_was_when_this_was_written() -> None:
    assert mapped("1.2.840.113619.2.5") == "2.25.236524410176032981017140870435829685766"
    assert MINT.map_accession_numbers("research", ["A123456"]) == ["SPGUW7WICBMZJWQK"]


def test_a_mapped_uid_is_a_version_8_uuid_under_2_25() -> None:
    root, arc, number = mapped("1.2.3").split(".")
    assert (root, arc) == ("2", "25")
    made = uuid.UUID(int=int(number))
    assert made.version == 8
    assert made.variant == uuid.RFC_4122
    assert len(mapped("1.2.3")) <= 44


def test_a_hundred_thousand_uids_map_to_as_many() -> None:
    subkey = MINT.uid_subkey("research")
    assert len({map_uid(subkey, f"1.2.840.1.{number}") for number in range(100_000)}) == 100_000


def test_padding_of_a_uid_does_not_count_and_leading_zeros_do() -> None:
    assert mapped("1.2.3\0") == mapped("1.2.3 ") == mapped("1.2.3")
    assert mapped("1.2.03") != mapped("1.2.3")


@pytest.mark.parametrize("uid", ["", " ", "1.2.x", "1.2.٣", "../1.2", "1" * 65, "1.2\n3", "1.2.3\n"])
def test_what_is_no_uid_is_refused(uid: str) -> None:
    with pytest.raises(DianaError) as refused:
        mapped(uid)
    assert refused.value.reason is Reason.UID_INVALID


def test_a_key_of_another_length_is_no_subkey() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        map_uid(b"short", "1.2.3")


def test_an_accession_number_fits_its_value_representation_and_ignores_padding() -> None:
    first, padded, second = MINT.map_accession_numbers("research", ["A1", " A1 ", "A2"])
    assert len(first) == 16
    assert first == padded
    assert first != second


def test_base32_is_that_of_the_standard_library() -> None:
    draws = random.Random(1)
    for digest in [bytes(20), b"\xff" * 20, *(draws.randbytes(20) for _ in range(500))]:
        assert base32.encode(digest) == base64.b32encode(digest).decode()


def test_a_subkeys_digest_is_hmac_sha_256() -> None:
    for subkey in (bytes(32), bytes(range(32))):
        for message in (b"", b"x" * 200):
            assert Digester(subkey).digest(message) == hmac.digest(subkey, message, "sha256")

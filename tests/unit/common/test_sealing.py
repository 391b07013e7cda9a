"""Sealed keys: what the contract says, step by step, from published primitives."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from diana_common.errors import DianaError, Reason
from diana_common.sealing import SealedKey, new_sealing_key, public_sealing_key, seal, unseal

KEY, MINE = bytes(range(32)), bytes(range(32, 64))
PUBLIC = public_sealing_key(MINE)


def test_a_seal_is_made_as_the_contract_says() -> None:
    sealed = seal(KEY, "research", 12, PUBLIC)
    shared = X25519PrivateKey.from_private_bytes(MINE).exchange(
        X25519PublicKey.from_public_bytes(sealed.ephemeral_public_key)
    )
    # HKDF of RFC 5869 written out: no salt is 32 zero bytes.
    extracted = hmac.digest(bytes(32), shared, "sha256")
    info = b"diana.guid.seal.v1" + sealed.ephemeral_public_key + PUBLIC
    cipher = ChaCha20Poly1305(hmac.digest(extracted, info + b"\x01", "sha256"))
    assert cipher.decrypt(bytes(12), sealed.ciphertext, b"research\0" + b"12") == KEY


def test_a_key_opens_with_its_private_key_and_no_two_seals_are_alike() -> None:
    sealed, again = seal(KEY, "research", 1, PUBLIC), seal(KEY, "research", 1, PUBLIC)
    assert unseal(sealed, MINE) == unseal(again, MINE) == KEY
    assert sealed.ephemeral_public_key != again.ephemeral_public_key


def test_whatever_is_altered_does_not_open() -> None:
    sealed = seal(KEY, "research", 1, PUBLIC)
    altered: list[tuple[SealedKey, bytes]] = [
        (replace(sealed, domain="trial"), MINE),
        (replace(sealed, version=11), MINE),
        (replace(sealed, ephemeral_public_key=PUBLIC), MINE),
        (replace(sealed, ephemeral_public_key=bytes(32)), MINE),
        (replace(sealed, ephemeral_public_key=b""), MINE),
        (replace(sealed, ciphertext=sealed.ciphertext[:-1]), MINE),
        (replace(sealed, ciphertext=b""), MINE),
        (sealed, new_sealing_key()),
        (sealed, b"short"),
    ]
    for one, private_key in altered:
        with pytest.raises(DianaError) as refused:
            unseal(one, private_key)
        assert refused.value.reason is Reason.SEALED_KEY_INVALID


@pytest.mark.parametrize("public_key", [bytes(32), b"short", b""])
def test_a_public_key_that_shares_no_secret_is_refused(public_key: bytes) -> None:
    with pytest.raises(DianaError) as refused:
        seal(KEY, "research", 1, public_key)
    assert refused.value.reason is Reason.INVALID_FIELD


def test_the_key_itself_is_in_no_repr_of_what_is_sealed() -> None:
    assert hashlib.sha256(KEY).hexdigest() not in repr(seal(KEY, "research", 1, PUBLIC))
    assert repr(KEY) not in repr(seal(KEY, "research", 1, PUBLIC))

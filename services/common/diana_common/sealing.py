"""Domain keys under seal: only who has the recipient's private key opens one (`SealedKey` in the contract of guid).

X25519 (RFC 7748) with a key made for this once, HKDF-SHA-256 (RFC 5869), ChaCha20-Poly1305 (RFC 8439). Domain and
version are sealed in, so that a key cannot be passed off as another domain's.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from diana_common.errors import DianaError, Reason, invalid_field

_INFO = b"diana.guid.seal.v1"
_KEY_BYTES = 32
# A cipher key serves once: it comes from a key pair that is made for one seal.
_NONCE = bytes(12)


@dataclass(frozen=True, slots=True)
class SealedKey:
    """One version of a domain's key, encrypted to one recipient.

    ephemeral_public_key: X25519, 32 bytes. ciphertext: the key and 16 bytes of tag.
    """

    domain: str
    version: int
    ephemeral_public_key: bytes
    ciphertext: bytes


def seal(key: bytes, domain: str, version: int, recipient_public_key: bytes) -> SealedKey:
    """Seal a key to an X25519 public key of 32 bytes, anew each time.

    Raises INVALID_FIELD for a public key with which no secret can be shared (RFC 7748 section 6.1).
    """
    ephemeral = X25519PrivateKey.generate()
    public = ephemeral.public_key().public_bytes_raw()
    try:
        cipher = _cipher(ephemeral, recipient_public_key, public, recipient_public_key)
    except ValueError:
        raise invalid_field("recipient_public_key", "is no X25519 public key that can be sealed to") from None
    return SealedKey(domain, version, public, cipher.encrypt(_NONCE, key, _bound(domain, version)))


def unseal(sealed: SealedKey, private_key: bytes) -> bytes:
    """The key. Raises SEALED_KEY_INVALID when it does not open with this private key (32 bytes) or was altered."""
    try:
        private = X25519PrivateKey.from_private_bytes(private_key)
        public = private.public_key().public_bytes_raw()
        cipher = _cipher(private, sealed.ephemeral_public_key, sealed.ephemeral_public_key, public)
        return cipher.decrypt(_NONCE, sealed.ciphertext, _bound(sealed.domain, sealed.version))
    except (InvalidTag, ValueError):
        raise DianaError(
            Reason.SEALED_KEY_INVALID, "The sealed key does not open: it is for another recipient, or was altered."
        ) from None


def new_sealing_key() -> bytes:
    """A new X25519 private key: 32 bytes."""
    return X25519PrivateKey.generate().private_bytes_raw()


def public_sealing_key(private_key: bytes) -> bytes:
    """The public half of a private key: 32 bytes. Raises ValueError when that is not 32 bytes long."""
    return X25519PrivateKey.from_private_bytes(private_key).public_key().public_bytes_raw()


def _cipher(private: X25519PrivateKey, peer: bytes, ephemeral: bytes, recipient: bytes) -> ChaCha20Poly1305:
    shared = private.exchange(X25519PublicKey.from_public_bytes(peer))
    key = HKDF(SHA256(), _KEY_BYTES, salt=None, info=_INFO + ephemeral + recipient).derive(shared)
    return ChaCha20Poly1305(key)


def _bound(domain: str, version: int) -> bytes:
    return domain.encode() + b"\0" + str(version).encode()

"""Ed25519 keys as openssl writes them, and the signature of a manifest."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from diana_cli.integrity.manifest import NotReleased


def read_public_key(path: Path) -> Ed25519PublicKey:
    """The public key of a PEM file. Raises OSError, NotReleased."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise NotReleased(f"{path.name} holds no Ed25519 public key in PEM")
    return key


def check_signature(key: Ed25519PublicKey, signature: bytes, text: bytes) -> None:
    """Raises NotReleased unless the key's holder has signed the text."""
    try:
        key.verify(signature, text)
    except InvalidSignature:
        raise NotReleased(
            f"the manifest is not signed with this key ({fingerprint(key)}): "
            "the manifest, its signature or the key has been changed"
        ) from None


def fingerprint(key: Ed25519PublicKey) -> str:
    """SHA-256 of the key's 32 bytes, in hexadecimal: what people compare."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()

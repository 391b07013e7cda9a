"""Sealed attributes: AES-256-GCM, bound to their store and study.

The seal is a JSON object: `key_id`, `nonce` and `box` (ciphertext and tag), in base64. What it is bound
to (schema, store, Study Instance UID, key id) is authenticated with it, so that a seal that was altered
or moved does not open.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from diana_archive.core.ports import SealKeys
from diana_common.errors import DianaError, Reason

_SCHEMA = 1
_NONCE_BYTES = 12


def seal(keys: SealKeys, store: str, study_uid: str, attributes: Mapping[str, str]) -> dict[str, str]:
    """Seal attributes with the current key and a new nonce."""
    key_id, key = keys.current()
    nonce = secrets.token_bytes(_NONCE_BYTES)
    text = json.dumps(dict(sorted(attributes.items()))).encode()
    box = AESGCM(key).encrypt(nonce, text, _bound(store, study_uid, key_id))
    return {
        "key_id": key_id,
        "nonce": base64.b64encode(nonce).decode(),
        "box": base64.b64encode(box).decode(),
    }


def unseal(keys: SealKeys, store: str, study_uid: str, sealed: object) -> dict[str, str]:
    """Open a seal. Raises DianaError SEAL_BROKEN."""
    try:
        if not isinstance(sealed, dict):
            raise ValueError
        key_id = sealed["key_id"]
        key = keys.find(key_id)
        nonce, box = (base64.b64decode(sealed[name], validate=True) for name in ("nonce", "box"))
        if key is None:
            raise ValueError
        opened: dict[str, str] = json.loads(AESGCM(key).decrypt(nonce, box, _bound(store, study_uid, key_id)))
    except (InvalidTag, ValueError, TypeError, KeyError):
        raise seal_broken() from None
    return opened


def seal_broken() -> DianaError:
    """SEAL_BROKEN."""
    return DianaError(Reason.SEAL_BROKEN, "The study's sealed attributes do not open.")


def _bound(store: str, study_uid: str, key_id: str) -> bytes:
    return json.dumps(["diana.archive.seal", _SCHEMA, store, study_uid, key_id]).encode()

"""The keys that receipts are signed with, in one file: JSON with `current`, a key id, and `keys`, base64 by key id.

To rotate, add 32 random bytes under their id (of the public key, see core.receipts.PublicKey) and name it in
`current`; keep the old ones, which tell that old receipts are ours. Whoever has this file can sign receipts.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from diana_anon.core.proof.receipts import PublicKey
from diana_common.errors import DianaError
from diana_common.settings import config_invalid
from diana_common.state_files import replace_file

_KEY_BYTES = 32


class FileSigner:
    """core.receipts.Signer by the keys of a file, made with a random key, durable, for its owner only, if absent."""

    def __init__(self, path: Path) -> None:
        """Raises DianaError CONFIG_INVALID."""
        try:
            if not path.exists():
                _create(path)
            document = json.loads(path.read_bytes())
            keys = {str(name): base64.b64decode(key, validate=True) for name, key in document["keys"].items()}
            self.key_id = str(document["current"])
        except OSError as error:
            raise _invalid(f"cannot be used ({error.strerror})") from None
        except (ValueError, TypeError, KeyError, AttributeError):
            raise _invalid("cannot be read") from None
        if self.key_id not in keys or any(len(key) != _KEY_BYTES for key in keys.values()):
            raise _invalid("holds no current key, or one that is not 32 bytes long")
        if any(_public(key).key_id != name for name, key in keys.items()):
            raise _invalid("has a key under an id that is not its own")
        self._private = Ed25519PrivateKey.from_private_bytes(keys[self.key_id])
        ordered = sorted(keys, key=lambda name: (name != self.key_id, name))
        self._public_keys = [_public(keys[name]) for name in ordered]

    def sign(self, statement: bytes) -> bytes:
        """See Signer."""
        return self._private.sign(statement)

    def public_keys(self) -> Sequence[PublicKey]:
        """See Signer."""
        return self._public_keys


def _create(path: Path) -> None:
    key = Ed25519PrivateKey.generate().private_bytes_raw()
    key_id = _public(key).key_id
    document = {"current": key_id, "keys": {key_id: base64.b64encode(key).decode()}}
    replace_file(path, json.dumps(document, indent=1).encode())


def _public(key: bytes) -> PublicKey:
    public = Ed25519PrivateKey.from_private_bytes(key).public_key().public_bytes_raw()
    return PublicKey(hashlib.sha256(public).hexdigest()[:16], public)


def _invalid(what: str) -> DianaError:
    return config_invalid("state_dir", f"the file of the signing keys {what}")

"""Signatures: values of an original, kept encrypted with what was made of it, and the key that they open with.

In our archive they are sealed by its own keys. For an Orthanc they are encrypted on this side with a key that people
hold: Fernet (AES-128 in CBC mode with HMAC-SHA-256), as the older system had them, so that older keys open them.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import rich_click as click

from diana_cli.key_files import read_text
from diana_cli.text import attribute
from diana_common.errors import DianaError, Reason, invalid_field
from diana_endpoints.items import Item
from diana_endpoints.protocol.archive import Sealer, Unsealer
from diana_endpoints.protocol.endpoint import Endpoint
from diana_endpoints.protocol.items import Updater
from diana_endpoints.protocol.study_metadata import MetadataKeeper

KEY_VARIABLE = "DIANA_FKEY"
_TOKEN = "gAAAAA"
"""How every Fernet token of this century begins: its version, and the first bits of its time."""
_COMBINED = {
    "StudyDateTime": ("StudyDate", "StudyTime"),
    "SeriesDateTime": ("SeriesDate", "SeriesTime"),
    "InstanceCreationDateTime": ("InstanceCreationDate", "InstanceCreationTime"),
}
"""What the older system made of two attributes."""


def key_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option --fkey-file, and the older --fkey, which is refused."""
    file = click.option(
        "--fkey-file",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help=f"The key of encrypted metadata: 32 bytes in base64. Default: the environment's {KEY_VARIABLE}.",
    )
    older = click.option("-f", "--fkey", expose_value=False, hidden=True, callback=_refuse("--fkey-file FILE"))
    return file(older(command))


def refused_secret(name: str, instead: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An older option whose value was a secret."""
    return click.option(name, expose_value=False, hidden=True, callback=_refuse(instead))


class Cipher:
    """Encrypts and opens texts with one key."""

    def __init__(self, key: bytes) -> None:
        """The key in base64, either alphabet. Raises DianaError INVALID_FIELD for what is none."""
        from cryptography.fernet import Fernet  # time that other commands need not spend

        try:
            self._fernet = Fernet(base64.urlsafe_b64encode(base64.urlsafe_b64decode(key.translate(_URL_SAFE))))
        except ValueError:
            raise invalid_field("--fkey-file", "holds no key: 32 bytes in base64") from None

    def encrypt(self, values: Mapping[str, str]) -> str:
        """Values as a text that says nothing of them but their length."""
        return self._fernet.encrypt(json.dumps(values).encode()).decode()

    def open(self, text: str) -> Mapping[str, str]:
        """The values. Raises DianaError SEAL_BROKEN where the key is another, or the text was altered."""
        from cryptography.fernet import InvalidToken

        try:
            return _values(self._fernet.decrypt(text.encode()).decode())
        except (InvalidToken, ValueError):
            raise DianaError(Reason.SEAL_BROKEN, "the metadata does not open with this key, or was altered") from None


_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def read_cipher(file: Path | None) -> Cipher | None:
    """The cipher of the key's file, else of the environment; None if there is neither."""
    text = read_text(file) if file else os.environ.get(KEY_VARIABLE, "")
    if text.startswith("@"):
        text = read_text(Path(text[1:]))
    return Cipher(text.strip().encode()) if text else None


def signed_values(item: Item, names: Sequence[str]) -> dict[str, str]:
    """What an original says under some names: of its metadata, else of its header. Raises DianaError INVALID_FIELD."""
    return {name: _value(item, name) for name in names}


def seal(target: Endpoint, study_uid: str, signatures: Mapping[str, Mapping[str, str]], cipher: Cipher | None) -> None:
    """Keep signatures with a study of an endpoint. Raises what it raises."""
    wanted = Item({"study_uid": study_uid, "level": "study"})
    if isinstance(target, Sealer):
        target.seal(wanted, {name: json.dumps(values) for name, values in signatures.items()})
    elif isinstance(target, Updater) and cipher:
        target.update(wanted, {name: cipher.encrypt(values) for name, values in signatures.items()})


def check_can_seal(target: Endpoint, cipher: Cipher | None) -> None:
    """Raises DianaError INVALID_FIELD unless `seal` can be done, before anything is put."""
    if isinstance(target, Sealer):
        return
    if not isinstance(target, Updater) or not isinstance(target, MetadataKeeper):
        raise invalid_field("--sign", "is for an endpoint that keeps metadata of studies: an archive, an Orthanc")
    if cipher is None:
        raise invalid_field("--sign", f"needs a key, with which it is encrypted: --fkey-file FILE or {KEY_VARIABLE}")


def kept_values(source: Endpoint, wanted: Item, key: str, cipher: Cipher | None) -> Mapping[str, str]:
    """What is kept under a key of a study: {key: text}, or the values of a signature. Raises DianaError."""
    if not isinstance(source, MetadataKeeper):
        raise invalid_field("ENDPOINT", "keeps no metadata")
    text = source.metadata(wanted, [key]).get(key)
    if text is None and isinstance(source, Unsealer):
        text = source.unseal(wanted).meta["sealed"].get(key)
        return {} if text is None else _values(text, key)
    if text is None:
        return {}
    return cipher.open(text) if cipher and text.startswith(_TOKEN) else {key: text}


def _values(text: str, key: str = "") -> Mapping[str, str]:
    """The values of a signature's JSON; of another text, as {key: text}. Raises ValueError where no key is given."""
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if isinstance(values, dict):
        return {str(name): str(value) for name, value in values.items()}
    if not key:
        raise ValueError
    return {key: text}


def _value(item: Item, name: str) -> str:
    if name in item.meta:
        return str(item.meta[name])
    try:
        return "".join(attribute(item, one) for one in _COMBINED.get(name, (name,)))
    except DianaError:
        raise invalid_field("--sign", f"names {name!r}: no attribute, nor metadata of the item (setmeta)") from None


def _refuse(instead: str) -> Callable[[click.Context, click.Parameter, str | None], None]:
    def refuse(_: click.Context, param: click.Parameter, value: str | None) -> None:
        if value is not None:
            _refused(param, instead)

    return refuse


def _refused(param: click.Parameter, instead: str) -> NoReturn:
    raise click.BadParameter(
        f"is not taken: other users of the machine see a command line. Use {instead} or the environment.", param=param
    )

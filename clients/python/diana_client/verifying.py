"""Holding a receipt against its keys, its actions and a file, without asking any service."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import grpc

from diana.anon.v1 import receipt_service_pb2 as pb
from diana_client.errors import MeshError

_TYPE = "diana.deidentification.v1"
_PIECE = 1024 * 1024


class ReceiptInvalid(MeshError):
    """The receipt, or what it is held against, is not what was signed."""

    def __init__(self, message: str) -> None:
        super().__init__(grpc.StatusCode.DATA_LOSS, message, reason="RECEIPT_INVALID")


def verify_receipt(
    receipt: pb.Receipt, keys: Iterable[pb.SigningKey], *, result: bytes | Path | None = None
) -> dict[str, Any]:
    """The members of the statement, once its signature by one of `keys`, the digest of its actions (unless they were
    left out) and, if it is given, the digest of the de-identified file have been found right.

    Keys are worth what the way is worth that they came by: keep them when they are first seen. Needs the package
    `cryptography` (the extra diana-mesh-client[verify]). Raises ReceiptInvalid, OSError.
    """
    key = next((one for one in keys if one.key_id == receipt.key_id), None)
    if key is None:
        raise ReceiptInvalid("The receipt is signed with a key that is not among those given.")
    _check_signature(key, receipt)
    statement = _statement(receipt.statement)
    if receipt.actions and hashlib.sha256(receipt.actions).hexdigest() != statement.get("actions_sha256"):
        raise ReceiptInvalid("The list of actions is not the one that was signed.")
    if result is not None and file_sha256(result) != statement.get("result_sha256"):
        raise ReceiptInvalid("The file is not the one that the receipt is for.")
    return statement


def file_sha256(file: bytes | Path) -> str:
    """SHA-256 of a file, in hexadecimal. Raises OSError."""
    digest = hashlib.sha256()
    if isinstance(file, bytes):
        digest.update(file)
        return digest.hexdigest()
    with file.open("rb") as opened:
        while piece := opened.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _check_signature(key: pb.SigningKey, receipt: pb.Receipt) -> None:
    # Here: everything else of the client does without it.
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if hashlib.sha256(key.public_key).hexdigest()[:16] != key.key_id:
        raise ReceiptInvalid("The signing key is not the one that its id names.")
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(receipt.signature, receipt.statement)
    except (InvalidSignature, ValueError):
        raise ReceiptInvalid("The signature does not fit the statement.") from None


def _statement(text: bytes) -> dict[str, Any]:
    try:
        statement = json.loads(text)
    except ValueError:
        statement = None
    if not isinstance(statement, dict) or statement.get("type") != _TYPE:
        raise ReceiptInvalid("The statement is of no type that is known here.")
    return statement

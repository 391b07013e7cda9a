"""Receipts: what was done to one instance, said in a statement that is signed (diana.anon.v1.Receipt)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import Any, Protocol

from diana_anon.core.planning import tables
from diana_common.errors import DianaError, Reason

TYPE = "diana.deidentification.v1"
"""What a statement says of its own form."""

_LONGEST = 2 * 1024 * 1024
_ITEM = re.compile(r"\[[0-9]+\]")

CLEAN = "clean"
"""What a statement says of the scan of a result that holds no identifier of its source."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A statement (JSON, UTF-8), the Ed25519 signature over its bytes, by which key, and the actions it has the digest
    of (JSON, UTF-8; empty where they were not asked for).

    `pending`: its instance is on its way, and the target may have it or not.
    """

    statement: bytes
    signature: bytes
    key_id: str
    actions: bytes
    pending: bool = False

    @property
    def said(self) -> dict[str, Any]:
        """The statement's members, as the contract lists them."""
        members: dict[str, Any] = json.loads(self.statement)
        return members

    @property
    def result(self) -> Result:
        """The file it is about."""
        said = self.said
        return Result(said["sop_instance_uid"], said["result_sha256"])


@dataclass(frozen=True, slots=True)
class Result:
    """A de-identified Part 10 file: its SOP Instance UID, and the SHA-256 of the whole file in hexadecimal."""

    sop_instance_uid: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Shipment:
    """Results of one new study that an operation sent to a store, and of which it did not hear."""

    operation: str
    store: str
    study_uid: str
    results: Sequence[Result]


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An Ed25519 public key (32 bytes). Its id: the first 16 characters of its SHA-256 in hexadecimal."""

    key_id: str
    public_key: bytes


class Signer(Protocol):
    """Signs statements, Ed25519 (RFC 8032). Safe from any thread."""

    @property
    def key_id(self) -> str:
        """The id of the key that `sign` uses."""
        ...

    def sign(self, statement: bytes) -> bytes:
        """The signature, 64 bytes."""
        ...

    def public_keys(self) -> Sequence[PublicKey]:
        """The key in use first, then those used before it."""
        ...


@dataclass(frozen=True, slots=True)
class Findings:
    """What a statement says of one instance. Digests are SHA-256 of whole Part 10 files, in hexadecimal.

    `pixels` is what was done to them, in JSON's types; None: nothing. `released_by`: who let it go in spite of what
    would have held it back; empty: nothing would have.
    """

    source_sha256: str
    result_sha256: str
    sop_instance_uid: str
    study_uid: str
    methods: Sequence[str]
    pixels: Any = None
    released_by: str = ""


class Issuer:
    """Issues the receipts of one profile."""

    def __init__(self, signer: Signer, profile: str, profile_sha256: str) -> None:
        self._signer = signer
        self._fixed = {
            "type": TYPE,
            "profile": profile,
            "profile_sha256": profile_sha256,
            "standard": f"PS3.15 {tables.EDITION}",
            "software": software(),
        }

    def issue(self, findings: Findings, actions: bytes, created: float) -> Receipt:
        """The receipt; `actions` is their JSON, `created` seconds since the epoch."""
        statement = canonical(
            {
                **self._fixed,
                "source_sha256": findings.source_sha256,
                "result_sha256": findings.result_sha256,
                "sop_instance_uid": findings.sop_instance_uid,
                "study_uid": findings.study_uid,
                "methods": list(findings.methods),
                "actions_sha256": hashlib.sha256(actions).hexdigest(),
                "pixels": findings.pixels,
                "scan": {"released": findings.released_by} if findings.released_by else CLEAN,
                "created": datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        )
        return Receipt(statement, self._signer.sign(statement), self._signer.key_id, actions)


def listed(actions: Sequence[tuple[str, str]]) -> bytes:
    """The JSON of an instance's actions. Where it would be longer than 1 MiB, "[*]" stands for the items of a sequence
    and each action is told once, in the order of paths.

    Raises DATA_SET_LIMIT if it is longer than 2 MiB even so.
    """
    text = canonical(actions)
    if len(text) > _LONGEST // 2:
        text = canonical(sorted({(_ITEM.sub("[*]", path), action) for path, action in actions}))
    if len(text) > _LONGEST:
        raise DianaError(Reason.DATA_SET_LIMIT, "the data set has more different attributes than a receipt can list")
    return text


def canonical(value: Any) -> bytes:
    """A value as JSON in one form only: members by name, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@cache
def software() -> str:
    """What de-identifies, and its version."""
    return f"diana-mesh {version('diana-mesh')}"

"""ReceiptService's messages."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

from diana.anon.v1 import receipt_service_pb2 as pb
from diana_anon.core.proof.quarantine import Entry
from diana_anon.core.proof.receipts import PublicKey, Receipt


def receipt_to_proto(receipt: Receipt) -> pb.Receipt:
    """A receipt."""
    return pb.Receipt(
        statement=receipt.statement,
        signature=receipt.signature,
        key_id=receipt.key_id,
        actions=receipt.actions,
        pending=receipt.pending,
    )


def key_to_proto(key: PublicKey) -> pb.SigningKey:
    """A public key."""
    return pb.SigningKey(key_id=key.key_id, public_key=key.public_key)


def entry_to_proto(entry: Entry) -> pb.QuarantineEntry:
    """An instance that was held back."""
    held = entry.held
    created = Timestamp()
    created.FromNanoseconds(int(held.created * 1_000_000) * 1000)
    return pb.QuarantineEntry(
        id=entry.id,
        source_store=held.source_store,
        study_uid=held.study_uid,
        sop_instance_uid=held.sop_instance_uid,
        source_sha256=held.source_sha256,
        profile=held.profile,
        reason=pb.QuarantineReason.ValueType(held.why.value),
        detail=held.detail,
        create_time=created,
        operation=held.operation,
        released_by=entry.released_by,
    )

"""The report of what an operation did: from its receipts, the quarantine, and its failures."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial

from diana_anon.core.ports import Quarantine, StudyEntry
from diana_anon.core.proof.findings import without_items
from diana_anon.core.proof.receipts import Receipt, Signer
from diana_anon.core.reports.counts import Accounts
from diana_anon.core.reports.model import Acted, Facts, Held, Operations, Proof, Refused, Report, Study, attribute
from diana_common.errors import Reason

_MOST_PATHS = 20_000
"""Different paths with actions that are told apart."""
_HELD_SETS, _HELD_BYTES = 64, 16 * 1024 * 1024
"""Sets of actions whose instances are counted before their paths are: a series does the same to all of its."""
_PART = 500
_IN_QUARANTINE = (Reason.INSTANCE_QUARANTINED.name, Reason.PIXELS_UNREADABLE.name)
"""What an instance fails by that goes to quarantine."""


@dataclass(slots=True)
class _Sum:
    """What one reading of the receipts adds up to."""

    released: int = 0
    left_out: int = 0
    methods: set[str] = field(default_factory=set)
    basis: dict[str, set[str]] = field(default_factory=dict)
    actions: Counter[tuple[str, str]] = field(default_factory=Counter)
    sets: dict[bytes, int] = field(default_factory=dict)
    held: int = 0

    def add(self, receipt: Receipt) -> None:
        """One more receipt."""
        said = receipt.said
        self.released += said["scan"] != "clean"
        self.methods.update(said["methods"])
        for name in ("profile", "profile_sha256", "standard", "software"):
            self.basis.setdefault(name, set()).add(said[name])
        if receipt.actions not in self.sets:
            self.held += len(receipt.actions)
        self.sets[receipt.actions] = self.sets.get(receipt.actions, 0) + 1
        if len(self.sets) > _HELD_SETS or self.held > _HELD_BYTES:
            self.settle()

    def settle(self) -> None:
        """Count the paths of the sets of actions that are held."""
        for actions, times in self.sets.items():
            for path, action in json.loads(actions):
                key = without_items(path), action
                if key in self.actions or len(self.actions) < _MOST_PATHS:
                    self.actions[key] += times
                else:
                    self.left_out += times
        self.sets.clear()
        self.held = 0


def done(operation: str, accounts: Accounts, signer: Signer) -> Report | None:
    """The report; None if nothing is known of the operation. Raises STORE_DAMAGED."""
    ledger, operations = accounts.ledger, accounts.operations
    facts, entries = operations.facts(operation), accounts.entries(operation)
    held = partial(_held, operation, accounts.quarantine)
    if facts is None and not entries and next(held(), None) is None:
        return None
    total = _Sum()
    for receipt in ledger.instances(operation):
        total.add(receipt)
    total.settle()
    sources = {one.source_study_uid for one in entries}
    return Report(
        preview=False,
        facts=facts or Facts(operation),
        basis={name: ", ".join(sorted(values)) for name, values in total.basis.items()},
        methods=sorted(total.methods),
        counts=asdict(accounts.counts(operation)) | {"released": total.released},
        studies=partial(_studies, entries, ledger.counts(operation)),
        actions=lambda: (Acted(p, attribute(p), act, n) for (p, act), n in sorted(total.actions.items())),
        refused=lambda: (one for one in _refused(operation, operations) if one.item not in sources),
        failed=lambda: (one for one in _refused(operation, operations) if one.item in sources),
        held=held,
        conflicts=lambda: iter(()),
        texts=lambda: iter(()),
        proofs=lambda: map(_proof, ledger.instances(operation)),
        keys=signer.public_keys(),
        left_out=total.left_out,
    )


def _studies(entries: Sequence[StudyEntry], stored: Mapping[str, int]) -> Iterator[Study]:
    """A study that came out is told by its new UID alone: to tell of what it was made is to re-identify it."""
    for one in entries:
        source = "" if one.study_uid else one.source_study_uid
        yield Study(one.study_uid, source, stored.get(one.study_uid, 0), one.refused)


def _refused(operation: str, operations: Operations) -> Iterator[Refused]:
    """Those that are not in quarantine, which is told by itself."""
    return (one for one in operations.failures(operation) if one.reason not in _IN_QUARANTINE)


def _held(operation: str, quarantine: Quarantine) -> Iterator[Held]:
    after = 0
    while entries := quarantine.entries(operation, True, after, _PART):
        for entry in entries:
            one = entry.held
            why = one.why.name.lower()
            yield Held(entry.id, one.sop_instance_uid, one.study_uid, why, one.detail, entry.released_by)
        after = entries[-1].number


def _proof(receipt: Receipt) -> Proof:
    said = receipt.said
    scan = said["scan"]
    return Proof(
        sop_instance_uid=said["sop_instance_uid"],
        study_uid=said["study_uid"],
        source_sha256=said["source_sha256"],
        result_sha256=said["result_sha256"],
        actions_sha256=said["actions_sha256"],
        scan=scan if isinstance(scan, str) else f"released by {scan['released']}",
        key_id=receipt.key_id,
        signature=receipt.signature.hex(),
        actions=receipt.actions,
    )

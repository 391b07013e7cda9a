"""One instance: collected whole, read once, rewritten by the engine, held against its source, and given a receipt."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from diana_anon.core.identities import Identities, Standing
from diana_anon.core.planning.procedure import DEFAULT_PROFILE, Procedure
from diana_anon.core.ports import Meter, Mint, Piece, Spool, Whole
from diana_anon.core.proof.gates import Cleaner, Gates, Releases
from diana_anon.core.proof.receipts import Findings, Issuer, Receipt, Signer, listed
from diana_anon.core.rewriting.engine import Deidentified
from diana_anon.core.studies.case import Case, Treated
from diana_anon.core.subject import Subject, read_subject
from diana_anon.core.text.identifiers import NOBODY, Identifiers
from diana_common.conditions import Header
from diana_common.errors import DianaError, Reason
from diana_common.header import scan

AT_ONCE = 2
"""Objects in the engine at a time. A hostile one may take some hundred MiB there, and more at once are no faster."""


@dataclass(frozen=True, slots=True)
class Made:
    """A de-identified instance, and the receipt of it; who it was about, and the UIDs that its source has."""

    file: Deidentified
    receipt: Receipt
    subject: Subject = field(repr=False)
    patient_id: str
    study_uid: str
    sop_instance_uid: str


class Deidentifier:
    """De-identifies by the profiles it knows. Safe to use from several threads. `now` is in seconds since the epoch."""

    def __init__(
        self,
        procedures: Iterable[Procedure],
        mint: Mint,
        spool: Spool,
        meter: Meter,
        signer: Signer,
        releases: Releases,
        pixels: Cleaner,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.procedures: Mapping[str, Procedure] = {one.profile.name: one for one in procedures}
        self._issuers = {name: Issuer(signer, name, one.digest) for name, one in self.procedures.items()}
        self._mint = mint
        self._spool = spool
        self._meter = meter
        self._releases = releases
        self._pixels = pixels
        self._now = now
        self._places = threading.BoundedSemaphore(AT_ONCE)

    def procedure(self, name: str) -> Procedure:
        """The named one; the default for an empty name. Raises PROFILE_UNKNOWN."""
        try:
            return self.procedures[name or DEFAULT_PROFILE]
        except KeyError:
            raise DianaError(Reason.PROFILE_UNKNOWN, "No profile of this name is configured.") from None

    def identities(
        self, procedure: Procedure, instances: Callable[[], Iterable[Standing]] = tuple, key_version: int = 0
    ) -> Identities:
        """What a piece of work by this procedure needs of the mint; see Identities. Raises what that does."""
        return Identities(self._mint, procedure.domain, instances, key_version)

    def collect(self, pieces: Iterable[bytes], procedure: Procedure) -> Whole:
        """A Part 10 file whole. Raises what `Spool.collect` does."""
        with self._metered(procedure):
            return self._spool.collect(pieces)

    def instance(
        self, source: Whole, procedure: Procedure, identities: Identities, siblings: Identifiers = NOBODY
    ) -> Made:
        """De-identify one Part 10 file, `siblings` being the identifiers in other instances of its study.

        Raises what `scan`, `Mint.identity` and `deidentify` do, and Withheld.
        """
        with self._metered(procedure):
            made = self._made(source, procedure, identities, siblings)
        self._meter.deidentified(procedure.profile.name)
        return made

    @contextmanager
    def _metered(self, procedure: Procedure) -> Iterator[None]:
        try:
            yield
        except DianaError as error:
            self._meter.refused(procedure.profile.name, error)
            raise

    def _made(self, source: Whole, procedure: Procedure, identities: Identities, siblings: Identifiers) -> Made:
        gates = Gates(self._releases, procedure, _digest([source]))
        with self._places:
            scanned = scan(source)
            header: Header = json.loads(scanned.dicom_json)
        subject = read_subject(header)
        identity = identities.of(subject)
        standing = scanned.study_uid, scanned.series_uid, scanned.sop_instance_uid
        case = Case(source, header, procedure, identity, identities.pseudonyms(identity, standing, header), siblings)
        with self._places:
            treated = case.treated(gates, self._pixels, identities)
        receipt = self._receipt(treated, gates)
        return Made(treated.file, receipt, subject, identity.patient_id, scanned.study_uid, scanned.sop_instance_uid)

    def _receipt(self, treated: Treated, gates: Gates) -> Receipt:
        file, pixels = treated.file, treated.pixels
        findings = Findings(
            source_sha256=gates.source_sha256,
            result_sha256=_digest(file.pieces),
            sop_instance_uid=file.sop_instance_uid,
            study_uid=file.study_uid,
            methods=[method.value for method in file.methods],
            pixels=pixels.statement() if pixels else None,
            released_by=gates.released_by,
        )
        issuer = self._issuers[gates.procedure.profile.name]
        return issuer.issue(findings, listed(treated.log.actions), self._now())


def _digest(pieces: Sequence[Whole | Piece]) -> str:
    """SHA-256 of the pieces in a row."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()

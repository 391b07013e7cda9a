"""One object under a procedure: its pixels and texts cleaned, rewritten by the engine, and held against its source."""

from __future__ import annotations

from dataclasses import dataclass, replace

from diana_anon.core.identities import Identities
from diana_anon.core.pixels.model import CleanedPixels
from diana_anon.core.pixels.unused import holds_overlays
from diana_anon.core.planning.plan import Plan
from diana_anon.core.planning.procedure import Procedure
from diana_anon.core.ports import Whole
from diana_anon.core.proof.gates import Cleaner, Gates
from diana_anon.core.proof.mend import mended_plan
from diana_anon.core.proof.self_scan import leaks
from diana_anon.core.rewriting.actions import ActionLog
from diana_anon.core.rewriting.engine import Deidentified, Identity, Pseudonyms, deidentify
from diana_anon.core.studies.siblings import strikes_identifiers
from diana_anon.core.text.attributes import retained_tags
from diana_anon.core.text.identifiers import Identifiers, gathered
from diana_anon.core.text.report import text_offset
from diana_common.conditions import Header


@dataclass(frozen=True, slots=True)
class Treated:
    """A de-identified object, every action that made it so, and what was done to its pixels."""

    file: Deidentified
    log: ActionLog
    pixels: CleanedPixels | None


@dataclass(frozen=True, slots=True)
class Case:
    """An object to treat: its bytes and header, whom it becomes, and the identifiers that its study has elsewhere."""

    source: Whole
    header: Header
    procedure: Procedure
    identity: Identity
    pseudonyms: Pseudonyms
    siblings: Identifiers

    def treated(self, gates: Gates, pixels: Cleaner, identities: Identities) -> Treated:
        """What becomes of it. Raises Withheld, OCR_MISSING, and what `deidentify` does.

        Text that the standard keeps, and in which an identifier is found afterwards, is cleaned in a second try.
        """
        profile = self.procedure.profile
        known = gathered(self.header, profile, self.source)
        # The dates of siblings may well be what this one's have been moved to.
        sought = known | replace(self.siblings, stamps=frozenset())
        if profile.cleans_pixels:
            cleaned = gates.clean(pixels, self.source, self.header)
        elif holds_overlays(self.header):
            cleaned = gates.clear_overlays(pixels, self.source, self.header)
        else:
            cleaned = None
        made = self._rewritten(self.procedure.plan, cleaned, known, identities, strikes_identifiers(profile))
        left = self._left(sought, made)
        if left and (mended := mended_plan(profile, left, self.header)) is not None:
            made = self._rewritten(mended, cleaned, known, identities, True)
            left = self._left(sought, made)
        gates.check(left)
        return made

    def _rewritten(
        self, plan: Plan, pixels: CleanedPixels | None, known: Identifiers, identities: Identities, cleans: bool
    ) -> Treated:
        cleaner, log = None, ActionLog()
        if cleans:
            offset = text_offset(self.procedure.profile, self.identity.offset)
            cleaner = identities.cleaner(self.siblings | known, offset)
        plan = plan.for_object(self.header)
        file = deidentify(self.source, plan, self.identity, self.pseudonyms, cleaner=cleaner, pixels=pixels, log=log)
        log.unplaced(self.pseudonyms.unplaced)
        return Treated(file, log, pixels)

    def _left(self, sought: Identifiers, made: Treated) -> tuple[str, ...]:
        return leaks(sought, made.file.pieces, self._minted(), retained_tags(self.procedure.profile))

    def _minted(self) -> list[str]:
        """What the identity has, which is no leak even if the source had it."""
        born = self.identity.birth_date
        return [self.identity.patient_id, self.identity.patient_name, *([born.strftime("%Y%m%d")] if born else [])]

"""Runs files through the service's own core, study by study, in memory: what the service does but for transport."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Sequence
from datetime import timedelta

from diana_anon.core.pixels.cleaner import PixelCleaner
from diana_anon.core.pixels.model import CleanedPixels
from diana_anon.core.planning.procedure import make_procedure
from diana_anon.core.ports import Keys, Whole
from diana_anon.core.profile import PixelPolicy
from diana_anon.core.profiles import shipped_profile
from diana_anon.core.proof.quarantine import Why
from diana_anon.core.proof.receipts import PublicKey
from diana_anon.core.proof.self_scan import leaks
from diana_anon.core.rewriting.engine import Identity
from diana_anon.core.studies.deidentifier import Deidentifier
from diana_anon.core.studies.siblings import gathered_from
from diana_anon.core.subject import Subject, read_subject
from diana_anon.core.text.identifiers import Identifiers, gathered
from diana_common.conditions import Header
from diana_common.errors import DianaError
from diana_common.header import scan
from diana_common.uidmap import map_accession_number

_SECRET = b"the examiner's own secret"


class Mint:
    """Identities by a keyed digest of the patient id. `seconds`: whether offsets have a part of a day in them."""

    def __init__(self, seconds: bool = False) -> None:
        self._seconds = seconds

    def identity(self, domain: str, subject: Subject, key_version: int = 0) -> Identity:
        digest = _digest(f"{domain}/{subject.patient_id}")
        days = -31 - 7 * (digest[0] % 80)  # no multiple of the days between the sample's dates
        offset = timedelta(days=days, seconds=int.from_bytes(digest[2:4], "big") if self._seconds else 0)
        born = subject.birth_date and subject.birth_date + timedelta(days=digest[4] % 80 + 5)
        return Identity(f"DX{digest.hex()[:14].upper()}", f"SUBJECT^{digest.hex()[:6].upper()}", born, offset)

    def keys(self, domain: str, key_version: int = 0) -> Keys:
        return Keys(_digest(f"{domain}/uids"), _digest(f"{domain}/accession numbers"), 1)

    def newest_key_version(self, domain: str) -> int:
        return self.keys(domain).version

    def accession_number(self, domain: str, accession_number: str, key_version: int = 0) -> str:
        return map_accession_number(self.keys(domain, key_version).accession_numbers, accession_number)


class Pipeline:
    """One profile at work. `pixels`: what cleans them; without it they pass, whatever the profile says.

    `released`: what would go to quarantine comes out, so that one can see what is wrong with it.
    """

    def __init__(
        self, profile: str, pixels: PixelCleaner | None = None, mint: Mint | None = None, released: bool = False
    ) -> None:
        self._procedure = make_procedure(shipped_profile(profile), "examination")
        self._deidentifier = Deidentifier(
            [self._procedure],
            mint or Mint(),
            Spool(),
            _Meter(),
            _Signer(),
            _Examiner(released),
            pixels or _Untouched(),
            _now,
        )
        self._identities = self._deidentifier.identities(self._procedure)

    def study(self, files: Iterable[bytes]) -> list[bytes | DianaError]:
        """What becomes of each file of a study, or why nothing does."""
        files = list(files)
        siblings = self.siblings(files)
        return [self.made(data, siblings) for data in files]

    def siblings(self, files: Iterable[bytes]) -> Identifiers:
        """What the headers of a study say together."""
        return gathered_from(map(_header, files), self._procedure.profile)

    def made(self, data: bytes, siblings: Identifiers) -> bytes | DianaError:
        """What becomes of a file, or why nothing does."""
        try:
            made = self._deidentifier.instance(data, self._procedure, self._identities, siblings)
        except DianaError as error:
            return error
        return b"".join(made.file.pieces)

    def left(self, source: bytes, made: bytes) -> tuple[str, ...]:
        """Where the service's own last look finds an identifier of the source in a file."""
        header = _header(source)
        identity = self._identities.of(read_subject(header))
        minted = [identity.patient_id, identity.patient_name]
        return leaks(gathered(header, self._procedure.profile), [made], minted)

    def one(self, data: bytes) -> bytes:
        """What becomes of a file that has no siblings. Raises what refuses it."""
        (made,) = self.study([data])
        if isinstance(made, DianaError):
            raise made
        return made


def _header(data: bytes) -> Header:
    header: Header = json.loads(scan(data).dicom_json)
    return header


def _digest(text: str) -> bytes:
    return hmac.digest(_SECRET, text.encode("utf-8", "surrogatepass"), hashlib.sha256)


def _now() -> float:
    return 0.0


class Spool:
    """A place in memory."""

    def collect(self, pieces: Iterable[bytes]) -> Whole:
        return b"".join(pieces)


class _Meter:
    def deidentified(self, profile: str) -> None:
        pass

    def refused(self, profile: str, error: DianaError) -> None:
        pass


class _Signer:
    key_id = "none"

    def sign(self, statement: bytes) -> bytes:
        return bytes(64)

    def public_keys(self) -> Sequence[PublicKey]:
        return ()


class _Examiner:
    """Lets all go, or nothing."""

    def __init__(self, released: bool) -> None:
        self._name = "the examiner" if released else ""

    def released_by(self, source_sha256: str, profile_sha256: str, why: Why) -> str:
        return self._name


class _Untouched:
    def clean(self, source: Whole, header: Header, policy: PixelPolicy) -> CleanedPixels | None:
        return None

    def clear_overlays(self, source: Whole, header: Header) -> CleanedPixels | None:
        return None

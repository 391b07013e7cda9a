"""An instance whose upload may be cut and gone on with: gathered in a part, and an object only at its end."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from diana_archive.core.checksums import check_digest
from diana_archive.core.incoming import Desk, Digests, Incoming, disk_errors, guess_data_set_offset
from diana_archive.core.model import Newcomer, Origin, Stored, StorePolicy
from diana_archive.core.parts import Part, Resuming
from diana_archive.core.storing import Answer
from diana_common.errors import Code, DianaError, Reason, invalid_field

_FINAL = frozenset({Code.INVALID_ARGUMENT, Code.ALREADY_EXISTS})
"""Sending the rest again would change nothing."""


class ResumableIncoming(Incoming):
    """As Incoming, but what arrived is kept when its stream gives it up, and after errors that pass: their metadata
    say how much, as `expected_offset`. At the end it is kept until it is committed as an object."""

    def __init__(self, desk: Desk, policy: StorePolicy, origin: Origin, resuming: Resuming, upload_id: str) -> None:
        """Goes on where the upload is. Raises what `Resuming.take_over` does, and QUOTA_EXCEEDED."""
        super().__init__(desk, policy, origin)
        # Asked again at the end: what is known to be too much now need not come first.
        desk.quotas.check(desk.catalogue, policy, 0)
        self._hold = resuming.take_over(policy.name, upload_id)
        self.size_bytes = self._hold.size_bytes
        # What came on other streams is digested at the end, in one go.
        self._resumed = self.size_bytes > 0
        self._whole = hashlib.sha256()

    def write(self, data: bytes) -> None:
        """See Incoming."""
        with self._judged(), self._hold.turn() as part:
            self._append(part, data)

    def finish(self, data: bytes, answer: Answer) -> None:
        """See Incoming. Raises INVALID_FIELD without a digest to check it all by; what arrived is kept then."""
        if not self.sha256:
            self.give_up()
            raise invalid_field("chunks.sha256", "is required at the end of a resumable upload")
        with self._judged():
            with self._hold.turn() as part:
                self._append(part, data)
                newcomer = self._check(part)
                if isinstance(newcomer, Newcomer):
                    self._adopt(part)
            if isinstance(newcomer, Newcomer):
                self._submit(newcomer, b"", lambda result: answer(self._settle(result)))
                return
        self.discard()
        answer(newcomer)

    def discard(self) -> None:
        """See Incoming. What another stream took over is that one's."""
        super().discard()
        self._hold.drop()

    def give_up(self) -> None:
        """The rest does not come on this stream; what arrived is kept."""
        super().discard()
        self._hold.leave()

    def _append(self, part: Part, data: bytes) -> None:
        if data and part.is_shared:
            # It was whole and digested once, so that these are another instance's bytes.
            raise DianaError(Reason.CHECKSUM_MISMATCH, "All of the upload had come before; these bytes are beyond it.")
        self._count(data)
        self._desk.quotas.check(self._desk.catalogue, self._policy, self.size_bytes)
        with disk_errors():
            part.write(data)
        if not self._resumed:
            self._digest(data)

    def _digest(self, data: bytes) -> None:
        if self._digests is None:
            self._digests = Digests(guess_data_set_offset(data))
        self._digests.update(data)
        self._whole.update(data)

    def _check(self, part: Part) -> Newcomer | Stored:
        with disk_errors():
            if self._resumed:
                for piece in part.pieces():
                    self._digest(piece)
            check_digest(self._whole.digest(), self.sha256)
            self.sha256 = b""
            with part.contents() as contents:
                return self._read(contents)

    def _adopt(self, part: Part) -> None:
        """Make an object of the part. It is durable before: the committer, and whoever waits for it, need not wait
        for a large file, and it is no object, which a crash would set aside, for long."""
        with disk_errors():
            self._sync(part)
            self._draft = self._make(lambda: self._desk.objects.adopt(self._policy.name, part.path))
            self._draft.finish()

    def _sync(self, part: Part) -> None:
        """A part that could not be synced is dropped: which of its bytes are on the disk can never be told again."""
        try:
            part.sync()
        except OSError:
            self.discard()
            raise

    def _settle(self, result: Stored | DianaError) -> Stored | DianaError:
        """The committer's answer, once the part is dropped or left; its object is the committer's own."""
        if isinstance(result, DianaError) and result.code not in _FINAL:
            self._hold.leave()
            return self._kept(result)
        self._hold.drop()
        return result

    def _kept(self, error: DianaError) -> DianaError:
        """The same error, and where to go on."""
        metadata = {**error.metadata, "expected_offset": str(self._hold.size_bytes)}
        return DianaError(error.reason, error.message, fields=error.fields, metadata=metadata)

    @contextmanager
    def _judged(self) -> Iterator[None]:
        """What fails for good is dropped, the rest is kept."""
        try:
            yield
        except DianaError as error:
            if error.code in _FINAL:
                self.discard()
                raise
            self.give_up()
            raise self._kept(error) from error
        except BaseException:
            self.give_up()
            raise

"""The archive, put together from its stores and its rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from diana_archive.core.adopting import Adopting, Adoption, Spool
from diana_archive.core.attributes import Attributes
from diana_archive.core.backing_up import BackingUp
from diana_archive.core.committer import Committer
from diana_archive.core.completing import Completing
from diana_archive.core.deleting import Deleting
from diana_archive.core.feed import Feed
from diana_archive.core.importing import Importing
from diana_archive.core.incoming import Desk
from diana_archive.core.listing import Listing
from diana_archive.core.model import Origin, StorePolicy
from diana_archive.core.parts import Parts, Resuming
from diana_archive.core.policies import Policies
from diana_archive.core.ports import Catalogue, Clock, Meter, Objects, SealKeys, Sidecars
from diana_archive.core.pump import Lanes, Pump
from diana_archive.core.reading import Reading
from diana_archive.core.retiring import Retiring
from diana_archive.core.upkeep import Upkeep
from diana_archive.core.uploads import Chunk, Upload
from diana_archive.core.verifying import Verifying


class Archive:
    """Its parts are its interface: `reading`, `listing`, `deleting`, `attributes`, `feed`, `verifying`,
    `completing`, `importing`, `backing_up`, `upkeep`, and uploads."""

    def __init__(
        self,
        *,
        policies: Iterable[StorePolicy],
        catalogue: Catalogue,
        objects: Objects,
        sidecars: Sidecars,
        seal_keys: SealKeys,
        clock: Clock,
        meter: Meter,
        max_instance_bytes: int,
        parts: Parts,
        upload_lifetime_us: int,
        spools: Mapping[str, Spool],
    ) -> None:
        self.policies = Policies(policies)
        self._catalogue = catalogue
        self._meter = meter
        self._lanes = Lanes()
        self.feed = Feed(catalogue, self.policies)
        self._committer = Committer(catalogue, objects, self.feed.publish, meter)
        self._resuming = Resuming(parts, clock, upload_lifetime_us)
        self._adopting = Adopting(spools)
        self._desk = Desk(
            objects,
            catalogue,
            self._committer.submit,
            lambda: self.feed.head,
            max_instance_bytes,
            resuming=self._resuming,
        )
        self.reading = Reading(catalogue, objects, self.policies)
        self.listing = Listing(catalogue, self.policies)
        self.deleting = Deleting(self._committer, catalogue, self.policies, objects, sidecars)
        self.attributes = Attributes(self._committer, catalogue, self.policies, sidecars, seal_keys)
        self.backing_up = BackingUp(catalogue, objects, sidecars)
        self.importing = Importing(self._desk, self.policies, meter)
        self.verifying = Verifying(catalogue, objects, self._committer, self.policies)
        self.completing = Completing(self._committer, catalogue, self.policies)
        retiring = Retiring(self._committer, catalogue, self.deleting, self._desk.quotas)
        self.upkeep = Upkeep(
            catalogue, objects, self.completing, self.deleting, retiring, self._resuming, self.policies, clock, meter
        )

    def start(self, with_upkeep: bool = True) -> None:
        """Begin to commit and, unless somebody else calls `upkeep.look`, to keep itself up."""
        self._committer.start()
        self._catalogue.watch(self.feed.publish)
        if with_upkeep:
            self.upkeep.start()

    def upload(self, store: str, origin: Origin) -> Upload:
        """A stream of instances into a store. Raises STORE_UNKNOWN."""
        return Upload(self._desk, self.policies.find(store), origin, self._meter)

    def upload_progress(self, store: str, upload_id: str) -> tuple[int, int]:
        """How many bytes of a resumable upload are kept, and until when. Raises STORE_UNKNOWN, UPLOAD_NOT_FOUND."""
        return self._resuming.progress(self.policies.find(store).name, upload_id)

    def adoption(self, upload: Upload, spool: str, caller_is_local: bool) -> Adoption:
        """Files of a door's spool directory for an upload. Raises PATH_FORBIDDEN."""
        return Adoption(upload, self._adopting.find(spool, caller_is_local), self._meter)

    def pump(self, upload: Upload, messages: Iterable[Iterable[Chunk]]) -> Pump:
        """Feed an upload from messages."""
        return Pump(upload, messages, self._lanes)

    def check_ready(self) -> None:
        """Raises when it cannot answer."""
        self._committer.check()
        with self._catalogue.snapshot() as snapshot:
            snapshot.head()

    def close(self) -> None:
        """Commit what was taken, end the threads, close the catalogue."""
        self.feed.stop()
        self.upkeep.close()
        self._committer.close()
        self._catalogue.close()

"""An Orthanc, by its REST interface (1.10 and later)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from diana_common.errors import DianaError, Reason, invalid_field
from diana_endpoints import orthanc_find, orthanc_methods, orthanc_proxy
from diana_endpoints.failures import each
from diana_endpoints.http import Server, segment
from diana_endpoints.items import Item
from diana_endpoints.kind import Kind
from diana_endpoints.levels import STUDY
from diana_endpoints.methods import no_method
from diana_endpoints.orthanc_contents import count, instances, store
from diana_endpoints.orthanc_names import Resource, as_list, as_mapping, resource, resources
from diana_endpoints.orthanc_settings import OrthancSettings, read_url
from diana_endpoints.protocol.endpoint import Health
from diana_endpoints.protocol.query import Query


class Orthanc:
    """Endpoint `orthanc`. Every method but `check` raises DianaError when Orthanc refuses, or cannot be reached.

    An item that is wanted is named by Orthanc's id, a UID or an accession number in `meta["id"]`, at `meta["level"]`
    where that is given; or by the UIDs of a chain's items.
    """

    methods: Mapping[str, str] = orthanc_methods.METHODS

    def __init__(self, settings: OrthancSettings) -> None:
        """Raises DianaError for settings that cannot be used. Connects when it is first needed."""
        self._settings = settings
        self._server = Server(settings, settings.address)
        self.passed_over: Counter[str] = Counter()

    def close(self) -> None:
        """Drop the connections."""
        self._server.close()

    def check(self) -> Health:
        """Its version, and what it holds."""
        try:
            with self._server.hurried() as server:
                version = as_mapping(server.ask("GET", "/system").json()).get("Version")
                held = as_mapping(server.ask("GET", "/statistics").json())
            size = int(held.get("TotalDiskSize", 0))
        except DianaError as error:
            return Health(False, error.message)
        except (TypeError, ValueError):
            return Health(False, "the server does not answer as Orthanc does")
        counts = f"{held.get('CountStudies')} studies, {held.get('CountInstances')} instances"
        return Health(True, f"Orthanc {version}: {counts}, {size:,} bytes{self._server.exposed}")

    def list(self) -> Iterator[Item]:
        """Every instance, study by study. The names of studies are held, so that a chain may delete what it is given.

        A study that is deleted before its turn is passed over.
        """
        self.passed_over = Counter()
        number = 0
        for study in as_list(self._server.ask("GET", "/studies").json()):
            try:
                for item in instances(self._server, Resource(STUDY, str(study))):
                    number += 1
                    item.number = number
                    yield item
            except DianaError as error:
                if error.reason is not Reason.ITEM_NOT_FOUND:
                    raise
                self.passed_over["studies deleted meanwhile"] += 1

    def get(self, wanted: Item) -> Iterator[Item]:
        """The instances of what `wanted.meta` names, their content streamed when it is opened."""
        for found in resources(self._server, wanted):
            yield from instances(self._server, found)

    def find(self, query: Query) -> Iterator[Item]:
        """What matches, each with Orthanc's main tags, and what the query names of the first instance's others."""
        return orthanc_find.find(self._server, query)

    def put(self, items: Iterable[Item]) -> Iterator[Item]:
        """Store each; `meta["id"]` is its name in Orthanc then, and `meta["study_id"]` its study's."""
        self._server.ask("GET", "/system")  # an Orthanc that is not there is told of before anything is read
        yield from each(items, lambda item: store(self._server, item))

    def update(self, wanted: Item, changes: Mapping[str, Any]) -> Item:
        """Set metadata of a patient, study, series or instance; Orthanc must know their names (UserMetadata).

        `meta["metadata"]` has all of it then.
        """
        found = resource(self._server, wanted)
        for name, value in changes.items():
            self._set(found, name, value)
        wanted.meta |= {"id": found.id, "level": found.level.name, "metadata": dict(self._metadata(found))}
        return wanted

    def metadata(self, wanted: Item, keys: Sequence[str] = ()) -> Mapping[str, str]:
        """The metadata of what `wanted.meta` names, all of it or that of `keys`."""
        held = self._metadata(resource(self._server, wanted))
        return {key: text for key, text in held.items() if not keys or key in keys}

    def delete(self, wanted: Item) -> int:
        """Delete what `wanted.meta` names, and all below it; how many instances that was."""
        found = resource(self._server, wanted)
        deleted = count(self._server, found)
        self._server.ask("DELETE", found.path)
        return deleted

    def find_through(self, peer: str, query: Query) -> Iterator[Item]:
        """A modality's answers to a C-FIND."""
        return orthanc_proxy.find_through(self._server, peer, query)

    def retrieve_through(self, peer: str, wanted: Item) -> Item:
        """Have Orthanc retrieve what `wanted` names by UIDs from a modality (C-MOVE to itself)."""
        return orthanc_proxy.retrieve_through(self._server, peer, wanted, self._settings.job_timeout)

    def handle(self, method: str, arguments: Sequence[Any], options: Mapping[str, Any]) -> Iterator[Item]:
        """Do what `methods` names."""
        if method not in orthanc_methods.HANDLERS:
            raise no_method(method, self.methods)
        handler: Callable[..., Iterator[Item]] = orthanc_methods.HANDLERS[method]
        job = orthanc_methods.Job(self._server, self._settings.job_timeout)
        return orthanc_methods.call(handler, job, arguments, options)

    def _metadata(self, found: Resource) -> Mapping[str, str]:
        held = self._server.ask("GET", f"{found.path}/metadata", fields=[("expand", "")]).json()
        return {name: str(text) for name, text in as_mapping(held).items()}

    def _set(self, found: Resource, name: str, value: object) -> None:
        path = f"{found.path}/metadata/{segment(name, 'metadata')}"
        try:
            if value is None:
                self._server.ask("DELETE", path, accepted=(404,))
            else:
                self._server.ask("PUT", path, body=(value if isinstance(value, str) else json.dumps(value)).encode())
        except DianaError as error:
            if error.reason is Reason.ITEM_NOT_FOUND:
                raise invalid_field(name, "is no metadata that Orthanc knows: add it to its UserMetadata") from None
            raise


KIND = Kind(OrthancSettings, Orthanc, read_url=read_url)

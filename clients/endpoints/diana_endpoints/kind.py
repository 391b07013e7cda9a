"""What there is to know of a kind of endpoint. A package of others offers one as an entry point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from diana_endpoints.protocol.endpoint import Endpoint


@dataclass(frozen=True)
class Kind:
    """A kind of endpoint, as its module or an entry point of group `diana_endpoints` offers it.

    The entry point's name is the kind's `ctype` in services YAML, and what a URL of it begins with.
    """

    settings: type
    """A frozen dataclass: the settings in services YAML, read by `diana_common.settings.build`."""

    make: Callable[[Any], Endpoint]
    """Makes an endpoint of its settings. Connects to nothing yet."""

    setting: str = ""
    """The setting that a URL gives after its colon; empty where a URL is read by `read_url`, or has nothing there."""

    read_url: Callable[[str, Mapping[str, str]], Mapping[str, Any]] | None = None
    """The settings that a whole URL means, given the environment. Of `dicomweb+https://host` it gets `https://host`."""

    mesh: bool = False
    """Whether it is a service of the mesh, whose address comes from services YAML or the running mesh."""

    reads_through: bool = False
    """Whether it finds by reading all that it has: true of every `Listed`. A collection then reads it once, instead of
    asking again for each of its items."""

"""How a DICOMweb server is described: in services YAML, by URL, by the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from diana_common.errors import invalid_field
from diana_endpoints.connection_settings import from_environment
from diana_endpoints.http_settings import NAMES, ServerSettings


@dataclass(frozen=True)
class DicomWebSettings(ServerSettings):
    """A DICOMweb server."""

    url: str = ""
    """The URL that its services have in common: https://HOST/dicom-web."""

    page_size: int = 200
    """Matches asked for at a time."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.url:
            raise ValueError("url is required")
        if not 0 < self.page_size <= 10000:
            raise ValueError("page_size must be from 1 to 10000")


def read_url(url: str, env: Mapping[str, str]) -> Mapping[str, Any]:
    """The settings of https://HOST/ROOT; DICOMWEB_USER, DICOMWEB_PASSWORD, DICOMWEB_TOKEN and their like."""
    if url.startswith("dicomweb:"):
        raise invalid_field("ENDPOINT", "must be written dicomweb+https://HOST/ROOT")
    return {**from_environment("DICOMWEB", env, NAMES), "url": url}

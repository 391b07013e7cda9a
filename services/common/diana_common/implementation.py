"""Who we are to other DICOM software: in the File Meta Information that we write, and in associations."""

from __future__ import annotations

IMPLEMENTATION_CLASS_UID = "2.25.74189890639708613927530481534058530977"
"""Implementation Class UID (0002,0012)."""

IMPLEMENTATION_VERSION_NAME = "DIANA_MESH"
"""Implementation Version Name (0002,0013)."""

"""What DICOM files begin with (PS3.10 section 7.1)."""

from __future__ import annotations

import hashlib

from diana_common.dicom.filemeta import read_file_meta
from diana_endpoints.items import CHUNK, Content

PREAMBLE = 132
"""Bytes up to the end of "DICM"."""


def is_part10(head: bytes) -> bool:
    """Whether a file that begins so may be a DICOM Part 10 file."""
    return head[128:PREAMBLE] == b"DICM"


def holds_part10(content: Content) -> bool:
    """Whether content may be a DICOM Part 10 file. Raises what opening it raises."""
    with content.open() as stream:
        return is_part10(stream.read(PREAMBLE))


def may_be_same(one: Content, other: Content) -> bool:
    """Whether two files say the same, whatever wrote their File Meta Information: their data sets are compared.

    Those in different transfer syntaxes may be. Raises DianaError for what is no Part 10 file, and what opening raises.
    """
    (syntax, digest), (other_syntax, other_digest) = map(_digest, (one, other))
    return syntax != other_syntax or digest == other_digest


def _digest(content: Content) -> tuple[str, bytes]:
    """A file's transfer syntax, and the SHA-256 of its data set."""
    with content.open() as stream:
        piece = stream.read(CHUNK)
        meta = read_file_meta(piece, complete=True)
        digest = hashlib.sha256(piece[meta.offset :] if meta else piece)
        while piece := stream.read(CHUNK):
            digest.update(piece)
    return meta.transfer_syntax_uid if meta else "", digest.digest()

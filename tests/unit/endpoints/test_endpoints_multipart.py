"""multipart/related as a stream: parts of any kind, cut anywhere, and what is none."""

from __future__ import annotations

import io
import os

import pytest

from diana_common.errors import DianaError, Reason
from diana_endpoints.items import BytesContent, chunks
from diana_endpoints.multipart import HELD, boundary_of, held, new_boundary, read_parts, written
from diana_endpoints.temporary import TemporaryContent

BODIES = [b"", b"\r\n", b"one", b"--b", b"\r\n--", b"\r\n--nearly\r\n--b0", os.urandom(700_000)]


class Dribbling(io.BytesIO):
    """A stream that gives less than it is asked for."""

    def __init__(self, data: bytes, most: int) -> None:
        super().__init__(data)
        self._most = most

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 0, self._most))


@pytest.mark.parametrize("most", [3, 61, 100_000])
def test_what_is_written_is_read_again_wherever_it_is_cut(most: int) -> None:
    bodies = BODIES if most > 3 else BODIES[:-1]
    boundary = new_boundary()
    text = b"".join(written(map(BytesContent, bodies), boundary, "application/dicom"))
    parts = [(headers, b"".join(pieces)) for headers, pieces in read_parts(Dribbling(text, most), boundary)]
    assert [body for _, body in parts] == bodies
    assert {headers["content-type"] for headers, _ in parts} == {"application/dicom"}


def test_a_preamble_padding_and_parts_without_headers_are_taken_and_parts_may_be_left_unread() -> None:
    text = b"hello\r\n--b  \r\n\r\nfirst\r\n--b\r\nX: 1\r\n\r\nsecond\r\n--b--\r\nbye"
    assert [b"".join(pieces) for _, pieces in read_parts(io.BytesIO(text), "b")] == [b"first", b"second"]
    assert [dict(headers) for headers, _ in read_parts(io.BytesIO(text), "b")] == [{}, {"x": "1"}]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"no parts at all",
        b"x" * 200_000,
        b"--b\r\n\r\nno end",
        b"--b\r\nX: 1\r\n",
        b"--b",
        b"--b\r\nX: " + b"1" * 100_000 + b"\r\n\r\nbody\r\n--b--",
    ],
)
def test_what_is_no_multipart_or_ends_too_early_is_refused(text: bytes) -> None:
    with pytest.raises(DianaError) as error:
        for _, pieces in read_parts(io.BytesIO(text), "b"):
            b"".join(pieces)
    assert error.value.reason is Reason.ENDPOINT_REFUSED


def test_a_large_part_lies_in_a_file_and_can_be_opened_again() -> None:
    small, large = held(iter([b"a", b"b"])), held(iter([b"x" * HELD, b"y", b"z"]))
    assert isinstance(small, BytesContent)
    assert isinstance(large, TemporaryContent)
    for _ in range(2):
        assert b"".join(chunks(large)) == b"x" * HELD + b"yz"


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/related; type=application/dicom; boundary=abc", "abc"),
        ('multipart/related; boundary="a b"; type="application/dicom"', "a b"),
        ("Multipart/Related;BOUNDARY=abc", "abc"),
    ],
)
def test_the_boundary_is_read_from_the_content_type(content_type: str, boundary: str) -> None:
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize("content_type", ["", "text/html; boundary=x", "multipart/related", "multipart/x; boundary="])
def test_a_content_type_without_parts_is_refused(content_type: str) -> None:
    with pytest.raises(DianaError):
        boundary_of(content_type)

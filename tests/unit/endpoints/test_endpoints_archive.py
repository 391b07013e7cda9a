"""A store of an archive: what an id names, what is read when it is opened, what an upload reads."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from types import SimpleNamespace

import pytest
from grpc import StatusCode

from diana.archive.v1.resources_pb2 import Instance, Study
from diana_client import NotFound
from diana_common.errors import DianaError
from diana_endpoints.archive import Archive, ArchiveSettings
from diana_endpoints.items import BytesContent, Content, FileContent, Item, chunks
from diana_endpoints.pieces import PiecesContent, upload_source


class Client:
    """A store of one study, 1.2; it notes what it is asked to delete."""

    def __init__(self) -> None:
        self.deleted: list[tuple[str, object]] = []

    def study(self, study_uid: str, *, store: str) -> Study:
        if study_uid != "1.2":
            raise NotFound(StatusCode.NOT_FOUND, "none", reason="STUDY_NOT_FOUND")
        return Study(study_uid=study_uid)

    def studies(self, *, store: str) -> list[Study]:
        return [Study(study_uid="1.2")]

    def instances(self, study_uid: str, *, store: str) -> list[Instance]:
        return [Instance(study_uid=study_uid, series_uid="1.3", sop_instance_uid="1.4", size_bytes=5 * 1024 * 1024)]

    def delete(self, study: str, *, series_uid: str, sop_instance_uids: object, store: str) -> SimpleNamespace:
        self.deleted.append((study, sop_instance_uids))
        return SimpleNamespace(deleted_count=1)


@pytest.fixture(name="archive")
def _archive() -> Generator[Archive, None, None]:
    archive = Archive(ArchiveSettings("127.0.0.1:1"))
    archive._client = Client()  # type: ignore[assignment]
    yield archive
    archive.close()


def test_an_id_is_that_of_a_study_else_of_an_instance_unless_its_level_is_said(archive: Archive) -> None:
    archive.delete(Item({"id": "1.2"}))
    archive.delete(Item({"id": "1.4"}))
    archive.delete(Item({"id": "1.2", "level": "instance"}))
    archive.delete(Item({"id": "1.4", "level": "studies"}))
    assert archive._client.deleted == [  # type: ignore[attr-defined]
        ("1.2", ()),
        ("", "1.4"),
        ("", "1.2"),
        ("1.4", ()),
    ]
    for wanted in ({}, {"id": "1.3", "level": "series"}):
        with pytest.raises(DianaError, match="names no study"):
            archive.delete(Item(dict(wanted)))


def test_what_is_listed_can_be_wanted_by_its_id(archive: Archive) -> None:
    [item] = archive.list()
    assert item.meta["id"] == item.meta["sop_instance_uid"] == "1.4"


def test_pieces_are_asked_for_anew_whenever_they_are_opened_and_given_up_when_closed() -> None:
    given_up: list[int] = []

    def ask() -> Generator[bytes, None, None]:
        try:
            yield b"abc"
            yield b""
            yield b"de"
        finally:
            given_up.append(1)

    content = PiecesContent(5, ask)
    assert b"".join(chunks(content)) == b"".join(chunks(content)) == b"abcde"
    with content.open() as stream:
        assert stream.read(2) == b"ab"
    assert len(given_up) == 3


def test_an_upload_reads_files_and_bytes_themselves_and_opens_the_rest(tmp_path: Path) -> None:
    def source(content: Content | None) -> object:
        return upload_source(Item(content=content))

    pieces = PiecesContent(0, lambda: (piece for piece in (b"",)))
    assert source(FileContent(tmp_path, 1)) == tmp_path
    assert source(BytesContent(b"x")) == b"x"
    assert source(pieces) == pieces.open
    none = source(None)
    assert callable(none)
    with pytest.raises(DianaError, match="content: is required"):
        none()

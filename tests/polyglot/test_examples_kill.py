"""An upload by the examples of every language, whose archive is killed in the middle."""

from __future__ import annotations

from pathlib import Path

from diana_client import ArchiveClient, connect
from tests.polyglot.scans import make_study
from tests.polyglot.toolchain import Examples
from tests.support.mesh import Mesh

LARGE = 16


def test_an_archive_is_killed_and_every_file_arrives(examples: Examples, tmp_path: Path) -> None:
    study_uid = make_study(tmp_path / "scans", small=0, large=LARGE)
    with Mesh(tmp_path / "mesh", "archive") as mesh:
        with examples.start("upload", "--address", mesh.archive, tmp_path / "scans") as upload:
            assert upload.stdout is not None
            printed = [upload.stdout.readline()]
            mesh.processes["archive"].kill()
            mesh.processes["archive"].start()
            printed += upload.stdout
        assert upload.returncode == 0
        assert len({line.split("\t")[1] for line in printed[:-1]}) == LARGE
        with connect(mesh.archive) as channel:
            assert ArchiveClient(channel).study(study_uid).instance_count == LARGE

"""Every file of the shared corpus is stored, or refused with a typed reason, as a committed table says.

After every refusal the server goes on: the next good file is stored. What is stored comes back byte
for byte. `python -m tests.e2e.test_corpus_table` writes the table anew, to be reviewed and committed.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from pathlib import Path

from diana.archive.v1 import archive_service_pb2 as pb
from tests.support.corpus import CORPUS, needs_corpus
from tests.support.mesh import Mesh
from tests.support.upload import archive_stub, read, reason_of, upload

# The corpus has many files under one UID: both are kept, so that each shows what it is by itself.
_SETTINGS = {"DIANA_ARCHIVE_STORES__DEFAULT__CONFLICT_POLICY": "keep_both"}
TABLE = Path(__file__).with_name("corpus_table.csv")
_OUTCOMES = {
    pb.UploadResult.OUTCOME_STORED: "stored",
    pb.UploadResult.OUTCOME_ALREADY_STORED: "already stored",
    pb.UploadResult.OUTCOME_STORED_AS_CURRENT: "stored as current",
}


def outcomes(state: Path) -> list[tuple[str, str]]:
    """Each file's path in the corpus and what the archive made of it, one after the other."""
    rows: list[tuple[str, str]] = []
    with Mesh(state, "archive", settings=_SETTINGS) as mesh, archive_stub(mesh.archive) as stub:
        for path in sorted(one for one in (CORPUS / "dicom").rglob("*") if one.is_file()):
            data = path.read_bytes()
            result = upload(stub, [data])[0]
            outcome = _OUTCOMES.get(result.outcome) or reason_of(result)
            if result.outcome in (pb.UploadResult.OUTCOME_STORED, pb.UploadResult.OUTCOME_STORED_AS_CURRENT):
                assert read(stub, result.instance.sop_instance_uid, result.instance.version) == data, path.name
            rows.append((path.relative_to(CORPUS).as_posix(), outcome))
    return rows


@needs_corpus
def test_every_corpus_file_is_stored_or_refused_as_the_table_says(tmp_path: Path) -> None:
    with TABLE.open(newline="") as file:
        expected = [(row["path"], row["outcome"]) for row in csv.DictReader(file)]
    assert outcomes(tmp_path) == expected


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, TABLE.open("w", newline="") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["path", "outcome"])
        writer.writerows(outcomes(Path(folder)))
    sys.exit(0)

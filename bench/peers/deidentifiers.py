"""Other programs that de-identify: dicognito (Python), dcmanon (Rust) and gdcmanon (C++), each in one process.

The last two work on folders. Theirs lie in memory (tmpfs), so that neither a disk nor its cache is measured. Each
follows its own defaults, of which none goes as far as PS3.15 does.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path

import pydicom

from bench.room import BenchError

MEMORY = Path("/dev/shm")
DCMANON = "cargo install dicom-anonymization --version 0.3.1 --locked"
GDCMANON = "apt-get install libgdcm-tools"
DICOGNITO = "pip install dicognito==0.19.0, into the environment of the bench"


def with_dicognito(paths: Sequence[Path]) -> float:
    """Files a second, bytes to bytes. Raises BenchError when it is not installed."""
    try:
        from dicognito.anonymizer import Anonymizer
    except ImportError:
        raise BenchError(f"dicognito is not installed: {DICOGNITO}") from None
    sources = [path.read_bytes() for path in paths]
    anonymizer = Anonymizer(seed="bench")
    started = time.perf_counter()
    for source in sources:
        data_set = pydicom.dcmread(BytesIO(source))
        anonymizer.anonymize(data_set)
        data_set.save_as(BytesIO())
    return len(sources) / (time.perf_counter() - started)


def with_dcmanon(paths: Sequence[Path]) -> float:
    """Files a second, folder to folder in memory, on one core. Raises BenchError when it is not installed."""
    binary = _found("dcmanon", DCMANON)
    return _run(paths, lambda source, target: [str(binary), "anonymize", "-i", source, "-o", target])


def with_gdcmanon(paths: Sequence[Path]) -> float:
    """As `with_dcmanon`."""
    binary = _found("gdcmanon", GDCMANON)
    with tempfile.TemporaryDirectory() as keys:
        certificate = _certificate(Path(keys))
        options = ["--de-identify", "--recursive", "--continue", "--certificate", str(certificate)]
        return _run(paths, lambda source, target: [str(binary), *options, "-i", source, "-o", target])


def _run(paths: Sequence[Path], command: Callable[[str, str], Sequence[str]]) -> float:
    with _folders(paths) as (source, target):
        core = {min(os.sched_getaffinity(0))}
        started = time.perf_counter()
        ended = subprocess.run(
            command(str(source), str(target)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, core),
        )
        seconds = time.perf_counter() - started
        made = sum(path.is_file() for path in target.rglob("*"))
    if ended.returncode or made != len(paths):
        raise BenchError(f"it ended with status {ended.returncode} and made {made} of {len(paths)} files")
    return len(paths) / seconds


@contextlib.contextmanager
def _folders(paths: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="diana-bench-") as folder:
        source, target = Path(folder, "in"), Path(folder, "out")
        for made in (source, target):
            made.mkdir()
        for path in paths:
            shutil.copyfile(path, source / path.name)
        yield source, target


def _found(name: str, remedy: str) -> Path:
    found = shutil.which(name) or shutil.which(name, path=str(Path.home() / ".cargo" / "bin"))
    if found is None:
        raise BenchError(f"{name} is not installed: {remedy}")
    return Path(found)


def _certificate(folder: Path) -> Path:
    """gdcmanon wants one to encrypt the originals with."""
    certificate = folder / "certificate.pem"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=bench"]
    subprocess.run([*request, "-keyout", folder / "key.pem", "-out", certificate], check=True, capture_output=True)
    return certificate

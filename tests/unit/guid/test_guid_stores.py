"""Domain keys: read from files, created once, durable, and never by two at odds."""

from __future__ import annotations

import base64
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from diana_common.errors import DianaError, Reason
from diana_guid.stores import FileKeyStore, KeyFile, KeyFileExposed, MemoryKeyStore

KEY = bytes(range(200, 240))


def store_at(path: Path, *, create: bool = False) -> FileKeyStore:
    return FileKeyStore({"research": KeyFile(path, create)})


def written(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def refusal(store: FileKeyStore | MemoryKeyStore, domain: str = "research") -> DianaError:
    with pytest.raises(DianaError) as refused:
        store.key(domain)
    return refused.value


@pytest.mark.parametrize(
    "text",
    [base64.b64encode(KEY), base64.b64encode(KEY) + b"\n", base64.encodebytes(KEY * 2), KEY.hex().encode() + b" \n"],
)
def test_a_key_is_read_from_base64_or_hexadecimal_text(tmp_path: Path, text: bytes) -> None:
    assert store_at(written(tmp_path / "key", text)).key("research")[:40] == KEY


@pytest.mark.parametrize("text", [b"", b"short", b"\xff" * 64, KEY.hex().encode()[:-1], b"ab" * 31, b"A" * 5000])
def test_a_file_without_a_whole_key_is_refused(tmp_path: Path, text: bytes) -> None:
    error = refusal(store_at(written(tmp_path / "key", text)))
    assert error.reason is Reason.CONFIG_INVALID
    assert str(tmp_path) not in str(error)


def test_an_absent_file_is_not_created_unless_the_domain_says_so(tmp_path: Path) -> None:
    error = refusal(store_at(tmp_path / "key"))
    assert error.reason is Reason.DOMAIN_KEY_MISSING
    assert str(tmp_path) not in str(error)
    assert list(tmp_path.iterdir()) == []


def test_a_domain_without_a_file_has_no_key() -> None:
    assert refusal(FileKeyStore({})).reason is Reason.DOMAIN_KEY_MISSING
    assert refusal(MemoryKeyStore({})).reason is Reason.DOMAIN_KEY_MISSING


def test_a_created_key_is_private_and_the_same_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "state" / "keys" / "research.key"
    key = store_at(path, create=True).key("research")
    assert len(key) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [child.name for child in path.parent.iterdir()] == ["research.key"]
    assert store_at(path, create=True).key("research") == store_at(path).key("research") == key


def test_an_existing_key_is_never_replaced(tmp_path: Path) -> None:
    path = written(tmp_path / "key", base64.b64encode(KEY))
    assert store_at(path, create=True).key("research") == KEY


def test_a_key_created_by_another_between_look_and_link_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    link = os.link

    def late(source: Path, target: Path) -> None:
        written(path, base64.b64encode(KEY))
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    assert store_at(path, create=True).key("research") == KEY
    assert [child.name for child in tmp_path.iterdir()] == ["key"]


def test_a_created_key_is_synced_with_its_directory_before_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    sync = os.fsync

    def recorded(descriptor: int) -> None:
        synced.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", recorded)
    store_at(tmp_path / "key", create=True).key("research")
    assert synced == ["file", "directory"]


def test_processes_that_race_to_create_a_key_agree(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from diana_guid.stores import FileKeyStore, KeyFile\n"
        "store = FileKeyStore({'research': KeyFile(Path(sys.argv[1]), True)})\n"
        "print('ready', flush=True); sys.stdin.readline(); print(store.key('research').hex())"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "key")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for _ in range(4)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    keys = set(ThreadPoolExecutor(4).map(lambda racer: racer.communicate("go\n", timeout=60)[0], racers))
    assert len(keys) == 1
    assert keys == {store_at(tmp_path / "key").key("research").hex() + "\n"}
    assert [child.name for child in tmp_path.iterdir()] == ["key"]


@pytest.mark.parametrize("mode", [0o604, 0o620, 0o666])
def test_a_key_file_open_to_others_is_used_with_a_warning_that_names_its_domain(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path / "key", base64.b64encode(KEY), mode)
    with pytest.warns(KeyFileExposed, match="research") as caught:
        assert store_at(path).key("research") == KEY
    assert str(tmp_path) not in str(caught[0].message)


def test_a_fifo_in_the_files_place_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "key", 0o600)
    assert refusal(store_at(tmp_path / "key")).reason is Reason.DOMAIN_KEY_MISSING


def test_a_directory_in_the_files_place_is_refused(tmp_path: Path) -> None:
    assert refusal(store_at(tmp_path)).reason is Reason.DOMAIN_KEY_MISSING


def test_a_short_key_given_in_memory_is_refused() -> None:
    with pytest.raises(DianaError) as refused:
        MemoryKeyStore({"research": b"short"})
    assert refused.value.reason is Reason.CONFIG_INVALID


def test_a_key_is_read_once(tmp_path: Path) -> None:
    store = store_at(tmp_path / "key", create=True)
    key = store.key("research")
    (tmp_path / "key").unlink()
    assert store.key("research") == key

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
from diana_guid.stores import FileKeyStore, KeyFile, KeyFileExposed, MemoryKeyStore, SealingKeyFile

KEY = bytes(range(200, 240))


def store_at(path: Path, *, create: bool = False) -> FileKeyStore:
    return FileKeyStore({"research": KeyFile(path, create)})


def newest_key(store: FileKeyStore | MemoryKeyStore) -> bytes:
    return store.key("research", store.newest("research"))


def written(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def refusal(store: FileKeyStore | MemoryKeyStore) -> DianaError:
    with pytest.raises(DianaError) as refused:
        newest_key(store)
    return refused.value


@pytest.mark.parametrize(
    "text",
    [base64.b64encode(KEY), base64.b64encode(KEY) + b"\n", base64.encodebytes(KEY * 2), KEY.hex().encode() + b" \n"],
)
def test_a_key_is_read_from_base64_or_hexadecimal_text(tmp_path: Path, text: bytes) -> None:
    assert newest_key(store_at(written(tmp_path / "key", text)))[:40] == KEY


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
    key = newest_key(store_at(path, create=True))
    assert len(key) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [child.name for child in path.parent.iterdir()] == ["research.key"]
    assert newest_key(store_at(path, create=True)) == newest_key(store_at(path)) == key


def test_an_existing_key_is_never_replaced(tmp_path: Path) -> None:
    path = written(tmp_path / "key", base64.b64encode(KEY))
    assert newest_key(store_at(path, create=True)) == KEY


def test_a_key_created_by_another_between_look_and_link_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    link = os.link

    def late(source: Path, target: Path) -> None:
        written(path, base64.b64encode(KEY))
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    assert newest_key(store_at(path, create=True)) == KEY
    assert [child.name for child in tmp_path.iterdir()] == ["key"]


def test_a_created_key_is_synced_with_its_directory_before_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    sync = os.fsync

    def recorded(descriptor: int) -> None:
        synced.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", recorded)
    newest_key(store_at(tmp_path / "key", create=True))
    assert synced == ["file", "directory"]


def test_processes_that_race_to_create_a_key_agree(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from diana_guid.stores import FileKeyStore, KeyFile\n"
        "store = FileKeyStore({'research': KeyFile(Path(sys.argv[1]), True)})\n"
        "print('ready', flush=True); sys.stdin.readline(); print(store.key('research', store.newest('research')).hex())"
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
    assert keys == {newest_key(store_at(tmp_path / "key")).hex() + "\n"}
    assert [child.name for child in tmp_path.iterdir()] == ["key"]


@pytest.mark.parametrize("mode", [0o604, 0o620, 0o666])
def test_a_key_file_open_to_others_is_used_with_a_warning_that_names_its_domain(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path / "key", base64.b64encode(KEY), mode)
    with pytest.warns(KeyFileExposed, match="research") as caught:
        assert newest_key(store_at(path)) == KEY
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
    key = newest_key(store)
    (tmp_path / "key").unlink()
    assert store.key("research", 1) == key


def ours(path: Path) -> FileKeyStore:
    return FileKeyStore({"research": KeyFile(path, create=True, ours=True)})


def test_a_version_is_whole_and_durable_before_it_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    sync, link = os.fsync, os.link

    def synced(descriptor: int) -> None:
        steps.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    def linked(source: Path, target: Path) -> None:
        steps.append("link")
        link(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "link", linked)
    assert ours(tmp_path / "research.key").put("research", 2, KEY, "one")
    assert steps == ["file", "link", "directory"]


def test_what_a_crash_left_behind_is_no_version_and_hinders_none(tmp_path: Path) -> None:
    (tmp_path / ".research.v2.key.0123456789abcdef").write_bytes(b"half a k")
    store = ours(tmp_path / "research.key")
    assert store.newest("research") == 1
    assert store.put("research", 2, KEY, "one")
    assert store.versions("research") == [1, 2]
    assert store.version_made_by("research", "one") == 2
    assert ours(tmp_path / "research.key").key("research", 2) == KEY


_HEX = "0123456789abcdef"


def test_what_a_kill_left_of_a_key_goes_at_the_next_start_and_nothing_else_does(tmp_path: Path) -> None:
    killed = (
        "import os, signal, sys; from pathlib import Path; from diana_guid.stores import FileKeyStore, KeyFile\n"
        "os.link = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "FileKeyStore({'research': KeyFile(Path(sys.argv[1]), True, True)}).newest('research')"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    path = tmp_path / "research.key"
    subprocess.run([sys.executable, "-c", killed, str(path)], env=environment, check=False)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".research.key.")
    written(tmp_path / f".research.v2.key.{_HEX}", b"half a k")
    kept = {
        "research.v3.key",
        f".trial.key.{_HEX}",
        f".research.key.{_HEX}0",
        f".research.key.{_HEX[:-1]}g",
        f"research.key.{_HEX}",
        f".research.v02.key.{_HEX}",
        f".xresearch.key.{_HEX}",
    }
    for name in kept:
        written(tmp_path / name, base64.b64encode(KEY))
    assert newest_key(ours(path)) == KEY
    assert {one.name for one in tmp_path.iterdir()} == kept


def test_a_key_that_was_linked_before_the_kill_stays(tmp_path: Path) -> None:
    left = written(tmp_path / f".research.key.{_HEX}", base64.b64encode(KEY))
    os.link(left, tmp_path / "research.key")
    assert newest_key(ours(tmp_path / "research.key")) == KEY
    assert [one.name for one in tmp_path.iterdir()] == ["research.key"]


def test_a_start_removes_nothing_while_another_process_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link

    def started(source: Path, target: Path) -> None:
        ours(tmp_path / "research.key")
        link(source, target)

    monkeypatch.setattr(os, "link", started)
    assert ours(tmp_path / "research.key").put("research", 2, KEY)
    assert [one.name for one in tmp_path.iterdir()] == ["research.v2.key"]


def test_an_operators_file_is_not_removed_whatever_its_name(tmp_path: Path) -> None:
    left = written(tmp_path / f".research.key.{_HEX}", base64.b64encode(KEY))
    assert newest_key(store_at(left)) == KEY
    FileKeyStore({"trial": KeyFile(left), "research": KeyFile(tmp_path / "research.key", create=True, ours=True)})
    assert left.exists()


def test_what_a_kill_left_of_the_sealing_key_goes_too(tmp_path: Path) -> None:
    key = SealingKeyFile(tmp_path / "sealing.key")()
    written(tmp_path / f".sealing.key.{_HEX}", b"half a k")
    assert SealingKeyFile(tmp_path / "sealing.key")() == key
    assert [one.name for one in tmp_path.iterdir()] == ["sealing.key"]


def test_a_version_that_is_there_is_never_replaced(tmp_path: Path) -> None:
    store = ours(tmp_path / "research.key")
    assert store.put("research", 3, KEY)
    assert not store.put("research", 3, KEY[::-1], "one")
    assert store.key("research", 3) == KEY
    assert store.newest("research") == 3
    assert store.version_made_by("research", "one") is None


def test_the_first_version_is_not_made_where_a_later_one_was_brought(tmp_path: Path) -> None:
    store = ours(tmp_path / "research.key")
    store.put("research", 4, KEY)
    assert newest_key(store) == KEY
    with pytest.raises(DianaError) as refused:
        store.key("research", 1)
    assert refused.value.reason is Reason.KEY_VERSION_UNKNOWN


def test_remarks_beside_a_key_are_not_part_of_it(tmp_path: Path) -> None:
    text = b"# kept by alice\n" + base64.b64encode(KEY) + b"\n# until 2030\n"
    assert newest_key(store_at(written(tmp_path / "key", text))) == KEY

"""Directories of a watched folder that deleting left empty: they go once they are old, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from diana_route.core.rules import Delete, FolderSource, Put, Spec
from tests.unit.route.folder_bench import FolderBench


def tidied(bench: FolderBench, *actions: Spec, empty_seconds: float = 0.0) -> list[str]:
    """The directories that are left after a look."""
    source = FolderSource(bench.path, layout="{site}/{trial}", empty_seconds=empty_seconds)
    bench.rule = replace(bench.rule, source=source, actions=actions)
    bench.restart()
    bench.look(1)
    return sorted(str(one.relative_to(bench.path)) for one in bench.path.rglob("*") if one.is_dir())


def test_directories_that_deleting_left_empty_go_but_never_the_layouts_own(tmp_path: Path) -> None:
    bench = FolderBench(tmp_path, layout="{site}/{trial}")
    bench.write("north/atlas/kept/a.dcm")
    bench.write("north/atlas/hidden/.rsync-a")
    for empty in ("north/atlas/old/older", "south/atlas", "east"):
        (bench.path / empty).mkdir(parents=True)
    everything = ["east", "north", "north/atlas", "north/atlas/hidden", "north/atlas/kept", "north/atlas/old"]
    everything += ["north/atlas/old/older", "south", "south/atlas"]
    assert tidied(bench, Put("inbox")) == everything
    assert tidied(bench, Put("inbox"), Delete(), empty_seconds=3600) == everything
    everything.remove("north/atlas/old/older")
    assert tidied(bench, Put("inbox"), Delete()) == everything
    everything.remove("north/atlas/old")
    assert tidied(bench, Put("inbox"), Delete()) == everything


def test_a_directory_that_is_written_to_at_this_moment_stays(tmp_path: Path) -> None:
    bench = FolderBench(tmp_path)
    bench.write("new/a.dcm")
    bench.folder.remove_empty("new")
    bench.folder.remove_empty("absent")
    assert (bench.path / "new/a.dcm").exists()

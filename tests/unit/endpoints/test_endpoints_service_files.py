"""What services YAML may be written in, and what is refused: in bounded time, with the place and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from diana_common.errors import DianaError, Reason
from diana_endpoints.services import Services

LAUGHS = "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*{'a' if not n else f'b{n - 1}'}, *a]\n" for n in range(99))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (LAUGHS, "services: uses YAML aliases (*NAME), which are not taken"),
        ("x: &x {ctype: csv, path: *x}", "uses YAML aliases"),
        ("a: {ctype: csv, path: x}\na: {ctype: csv, path: y}", "services: says a twice"),
        ("a: {ctype: csv, path: x, path: y}", "services: says path twice"),
        ("{x: " + "[" * 5000 + "]" * 5000 + "}", "services: is nested too deep"),
        ("{x: {ctype: redis, port: " + "9" * 6000 + "}}", "services: holds a number or date that cannot be"),
        ("{x: {ctype: csv, path: 2020-13-45}}", "services: holds a number or date that cannot be"),
        ("x: !!python/object:os.system {}", "services: is not YAML at line 1"),
        ("x: \n" + " " * 300_000, "services: is longer than 256 KiB"),
        ("{x: {ctype: csv, path: '@~nobody-of-this-name/x'}}", "x.path: names the home directory of nobody here"),
        ("@~nobody-of-this-name/services.yaml", "services: names the home directory of nobody here"),
        ("@a\0b", "is no name of a file"),
        ("@/dev/zero", "zero: the file is larger than 4 MiB"),
        ("C:\\services.yaml", "the file cannot be read"),
    ],
    ids=range(14),
)
def test_what_cannot_be_meant_or_would_cost_too_much_is_refused(text: str, hint: str) -> None:
    with pytest.raises(DianaError) as refused:
        Services.given(text, {})
    assert refused.value.reason is Reason.CONFIG_INVALID
    assert hint in refused.value.message


@pytest.mark.parametrize("name", ["my: services.yaml", "{services}.yaml", "services.yaml"])
@pytest.mark.parametrize("at", ["", "@"])
def test_a_file_is_read_whatever_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, at: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_text("x: {ctype: csv, path: '@place.txt'}")
    Path("place.txt").write_text("table.csv\n")
    assert Services.given(at + name, {}).entries == {"x": {"ctype": "csv", "path": "table.csv"}}


@pytest.mark.parametrize(
    "text", ["x: {ctype: csv, path: y}", '{"x":{"ctype":"csv","path":"y"}}', "x:\n  ctype: csv\n  path: y"]
)
def test_services_can_be_written_on_the_line(text: str) -> None:
    assert Services.given(text, {}).entries == {"x": {"ctype": "csv", "path": "y"}}


def test_a_file_of_files_is_read_once_and_not_round_and_round(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("x: {ctype: csv, path: '@s.yaml'}")
    assert Services.read(tmp_path / "s.yaml", {}).entries["x"]["path"]["x"]["path"] == "@s.yaml"

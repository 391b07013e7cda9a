"""The house's rooms: a service with a room of its own invention fails the build."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.check_rooms import SERVICES, find_faults


def make_service(services: Path, name: str, *files: str) -> None:
    for file in ("__init__.py", "core.py", "__main__.py", *files):
        path = services / name / f"diana_{name}" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_the_services_have_no_other_rooms_than_the_table() -> None:
    assert list(find_faults(SERVICES)) == []


def test_rooms_are_modules_or_packages_and_data_lies_beside_them(tmp_path: Path) -> None:
    make_service(tmp_path, "dose", "stores/__init__.py", "wire.py", "py.typed", "data/names.txt")
    assert list(find_faults(tmp_path)) == []


@pytest.mark.parametrize("file", ["helpers.py", "utils/__init__.py", "handlers.py"])
def test_an_unlisted_room_is_named(tmp_path: Path, file: str) -> None:
    make_service(tmp_path, "dose", file)
    (fault,) = find_faults(tmp_path)
    assert fault.startswith(f"diana_dose/{file.split('/')[0]}: not a room")


def test_the_doors_that_speak_no_grpc_have_their_own_room(tmp_path: Path) -> None:
    make_service(tmp_path, "dimse", "handlers.py")
    make_service(tmp_path, "web", "routes.py")
    assert list(find_faults(tmp_path)) == []


def test_a_room_is_a_module_or_a_package_never_both(tmp_path: Path) -> None:
    make_service(tmp_path, "dose", "core/__init__.py")
    (fault,) = find_faults(tmp_path)
    assert "twice" in fault


def test_code_does_not_hide_among_data(tmp_path: Path) -> None:
    make_service(tmp_path, "dose", "data/tables.py")
    (fault,) = find_faults(tmp_path)
    assert fault == "diana_dose/data/tables.py: data holds no code"


def test_a_service_is_one_package_of_its_name(tmp_path: Path) -> None:
    make_service(tmp_path, "dose")
    (tmp_path / "dose" / "extras").mkdir()
    (tmp_path / "dose" / "extras" / "__init__.py").touch()
    (tmp_path / "empty").mkdir()
    assert [fault.split(":")[0] for fault in find_faults(tmp_path)] == ["dose/extras", "empty"]

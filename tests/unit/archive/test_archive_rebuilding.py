"""A catalogue is lost, and made anew from the stores."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1.resources_pb2 import Selector
from diana_archive import __main__ as program
from diana_archive.core.rebuilding import Rebuilding
from diana_archive.stores.anew import LostCatalogue
from diana_archive.stores.files import FileObjects
from diana_archive.stores.memory import MemoryReader, MemorySealKeys
from diana_archive.stores.state import StateDirectory
from diana_common.errors import DianaError, Reason
from tests.contract.archive.harness import NAMES, STUDY, Clock, DirectDoor, Rig, entries, get, kinds, make, put, uid
from tests.support import outside
from tests.support.outside import OUTSIDE

Run = Callable[[], str]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def rebuild(state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    keys = tmp_path / "keys.json"
    keys.write_text('{"keys": {"k1": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}, "current": "k1"}')
    monkeypatch.setenv("DIANA_ARCHIVE_STATE_DIR", str(state))
    monkeypatch.setattr(sys, "argv", ["diana_archive", "rebuild"])

    def run() -> str:
        program.main()
        return capsys.readouterr().out

    return run


def lose(state: Path) -> None:
    """Remove the catalogue with all that lies beside it."""
    for path in state.glob("catalogue.*"):
        path.unlink()


def opened(state: Path) -> tuple[Rig, DirectDoor]:
    """The archive on that directory."""
    rig = Rig("files", state, Clock())
    return rig, DirectDoor(rig)


def test_instances_attributes_and_versions_are_back(state: Path, rebuild: Run) -> None:
    rig, door = opened(state)
    files = [make(number) for number in range(5)]
    put(door, *files)
    put(door, make(9, patient_id="A"), store="both")
    newer = make(9, patient_id="B")
    put(door, newer, store="both")
    door.UpdateStudyAttributes(pb.UpdateStudyAttributesRequest(study_uid=STUDY, set={"trial": "mammo"}))
    epoch = entries(door)[0].position.split(".")[0]
    rig.close()
    lose(state)

    with pytest.raises(DianaError) as caught:
        StateDirectory(state, NAMES)
    assert caught.value.reason == Reason.STORE_DAMAGED
    assert "7 instances of 2 studies" in rebuild()

    rig, door = opened(state)
    assert [get(door, number) for number in range(5)] == files
    assert get(door, 9, store="both") == newer
    study = door.GetStudy(pb.GetStudyRequest(study_uid=STUDY)).study
    assert (study.instance_count, dict(study.attributes), study.complete) == (5, {"trial": "mammo"}, True)
    assert kinds(door).count("instance_stored") == 7
    assert entries(door)[0].position.split(".")[0] != epoch
    put(door, make(6))
    assert get(door, 6) == make(6)
    rig.close()


def test_what_is_no_whole_instance_is_set_aside(state: Path, rebuild: Run) -> None:
    rig, door = opened(state)
    put(door, make(0), make(1), make(2))
    rig.close()
    lose(state)
    objects = FileObjects(state / "stores")
    first, second, third = objects.ids("default")
    objects.copy("default", first, MemoryReader(make(0)[:400]))
    objects.copy("default", third, objects.open("default", second))
    said = rebuild()
    assert "1 instances of 1 studies" in said
    assert "double: 2" in said
    assert len(list((state / "stores" / "default" / "orphans").glob("*.dcm"))) == 2
    rig, door = opened(state)
    assert get(door, 1) == make(1)
    rig.close()


def test_deleted_instances_that_were_not_purged_are_back(state: Path, rebuild: Run) -> None:
    rig, door = opened(state)
    put(door, make(0))
    door.DeleteInstances(pb.DeleteInstancesRequest(selector=Selector(study_uid=STUDY)))
    rig.close()
    lose(state)
    rebuild()
    rig, door = opened(state)
    assert get(door, 0) == make(0)
    rig.close()


def test_a_catalogue_that_is_there_is_not_replaced(state: Path, rebuild: Run) -> None:
    rig, door = opened(state)
    put(door, make(0))
    rig.close()
    with pytest.raises(SystemExit) as ended:
        rebuild()
    assert ended.value.code == 4
    rig, door = opened(state)
    assert get(door, 0) == make(0)
    rig.close()


def test_one_that_was_cut_short_leaves_the_directory_as_it_was(
    state: Path, rebuild: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, door = opened(state)
    put(door, make(0))
    rig.close()
    lose(state)
    with monkeypatch.context() as patch:
        patch.setattr(LostCatalogue, "adopt", _fail)
        with pytest.raises(KeyboardInterrupt):
            rebuild()
    with pytest.raises(DianaError):
        StateDirectory(state, NAMES)
    assert "1 instances" in rebuild()
    rig, door = opened(state)
    assert uid(0) in {entry.instance_stored.instance.sop_instance_uid for entry in entries(door)}
    rig.close()


def _fail(_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("kind", OUTSIDE)
def test_a_catalogue_is_made_anew_in_every_pair_of_stores(kind: str, tmp_path: Path) -> None:
    with closing(Rig(kind, tmp_path / "state", Clock())) as rig:
        put(DirectDoor(rig), make(1), make(2))
        epoch = rig.catalogue.epoch
    for path in (tmp_path / "state").glob("catalogue.*"):
        path.unlink()
    outside.lose_database(tmp_path / "state")
    with pytest.raises(DianaError) as caught:
        Rig(kind, tmp_path / "state", Clock())
    assert caught.value.reason == Reason.STORE_DAMAGED
    with closing(outside.open_lost(kind, tmp_path / "state", NAMES, Clock())) as lost:
        rebuilding = Rebuilding(lost.catalogue, lost.objects, lost.sidecars, MemorySealKeys({"k": bytes(32)}))
        assert rebuilding.rebuild(lost.stores, lambda count: None).instance_count == 2
        lost.adopt()
    with closing(Rig(kind, tmp_path / "state", Clock())) as rig:
        door = DirectDoor(rig)
        assert [get(door, number) for number in (1, 2)] == [make(1), make(2)]
        assert rig.catalogue.epoch != epoch
        put(door, make(3))
        assert get(door, 3) == make(3)


def test_a_rebuild_in_a_database_that_was_cut_short_is_no_catalogue(tmp_path: Path) -> None:
    with closing(Rig("postgres", tmp_path / "state", Clock())) as rig:
        put(DirectDoor(rig), make(1))
    outside.lose_database(tmp_path / "state")
    outside.open_lost("postgres", tmp_path / "state", NAMES, Clock()).close()
    with pytest.raises(DianaError) as caught:
        Rig("postgres", tmp_path / "state", Clock())
    assert caught.value.reason == Reason.STORE_DAMAGED
    with pytest.raises(DianaError) as caught:
        outside.open_lost("postgres", tmp_path / "state", NAMES, Clock())
    assert caught.value.reason == Reason.CONFIG_INVALID


@pytest.fixture(scope="module", autouse=True)
def servers() -> Iterator[None]:
    yield
    outside.stop_servers()

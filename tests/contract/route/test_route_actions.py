"""Each action once, with the services that it works with; and again, as after a kill."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

from diana_client import FolderClient, NotifyClient, connect
from diana_common.attempts import Postponed, Refused, Unreachable
from diana_common.errors import DianaError
from diana_route.core.references import Reference, ReferenceKind
from diana_route.core.rules import Anonymize, Delete, Index, Notify, Send, Webhook
from diana_route.peers.directory import MeshDirectory
from tests.contract.route.actions_mesh import ActionsMesh, actions_mesh
from tests.support.awaiting import awaited
from tests.support.dicom_files import ROOT, make_small
from tests.support.dimse_door import needs_dcmtk
from tests.support.route_tasks import file_item, instance_item, study_item

pytestmark = needs_dcmtk

TO_TRIAL = Anonymize(
    "trial", attributes={"trial": "$trial-1"}, copied=["site"], sealed=["PatientID", "PatientName", "AccessionNumber"]
)
TO_RESEARCH = Send(archive="research", store="copy")
PLAIN, QUERIED = Send(peer="plain"), Send(peer="queried")


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ActionsMesh]:
    with actions_mesh(tmp_path_factory.mktemp("actions")) as mesh:
        yield mesh


def test_a_study_is_deidentified_with_attributes_and_a_sealed_signature_once(mesh: ActionsMesh) -> None:
    uid = mesh.put(1)
    mesh.archive.update_attributes(uid, {"site": "north", "secret": "stays"})
    before = mesh.count("trial")
    mesh.act(study_item(uid), TO_TRIAL, number=1)
    mesh.notes.memos.clear()
    mesh.act(study_item(uid), TO_TRIAL, number=1)
    assert mesh.count("trial") == before + 2
    [made] = mesh.archive.studies(store="trial")
    assert dict(made.attributes) == {"trial": "atlas-1", "site": "north"}
    assert made.complete
    assert list(made.sealed_keys) == ["accession_number", "patient_id", "patient_name"]
    sealed = mesh.archive.unseal_attributes(made.study_uid, store="trial")
    assert sealed == {"accession_number": "ACC0001", "patient_id": "P1", "patient_name": "Phantom^Petra"}


def test_what_takes_long_is_begun_once_however_often_it_is_asked_for(mesh: ActionsMesh) -> None:
    uid, before = mesh.put(23, count=20), mesh.count("trial")
    for _ in range(1000):
        try:
            mesh.act(study_item(uid), TO_TRIAL, number=23, wait_seconds=0.01)
            break
        except Postponed as postponed:
            assert "under way at anon" in postponed.why
            if len(mesh.notes.memos[23]) % 2:
                mesh.notes.memos.pop(23)  # as if killed before it was written
    assert mesh.count("trial") == before + 20
    assert list(mesh.notes.credits.values()).count(23) == 1


def test_a_service_that_dies_at_it_goes_on_with_the_same_operation(mesh: ActionsMesh) -> None:
    uid, before = mesh.put(24, count=40), mesh.count("trial")
    with suppress(Postponed):
        mesh.act(study_item(uid), TO_TRIAL, number=24, wait_seconds=0.0)
    mesh.anon.stop()
    with pytest.raises(Unreachable, match="anon does not answer"):
        mesh.act(study_item(uid), TO_TRIAL, number=24)
    mesh.anon.start()
    mesh.act(study_item(uid), TO_TRIAL, number=24, wait_seconds=30.0)
    assert mesh.count("trial") == before + 40
    assert list(mesh.notes.credits.values()).count(24) == 1


def test_what_anon_makes_is_credited_to_the_job_and_its_study_is_told_to_nobody(mesh: ActionsMesh) -> None:
    uid = mesh.put(2)
    mesh.act(study_item(uid), TO_TRIAL, number=2)
    [operation] = [name for name, number in mesh.notes.credits.items() if number == 2]
    made = {
        entry.instance_stored.instance.study_uid
        for batch in mesh.archive.watch_feed(stores=["trial"], stop_at_head=True)
        for entry in batch.entries
        if entry.origin.operation == operation and entry.HasField("instance_stored")
    }
    assert len(made) == 1
    assert made.pop() not in mesh.notes.memos[2]


def test_a_study_that_anon_holds_back_is_refused_with_counts_alone(mesh: ActionsMesh) -> None:
    uid = mesh.put(3, PatientID=None)
    with pytest.raises(Refused) as caught:
        mesh.act(study_item(uid), TO_TRIAL, number=3)
    assert "2 of 2 instances failed at anon" in caught.value.why
    assert "Phantom" not in caught.value.why


def test_an_attribute_that_the_study_has_not_yet_is_named_and_waited_for(mesh: ActionsMesh) -> None:
    with pytest.raises(Postponed, match="no attribute 'trial'"):
        mesh.act(study_item(mesh.put(26), attributes={}), TO_TRIAL, number=26)


def test_the_original_is_deleted_once_the_trial_has_as_many(mesh: ActionsMesh) -> None:
    uid = mesh.put(4)
    actions = (TO_TRIAL, Delete())
    mesh.act(study_item(uid), *actions, number=4)
    mesh.act(study_item(uid), *actions, step=1, number=4)
    mesh.act(study_item(uid), *actions, step=1, number=4)
    assert uid not in {one.study_uid for one in mesh.archive.studies()}


def test_nothing_is_deleted_while_something_came_that_was_not_deidentified(mesh: ActionsMesh) -> None:
    uid = mesh.put(5)
    actions = (TO_TRIAL, Delete())
    mesh.act(study_item(uid), *actions, number=5)
    mesh.put(5, count=3)
    with pytest.raises(Postponed, match="1 of 3 instances are not confirmed by 'anonymize to trial'"):
        mesh.act(study_item(uid), *actions, step=1, number=5)
    mesh.act(study_item(uid), *actions, number=50)  # the job of what came late
    mesh.act(study_item(uid), *actions, step=1, number=50)
    mesh.act(study_item(uid), *actions, step=1, number=5)
    assert uid not in {one.study_uid for one in mesh.archive.studies()}


def test_a_trial_that_lost_an_instance_keeps_the_original(mesh: ActionsMesh) -> None:
    uid = mesh.put(6)
    known = {one.study_uid for one in mesh.archive.studies(store="trial")}
    actions = (TO_TRIAL, Delete())
    mesh.act(study_item(uid), *actions, number=6)
    [made] = {one.study_uid for one in mesh.archive.studies(store="trial")} - known
    lost = next(mesh.archive.instances(made, store="trial")).sop_instance_uid
    mesh.archive.delete(sop_instance_uids=lost, store="trial")
    with pytest.raises(Postponed, match="2 of 2 instances are not confirmed"):
        mesh.act(study_item(uid), *actions, step=1, number=6)


def test_another_archive_gets_what_it_lacks_and_the_source_may_go(mesh: ActionsMesh) -> None:
    uid = mesh.put(7, count=3)
    large = make_small(rows=1024, cols=1024, StudyInstanceUID=uid, SOPInstanceUID=f"{uid}.9")
    list(mesh.archive.upload([large]))
    actions = (TO_RESEARCH, Delete())
    mesh.archive.update_attributes(uid, {"trial": "atlas"})
    mesh.act(study_item(uid), *actions, number=7)
    there = mesh.far.study(uid, store="copy")
    assert (dict(there.attributes), there.complete) == ({"trial": "atlas"}, True)
    sent = {one.sop_instance_uid: one.data_set_sha256 for one in mesh.far.instances(uid, store="copy")}
    assert sent == {one.sop_instance_uid: one.data_set_sha256 for one in mesh.archive.instances(uid)}
    position = mesh.far.statistics().head_position
    mesh.act(study_item(uid), *actions, number=7)
    assert mesh.far.statistics().head_position == position
    mesh.act(study_item(uid), *actions, step=1, number=7)
    assert uid not in {one.study_uid for one in mesh.archive.studies()}


def test_a_stop_ends_sending_between_two_instances_and_it_goes_on_there(mesh: ActionsMesh) -> None:
    uid, asked = mesh.put(70, count=4), iter([False, False])
    with pytest.raises(Postponed, match="archive research has 2 of 4 instances"):
        mesh.act(study_item(uid), TO_RESEARCH, number=70, stopping=lambda: next(asked, True))
    mesh.act(study_item(uid), TO_RESEARCH, number=70)
    assert mesh.far.study(uid, store="copy").instance_count == 4
    to_folder, asked = Send(folder=str(mesh.folder / "out")), iter([False])
    with pytest.raises(Postponed, match="the folder has 1 of 4 instances"):
        mesh.act(study_item(uid), to_folder, number=71, stopping=lambda: next(asked, True))
    mesh.act(study_item(uid), to_folder, number=71)
    assert len(list((mesh.folder / "out" / uid).glob("*/*.dcm"))) == 4


def test_older_versions_that_went_nowhere_keep_what_replaced_them(mesh: ActionsMesh) -> None:
    uid = mesh.put(73, store="both")
    mesh.put(73, count=1, store="both", StationName="CORRECTED")
    item, actions = study_item(uid, "both"), (TO_RESEARCH, Delete())
    mesh.act(item, *actions, number=73)
    with pytest.raises(Refused, match="1 instances have older versions"):
        mesh.act(item, *actions, step=1, number=73)


def test_what_is_gone_cannot_be_sent(mesh: ActionsMesh) -> None:
    for send in (TO_RESEARCH, Send(folder=str(mesh.folder / "out"))):
        with pytest.raises(Refused, match="nothing left to send"):
            mesh.act(study_item(f"{ROOT}.0"), send, number=72)


def test_an_archive_that_lost_one_keeps_the_source(mesh: ActionsMesh) -> None:
    uid = mesh.put(8)
    actions = (TO_RESEARCH, Delete())
    mesh.act(study_item(uid), *actions, number=8)
    mesh.far.delete(sop_instance_uids=f"{uid}.1.1", store="copy")
    with pytest.raises(Postponed, match="1 of 2 instances are not confirmed by 'send to archive research store copy'"):
        mesh.act(study_item(uid), *actions, step=1, number=8)
    assert mesh.archive.study(uid).instance_count == 2


def test_an_archive_that_has_another_data_set_of_that_name_refuses_it(mesh: ActionsMesh) -> None:
    uid = mesh.put(9)
    other = make_small(StudyInstanceUID=uid, SOPInstanceUID=f"{uid}.1.1", StationName="OTHER")
    list(mesh.far.upload([other], store="copy"))
    with pytest.raises(Refused, match=r"refused 1 of 2 instances \(INSTANCE_CONFLICT\)"):
        mesh.act(study_item(uid), TO_RESEARCH, number=9)


def test_files_are_written_whole_and_those_that_are_there_are_left(mesh: ActionsMesh) -> None:
    uid, folder = mesh.put(10), mesh.folder / "out"
    actions = (Send(folder=str(folder)), Delete())
    mesh.act(study_item(uid), *actions, number=10)
    first, second = sorted((folder / uid / f"{uid}.1").iterdir())
    assert [first.name, second.name] == [f"{uid}.1.1.dcm", f"{uid}.1.2.dcm"]
    assert first.read_bytes() == b"".join(mesh.archive.read(f"{uid}.1.1"))
    kept = first.stat().st_ino
    second.write_bytes(second.read_bytes()[:-1])
    with pytest.raises(Postponed, match="1 of 2"):
        mesh.act(study_item(uid), *actions, step=1, number=10)
    mesh.act(study_item(uid), *actions, number=10)
    assert first.stat().st_ino == kept
    mesh.act(study_item(uid), *actions, step=1, number=10)
    assert uid not in {one.study_uid for one in mesh.archive.studies()}


def test_a_peer_that_only_stores_gets_it_once_and_confirms_nothing(mesh: ActionsMesh) -> None:
    uid = mesh.put(11)
    mesh.act(study_item(uid), PLAIN, Delete(), number=11)
    mesh.notes.memos.clear()
    received = mesh.folder / "pacs"
    assert len(list(received.iterdir())) == 2
    shutil.rmtree(received)
    received.mkdir()
    mesh.act(study_item(uid), PLAIN, Delete(), number=11)
    assert list(received.iterdir()) == []
    with pytest.raises(Refused, match="peer plain offers no query that would confirm"):
        mesh.act(study_item(uid), PLAIN, Delete(), step=1, number=11)
    mesh.act(study_item(uid), PLAIN, Delete(unconfirmed=True), step=1, number=11)
    assert uid not in {one.study_uid for one in mesh.archive.studies()}


def test_a_peer_that_answers_queries_is_asked_what_it_has(mesh: ActionsMesh) -> None:
    uid = mesh.put(12)
    item = instance_item(uid, f"{uid}.1.1")
    actions = (QUERIED, Delete())
    mesh.act(item, *actions, number=12)
    assert mesh.archive.study(uid, store="copy").instance_count == 1
    mesh.await_index()
    mesh.act(item, *actions, step=1, number=12)
    assert [one.sop_instance_uid for one in mesh.archive.instances(uid)] == [f"{uid}.1.2"]


def test_a_peer_that_commits_itself_is_believed(mesh: ActionsMesh) -> None:
    uid = mesh.put(21)
    actions = (Send(peer="queried", commit=True), Delete())
    mesh.act(study_item(uid), *actions, number=21)
    mesh.act(study_item(uid), *actions, step=1, number=21)
    assert uid not in {one.study_uid for one in mesh.archive.studies()}
    assert mesh.archive.study(uid, store="copy").instance_count == 2


def test_a_peer_that_does_not_commit_itself_is_no_place_for_what_must_be_committed(mesh: ActionsMesh) -> None:
    uid = mesh.put(22)
    with pytest.raises(Refused, match=r"peer plain refused it \(ASSOCIATION_REJECTED\)"):
        mesh.act(study_item(uid), Send(peer="plain", commit=True), number=22)


def test_a_peer_that_is_away_gets_no_operation_that_would_wait_for_it(mesh: ActionsMesh) -> None:
    uid = mesh.put(13)
    with pytest.raises(Unreachable, match="peer absent does not answer"):
        mesh.act(study_item(uid), Send(peer="absent"), number=13)
    assert 13 not in mesh.notes.memos


def test_a_file_is_registered_where_it_lies(mesh: ActionsMesh) -> None:
    folder = mesh.folder / "files"
    (folder / "one.dcm").write_bytes(make_small(AccessionNumber="WHERE"))
    mesh.act(file_item("one.dcm"), Index(str(folder)), number=14)
    found = FolderClient(mesh.services.channels.index).find("WHERE")
    assert [one.path for one in found] == ["one.dcm"]


def test_a_channel_is_told_of_the_item_once(mesh: ActionsMesh) -> None:
    notify, uid = NotifyClient(mesh.services.channels.notify), mesh.put(15)
    for _ in range(2):
        mesh.act(study_item(uid), Notify("$trial-$site", "arrived"), number=15)
    assert len(list(notify.deliveries(channel="atlas-north"))) == 1
    mesh.act(file_item("north/atlas/one.dcm"), Notify("${trial}-north", "arrived"), number=16)
    assert len(list(notify.deliveries(channel="atlas-north"))) == 2
    outbox = mesh.folder / "notify" / "outbox" / "ada.jsonl"
    assert awaited(lambda: outbox.exists() and len(outbox.read_text().splitlines()) == 2)
    said = [json.loads(line) for line in outbox.read_text().splitlines()]
    assert [one["subject"] for one in said] == ["atlas", "atlas"]
    assert [one["body"] for one in said] == ["default by intake", "files by intake"]


def test_an_instance_has_the_attributes_of_its_study(mesh: ActionsMesh) -> None:
    uid = mesh.put(17)
    with pytest.raises(Postponed, match="no attribute 'trial'"):
        mesh.act(instance_item(uid, f"{uid}.1.1"), Notify("$trial", "arrived"), number=17)


def test_a_channel_that_nobody_has_set_up_is_named(mesh: ActionsMesh) -> None:
    item = study_item(mesh.put(18), attributes={"trial": "petra", "site": "north"})
    with pytest.raises(Refused) as caught:
        mesh.act(item, Notify("$trial-$site", "arrived"), number=18)
    assert caught.value.why == "notify has no channel 'petra-north', to which '$trial-$site' leads"


def test_a_webhook_gets_the_facts_and_nothing_else(mesh: ActionsMesh) -> None:
    paths = ['north/{{ values.rule }}/{"a".dcm', "north/{% raw %}.dcm"]
    for number, path in enumerate(paths):
        for _ in range(2):
            mesh.act(file_item(path), Webhook(f"{mesh.hooks.url}/moved"), number=190 + number)
    posted = [json.loads(one["body"]) for one in mesh.await_posted(2)]
    assert sorted(one.pop("path") for one in posted) == sorted(paths)
    assert posted == [{"rule": "intake"}] * 2


def test_a_webhook_that_notify_may_not_call_is_refused(mesh: ActionsMesh) -> None:
    with pytest.raises(Refused, match="RECIPIENT_INVALID"):
        mesh.act(file_item("one.dcm"), Webhook("http://elsewhere.example/"), number=20)


def test_names_are_looked_up_at_the_services_that_know_them(mesh: ActionsMesh) -> None:
    directory = MeshDirectory(mesh.services.channels)

    def fault(kind: str, name: str, of: str = "") -> str:
        return directory.fault(Reference(ReferenceKind(kind), name, 1, "field", of))

    known = {"store": "trial", "profile": "default", "channel": "atlas-north", "template": "arrived", "peer": "plain"}
    assert [fault(*one) for one in known.items()] == [""] * len(known)
    query = 'Modality = "CT" AND NumberOfStudyRelatedInstances > 3'
    assert fault("store", "copy", "research") == fault("query", query, "trial") == ""
    assert fault("store", "trail") == "archive has no store of this name; did you mean 'trial'?"
    assert fault("store", "pool", "research").startswith("archive research has no store of this name; known: both,")
    assert fault("profile", "defualt") == "anon has no profile of this name; did you mean 'default'?"
    assert fault("channel", "atlas-south") == "notify has no channel of this name; did you mean 'atlas-north'?"
    assert fault("template", "arived") == "notify has no template of this name"
    assert fault("peer", "plane") == "dimse has no peer of this name; did you mean 'plain'?"
    assert "character" in fault("query", "StudyDate > yesterday", "trial")


def test_a_service_that_does_not_answer_is_asked_once(mesh: ActionsMesh) -> None:
    with connect("127.0.0.1:1") as nobody:
        directory = MeshDirectory(replace(mesh.services.channels, notify=nobody))
        for kind in (ReferenceKind.CHANNEL, ReferenceKind.TEMPLATE):
            with pytest.raises(DianaError, match="The notify does not answer"):
                directory.fault(Reference(kind, "any", 1, "field"))

"""Instances come in."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from diana.archive.v1 import archive_service_pb2 as pb
from diana_common.errors import Reason
from diana_common.header import scan
from tests.contract.archive.harness import (
    NAMES,
    STUDY,
    Rig,
    chunk,
    entries,
    get,
    make,
    put,
    refused,
    send,
    uid,
)
from tests.support.dicom_files import make_ct
from tests.support.upload import chunks_of, reason_of

STORED = pb.UploadResult.OUTCOME_STORED
ALREADY = pb.UploadResult.OUTCOME_ALREADY_STORED
AS_CURRENT = pb.UploadResult.OUTCOME_STORED_AS_CURRENT


def statistics(door: Any, store: str = "") -> pb.GetStatisticsResponse:
    answer: pb.GetStatisticsResponse = door.GetStatistics(pb.GetStatisticsRequest(store=store))
    return answer


def test_what_is_stored_is_answered_with_what_it_is(door: Any) -> None:
    data = make(1)
    (result,) = put(door, data)
    header = scan(data)
    assert result.outcome == STORED
    assert result.instance.sop_instance_uid == header.sop_instance_uid
    assert result.instance.study_uid == header.study_uid
    assert result.instance.sop_class_uid == header.sop_class_uid
    assert result.instance.transfer_syntax_uid == header.transfer_syntax_uid
    assert result.instance.size_bytes == len(data)
    assert result.instance.data_set_sha256 == hashlib.sha256(data[header.data_set_offset :]).digest()
    assert result.instance.current
    assert result.instance.store == "default"


def test_an_empty_stream_ends_at_once(door: Any) -> None:
    assert list(door.UploadInstances(iter([]))) == []
    assert send(door, []) == {}


def test_many_small_instances_in_one_message_are_each_answered(door: Any) -> None:
    files = [make(number) for number in range(50)]
    message = pb.UploadInstancesRequest(chunks=[chunk(tag, data) for tag, data in enumerate(files)])
    results = [result for answer in door.UploadInstances(iter([message])) for result in answer.results]
    assert sorted(result.tag for result in results) == list(range(50))
    assert statistics(door).instance_count == 50
    assert all(get(door, number) == files[number] for number in (0, 17, 49))


def test_a_large_instance_comes_in_chunks_and_out_byte_for_byte(door: Any) -> None:
    data = make_ct(rows=1500, cols=1000, sop_uid=uid(1))
    answers = send(door, chunks_of(7, data))
    assert answers[7].outcome == STORED
    assert answers[7].instance.data_set_sha256 == hashlib.sha256(data[scan(data).data_set_offset :]).digest()
    assert get(door, 1) == data


def test_instances_whose_file_meta_has_a_wrong_length_or_come_in_tiny_chunks_have_the_right_digest(door: Any) -> None:
    data = bytearray(make(1))
    data[140:144] = (9999).to_bytes(4, "little")
    pieces = [bytes(data[:100]), bytes(data[100:3000]), bytes(data[3000:])]
    offsets = [0, 100, 3000]
    chunks = [chunk(1, piece, offset, offset == 3000) for piece, offset in zip(pieces, offsets, strict=True)]
    answers = send(door, chunks)
    digest = hashlib.sha256(data[scan(bytes(data)).data_set_offset :]).digest()
    assert answers[1].instance.data_set_sha256 == digest


def test_chunks_of_several_instances_are_interleaved(door: Any) -> None:
    files = {tag: make(tag) for tag in range(1, 65)}
    half = 5000
    chunks = [chunk(tag, data[:half], 0, False) for tag, data in files.items()]
    chunks += [chunk(tag, data[half:], half) for tag, data in reversed(files.items())]
    answers = send(door, chunks)
    assert {tag: answer.outcome for tag, answer in answers.items()} == dict.fromkeys(files, STORED)
    assert get(door, 33) == files[33]


def test_more_open_instances_than_allowed_end_the_stream_and_keep_what_was_finished(door: Any) -> None:
    chunks = [chunk(500, make(1))] + [chunk(tag, b"x", 0, False) for tag in range(65)]
    with refused(Reason.INVALID_FIELD):
        send(door, chunks)
    assert statistics(door).instance_count == 1


def test_the_same_instance_again_is_already_stored_whatever_its_preamble(door: Any) -> None:
    data = make(1)
    (first,) = put(door, data)
    other_preamble = b"P" * 128 + data[128:]
    (second,) = put(door, other_preamble)
    assert second.outcome == ALREADY
    assert second.position == first.position
    assert second.instance == first.instance
    assert get(door, 1) == data
    assert len(entries(door)) == 1


def test_the_same_instance_twice_on_one_stream_is_stored_once(door: Any) -> None:
    data = make(1)
    results = put(door, *[data] * 20)
    assert sorted(result.outcome for result in results) == [STORED] + [ALREADY] * 19
    assert len({result.position for result in results}) == 1
    assert len(entries(door)) == 1


def test_another_data_set_under_the_same_uid_is_refused_where_the_policy_says_so(door: Any) -> None:
    data = make(1)
    put(door, data)
    answers = send(door, [chunk(1, make(1, AccessionNumber="OTHER")), chunk(2, make(2))])
    assert reason_of(answers[1]) == "INSTANCE_CONFLICT"
    assert answers[2].outcome == STORED
    assert get(door, 1) == data


def test_two_data_sets_under_one_uid_on_one_stream_conflict_too(door: Any) -> None:
    answers = send(door, [chunk(1, make(1)), chunk(2, make(1, AccessionNumber="OTHER"))])
    assert sorted(reason_of(answer) for answer in answers.values()) == ["", "INSTANCE_CONFLICT"]
    assert statistics(door).instance_count == 1


def test_another_data_set_becomes_current_where_both_are_kept(door: Any) -> None:
    old, new = make(1), make(1, AccessionNumber="OTHER")
    (first,) = put(door, old, store="both")
    (second,) = put(door, new, store="both")
    assert second.outcome == AS_CURRENT
    assert get(door, 1, store="both") == new
    assert get(door, 1, store="both", version=first.instance.version) == old
    assert entries(door)[-1].instance_stored.replaced_version == first.instance.version
    counts = statistics(door, "both")
    assert (counts.instance_count, counts.hidden_instance_count) == (1, 1)
    assert (counts.size_bytes, counts.hidden_size_bytes) == (len(new), len(old))


def test_an_older_version_sent_again_is_already_stored_and_stays_older(door: Any) -> None:
    old, new = make(1), make(1, AccessionNumber="OTHER")
    put(door, old, store="both")
    put(door, new, store="both")
    (again,) = put(door, old, store="both")
    assert again.outcome == ALREADY
    assert not again.instance.current
    assert get(door, 1, store="both") == new


def test_stores_know_nothing_of_one_another(door: Any) -> None:
    put(door, make(1))
    (result,) = put(door, make(1, AccessionNumber="OTHER"), store="patient")
    assert result.outcome == STORED
    assert statistics(door).instance_count == statistics(door, "patient").instance_count == 1


def test_an_unknown_store_is_refused(door: Any) -> None:
    with refused(Reason.STORE_UNKNOWN):
        send(door, [chunk(1, make(1))], store="nowhere")


def test_what_is_no_dicom_is_refused_with_its_reason_and_the_next_is_stored(door: Any) -> None:
    whole = make(5)
    bad = {
        1: (b"", "NOT_PART10"),
        2: (b"x" * 4000, "NOT_PART10"),
        3: (whole[:-100], "DATA_SET_TRUNCATED"),
        4: (make(4, StudyInstanceUID=None), "UID_MISSING"),
    }
    answers = send(door, [*(chunk(tag, data) for tag, (data, _) in bad.items()), chunk(5, whole)])
    assert {tag: reason_of(answers[tag]) for tag in bad} == {tag: reason for tag, (_, reason) in bad.items()}
    assert answers[5].outcome == STORED


def test_bad_instances_in_chunks_are_refused_and_leave_nothing(door: Any, rig: Rig) -> None:
    whole = make(5)
    chunks = [chunk(1, whole[:4000], 0, False), chunk(1, whole[4000:-100], 4000)]
    chunks += [chunk(2, b"x" * 500, 0, False), chunk(2, b"", 500)]
    answers = send(door, chunks)
    assert reason_of(answers[1]) == "DATA_SET_TRUNCATED"
    assert reason_of(answers[2]) == "NOT_PART10"
    assert objects_left(rig) == 0


def test_chunks_out_of_order_refuse_the_instance_once_and_only_it(door: Any, rig: Rig) -> None:
    data = make(1)
    chunks = [
        chunk(1, data[:1000], 0, False),
        chunk(1, data[2000:3000], 2000, False),
        chunk(1, data[1000:], 1000, False),
        chunk(2, make(2)),
        chunk(1, b"", 0),
        chunk(3, data[10:], 10),
    ]
    answers = send(door, chunks)
    assert reason_of(answers[1]) == reason_of(answers[3]) == "UPLOAD_ORDER"
    assert answers[2].outcome == STORED
    assert objects_left(rig) == 1


def test_what_is_never_finished_is_dropped_when_the_stream_ends(door: Any, rig: Rig) -> None:
    answers = send(door, [chunk(1, make(1)[:4000], 0, False), chunk(2, make(2))])
    assert reason_of(answers[1]) == "UPLOAD_INCOMPLETE"
    assert answers[2].outcome == STORED
    assert objects_left(rig) == 1


def test_a_full_disk_refuses_what_comes_and_takes_the_next_when_there_is_room(door: Any, rig: Rig) -> None:
    rig.objects.full = True
    answers = send(door, [chunk(1, make(1)), chunk(2, make(2)[:500], 0, False), chunk(2, make(2)[500:], 500)])
    assert [reason_of(answers[tag]) for tag in (1, 2)] == ["DISK_FULL", "DISK_FULL"]
    rig.objects.full = False
    put(door, make(1), make(2))
    assert statistics(door).instance_count == 2


def test_an_instance_whose_bytes_cannot_be_made_durable_is_not_stored(door: Any, rig: Rig) -> None:
    rig.objects.broken = True
    answers = send(door, [chunk(1, make(1))])
    assert reason_of(answers[1]) == "INTERNAL"
    rig.objects.broken = False
    assert statistics(door).instance_count == 0
    assert put(door, make(1))[0].outcome == STORED


def test_missing_instances_are_named_in_the_order_asked(door: Any) -> None:
    held = put(door, make(1), make(2))
    put(door, make(3), store="both")
    put(door, make(3, AccessionNumber="OTHER"), store="both")
    digest = held[0].instance.data_set_sha256
    wanted = [
        pb.InstanceDigest(sop_instance_uid=uid(9)),
        pb.InstanceDigest(sop_instance_uid=uid(1), data_set_sha256=digest),
        pb.InstanceDigest(sop_instance_uid=uid(2), data_set_sha256=digest),
        pb.InstanceDigest(sop_instance_uid=uid(2)),
        pb.InstanceDigest(sop_instance_uid=uid(3)),
    ]
    answer = door.FindMissingInstances(pb.FindMissingInstancesRequest(instances=wanted))
    assert answer.missing_sop_instance_uids == [uid(9), uid(2), uid(3)]
    answer = door.FindMissingInstances(pb.FindMissingInstancesRequest(store="both", instances=wanted[4:]))
    assert answer.missing_sop_instance_uids == []


def test_counts_are_those_of_what_is_there(door: Any) -> None:
    files = [make(1), make(2, series_uid="1.2.3"), make(3, study_uid="1.2", series_uid="1.2.4")]
    put(door, *files)
    counts = statistics(door)
    assert (counts.study_count, counts.series_count, counts.instance_count) == (2, 3, 3)
    assert counts.size_bytes == sum(map(len, files))
    assert counts.head_position == entries(door)[-1].position
    assert door.GetStudy(pb.GetStudyRequest(study_uid=STUDY)).study.series_count == 2


def objects_left(rig: Rig) -> int:
    """How many objects lie in the store, committed or not."""
    if rig.state:
        return sum(1 for store in NAMES for _ in rig.state.objects.ids(store))
    return len(rig.objects.content)


def test_an_instance_that_nobody_foresaw_is_refused_alone(door: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(contents: Any) -> Any:
        if bytes(contents[:128]) == b"P" * 128:
            raise ZeroDivisionError
        return scan(contents)

    monkeypatch.setattr("diana_archive.core.incoming.scan", fail)
    strange = b"P" * 128 + make(1)[128:]
    halves = [chunk(2, strange[:4000], 0, False), chunk(2, strange[4000:], 4000)]
    answers = send(door, [chunk(1, strange), *halves, chunk(3, make(3))])
    assert [reason_of(answers[tag]) for tag in (1, 2, 3)] == ["INTERNAL", "INTERNAL", ""]
    assert statistics(door).instance_count == 1

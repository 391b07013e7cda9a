"""Instances come out, whole, by range and many at once; lists are paged."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1.resources_pb2 import CONFLICT_POLICY_KEEP_BOTH, CONFLICT_POLICY_REFUSE, Selector
from diana_archive.stores.files import FileObjects
from diana_archive.stores.memory import MemoryReader
from diana_archive.stores.s3 import S3Objects
from diana_common.errors import DianaError, Reason
from diana_common.header import scan
from tests.contract.archive.harness import (
    GRACE,
    NAMES,
    QUIET,
    SECOND,
    SERIES,
    STUDY,
    Clock,
    Rig,
    get,
    make,
    put,
    refused,
    uid,
)
from tests.support.dicom_files import make_ct


def download(door: Any, store: str = "", **selector: Any) -> dict[str, bytes]:
    """Everything selected, by SOP Instance UID; the chunks must be in order."""
    files: dict[str, bytes] = {}
    current = ""
    request = pb.DownloadInstancesRequest(store=store, selector=Selector(**selector))
    for answer in door.DownloadInstances(request):
        assert answer.ByteSize() < 2 * 1024 * 1024
        for piece in answer.chunks:
            if piece.HasField("instance"):
                assert not current
                current = piece.instance.sop_instance_uid
                files[current] = b""
            files[current] += piece.data
            if piece.finish:
                current = ""
    assert not current
    return files


def test_a_range_is_read_and_one_past_the_end_is_cut(door: Any) -> None:
    data = make(1)
    put(door, data)
    assert get(door, 1, read_offset=100, read_limit=50) == data[100:150]
    assert get(door, 1, read_offset=len(data) - 10, read_limit=50) == data[-10:]
    assert get(door, 1, read_offset=200) == data[200:]
    assert get(door, 1, read_offset=len(data)) == b""
    with refused(Reason.RANGE_INVALID):
        get(door, 1, read_offset=len(data) + 1)


def test_only_the_first_message_of_a_read_carries_the_instance(door: Any) -> None:
    data = make_ct(rows=1500, cols=1000, sop_uid=uid(1))
    put(door, data)
    answers = list(door.ReadInstance(pb.ReadInstanceRequest(sop_instance_uid=uid(1))))
    assert [answer.HasField("instance") for answer in answers] == [True, False, False]
    assert answers[0].instance.size_bytes == len(data)


def test_an_instance_that_is_not_there_is_not_found(door: Any) -> None:
    put(door, make(1))
    with refused(Reason.INSTANCE_NOT_FOUND):
        get(door, 2)
    with refused(Reason.INSTANCE_NOT_FOUND):
        get(door, 1, version="0000000000000000")
    with refused(Reason.INSTANCE_NOT_FOUND):
        get(door, 1, store="both")
    with refused(Reason.STORE_UNKNOWN):
        get(door, 1, store="nowhere")


def test_the_header_is_what_the_scan_gave(door: Any) -> None:
    data = make(1)
    put(door, data)
    answer = door.GetInstanceHeader(pb.GetInstanceHeaderRequest(sop_instance_uid=uid(1)))
    assert answer.dicom_json == scan(data).dicom_json
    assert answer.instance.sop_instance_uid == uid(1)
    with refused(Reason.INSTANCE_NOT_FOUND):
        door.GetInstanceHeader(pb.GetInstanceHeaderRequest(sop_instance_uid=uid(2)))


def test_a_header_over_3_mib_is_kept_without_its_largest_elements(door: Any) -> None:
    texts = {"TextValue": 1_000_000, "SelectorUTValue": 1_500_000, "LabelText": 1_600_000}
    large = {keyword: "x" * length for keyword, length in texts.items()}
    data = make(1, **large)
    put(door, data)
    answer = door.GetInstanceHeader(pb.GetInstanceHeaderRequest(sop_instance_uid=uid(1)))
    header = json.loads(answer.dicom_json)
    assert len(answer.dicom_json) <= 3 * 1024 * 1024
    assert header["22000002"] == {"vr": "UT", "BulkDataURI": "element:22000002"}
    assert header["0040A160"]["Value"] == ["x" * 1_000_000]
    assert get(door, 1) == data


def test_a_download_sends_what_is_selected_byte_for_byte(door: Any) -> None:
    files = {uid(number): make(number, series_uid=f"{SERIES}.{number % 2}") for number in range(1, 40)}
    files[uid(40)] = make_ct(rows=1500, cols=1000, sop_uid=uid(40), series_uid=f"{SERIES}.9")
    other = make(50, study_uid="1.2.3", series_uid="1.2.3.4")
    put(door, *files.values(), other)
    assert download(door, study_uid=STUDY) == files
    assert download(door, study_uid=STUDY, series_uid=f"{SERIES}.9") == {uid(40): files[uid(40)]}
    assert download(door, sop_instance_uids=[uid(50), uid(2)]) == {uid(50): other, uid(2): files[uid(2)]}


def test_a_download_of_what_is_not_there_is_refused_before_any_data(door: Any) -> None:
    put(door, make(1))
    with refused(Reason.STUDY_NOT_FOUND):
        download(door, study_uid="1.2.3")
    with refused(Reason.SERIES_NOT_FOUND):
        download(door, study_uid=STUDY, series_uid="1.2.3")
    with refused(Reason.INSTANCE_NOT_FOUND):
        download(door, sop_instance_uids=[uid(1), uid(2)])
    with refused(Reason.INSTANCE_NOT_FOUND):
        download(door, study_uid=STUDY, series_uid=SERIES, sop_instance_uids=[uid(2)])


@pytest.mark.parametrize("how", ["gone", "short"])
def test_bytes_that_are_gone_or_short_are_told_as_damage(door: Any, rig: Rig, how: str) -> None:
    put(door, make(1))
    if rig.state and isinstance(rig.state.objects, S3Objects):
        (one,) = rig.state.objects.ids("default")
        rig.state.objects.copy("default", one, MemoryReader(b"short"))
        if how == "gone":
            rig.state.objects.remove([("default", one)])
    elif rig.state and isinstance(rig.state.objects, FileObjects):
        (path,) = rig.state.objects._root.glob("default/packs/*.pack")
        path.unlink() if how == "gone" else os.truncate(path, 8192)
    else:
        (key,) = rig.objects.content
        rig.objects.content.pop(key) if how == "gone" else rig.objects.content.update({key: b"short"})
    with refused(Reason.STORE_DAMAGED):
        get(door, 1)
    with refused(Reason.STORE_DAMAGED):
        download(door, study_uid=STUDY)


@pytest.mark.parametrize("rpc", ["read", "download"])
def test_what_is_purged_while_it_is_read_comes_whole_or_is_not_found(
    door: Any, rig: Rig, clock: Clock, rpc: str
) -> None:
    data = make_ct(rows=1500, cols=1000, sop_uid=uid(1))
    put(door, data)
    chosen = Selector(sop_instance_uids=[uid(1)])
    if rpc == "read":
        pieces = (answer.data for answer in door.ReadInstance(pb.ReadInstanceRequest(sop_instance_uid=uid(1))))
    else:
        answers = door.DownloadInstances(pb.DownloadInstancesRequest(selector=chosen))
        pieces = (piece.data for answer in answers for piece in answer.chunks)
    got = next(pieces)
    door.DeleteInstances(pb.DeleteInstancesRequest(selector=chosen))
    clock.advance(2 * GRACE)
    rig.archive.upkeep.look()
    try:
        got += b"".join(pieces)
    except DianaError as error:
        assert error.reason == Reason.INSTANCE_NOT_FOUND
    else:
        assert got == data


def test_stores_are_listed_with_their_policies(door: Any) -> None:
    stores = door.ListStores(pb.ListStoresRequest()).stores
    assert [store.name for store in stores] == sorted(NAMES)
    refusing = {store.name for store in stores if store.conflict_policy == CONFLICT_POLICY_REFUSE}
    assert refusing == {"default", "patient"}
    assert all(store.conflict_policy == CONFLICT_POLICY_KEEP_BOTH for store in stores if store.name not in refusing)
    assert {store.name: store.quiet_period_seconds * SECOND for store in stores} == {
        name: 0 if name == "patient" else QUIET for name in NAMES
    }
    assert all(store.grace_period_seconds * SECOND == GRACE for store in stores)


def pages(call: Any, request: Any, field: str) -> list[list[Any]]:
    """Every page of a list."""
    found = []
    while True:
        answer = call(request)
        found.append(list(getattr(answer, field)))
        if not answer.next_page_token:
            return found
        request.page_token = answer.next_page_token


def test_studies_are_listed_page_by_page(door: Any) -> None:
    uids = sorted(f"1.2.{number}" for number in range(25))
    put(door, *(make(number, study_uid=study, series_uid="1") for number, study in enumerate(uids)))
    found = pages(door.ListStudies, pb.ListStudiesRequest(page_size=10), "studies")
    assert [len(page) for page in found] == [10, 10, 5]
    assert [study.study_uid for page in found for study in page] == uids
    assert len(pages(door.ListStudies, pb.ListStudiesRequest(page_size=25), "studies")) == 1
    assert len(door.ListStudies(pb.ListStudiesRequest()).studies) == 25
    assert not door.ListStudies(pb.ListStudiesRequest(store="both")).studies


def test_pages_of_studies_with_many_attributes_stay_small(door: Any) -> None:
    uids = sorted(f"1.2.{number}" for number in range(40))
    put(door, *(make(number, study_uid=study, series_uid="1") for number, study in enumerate(uids)))
    attributes = {f"key{number}": "x" * 1024 for number in range(60)}
    for study in uids:
        door.UpdateStudyAttributes(pb.UpdateStudyAttributesRequest(study_uid=study, set=attributes))
    found = pages(door.ListStudies, pb.ListStudiesRequest(page_size=1000), "studies")
    assert len(found) > 1
    assert [study.study_uid for page in found for study in page] == uids


def test_series_and_instances_are_listed_in_order(door: Any) -> None:
    put(door, *(make(number, series_uid=f"{SERIES}.{number % 3}") for number in range(10)))
    series = pages(door.ListSeries, pb.ListSeriesRequest(study_uid=STUDY, page_size=2), "series")
    assert [[one.series_uid for one in page] for page in series] == [[f"{SERIES}.0", f"{SERIES}.1"], [f"{SERIES}.2"]]
    assert [one.instance_count for page in series for one in page] == [4, 3, 3]
    found = pages(door.ListInstances, pb.ListInstancesRequest(study_uid=STUDY, page_size=3), "instances")
    names = [(one.series_uid, one.sop_instance_uid) for page in found for one in page]
    assert [len(page) for page in found] == [3, 3, 3, 1]
    assert names == sorted((f"{SERIES}.{number % 3}", uid(number)) for number in range(10))
    request = pb.ListInstancesRequest(study_uid=STUDY, series_uid=f"{SERIES}.1", page_size=3)
    assert len(pages(door.ListInstances, request, "instances")) == 1


def test_versions_and_deleted_instances_are_listed_when_asked_for(door: Any) -> None:
    old, new = make(1), make(1, AccessionNumber="OTHER")
    put(door, old, store="both")
    put(door, new, make(2), store="both")
    door.DeleteInstances(pb.DeleteInstancesRequest(store="both", selector=Selector(sop_instance_uids=[uid(2)])))
    request = pb.ListInstancesRequest(store="both", study_uid=STUDY)
    assert [one.current for one in door.ListInstances(request).instances] == [True]
    request = pb.ListInstancesRequest(store="both", study_uid=STUDY, show_all=True, page_size=1)
    found = [page[0] for page in pages(door.ListInstances, request, "instances")]
    assert [(one.sop_instance_uid, one.current, one.HasField("delete_time")) for one in found] == [
        (uid(1), False, False),
        (uid(1), True, False),
        (uid(2), False, True),
    ]


def test_lists_of_what_is_not_there_are_refused(door: Any) -> None:
    put(door, make(1))
    for call, request in (
        (door.GetStudy, pb.GetStudyRequest(study_uid="1.2")),
        (door.ListSeries, pb.ListSeriesRequest(study_uid="1.2")),
        (door.ListInstances, pb.ListInstancesRequest(study_uid="1.2", show_all=True)),
    ):
        with refused(Reason.STUDY_NOT_FOUND):
            call(request)
    with refused(Reason.SERIES_NOT_FOUND):
        door.ListInstances(pb.ListInstancesRequest(study_uid=STUDY, series_uid="1.2"))


@pytest.mark.parametrize("token", ["x", "W10=", "e30=", "WyJhIiwiYiJd", "\N{SNOWMAN}", "[" * 5000])
def test_a_page_token_that_was_never_given_is_refused(door: Any, token: str) -> None:
    put(door, make(1))
    with refused(Reason.PAGE_TOKEN_INVALID):
        door.ListStudies(pb.ListStudiesRequest(page_token=token))
    with refused(Reason.PAGE_TOKEN_INVALID):
        door.ListInstances(pb.ListInstancesRequest(study_uid=STUDY, page_token=token))


def test_a_page_token_of_another_request_is_refused(door: Any) -> None:
    put(door, *(make(number, study_uid=f"1.{number}", series_uid="1") for number in (1, 2)), make(3), make(4))
    token = door.ListStudies(pb.ListStudiesRequest(page_size=1)).next_page_token
    with refused(Reason.PAGE_TOKEN_INVALID):
        door.ListStudies(pb.ListStudiesRequest(store="both", page_token=token))
    token = door.ListInstances(pb.ListInstancesRequest(study_uid=STUDY, page_size=1)).next_page_token
    with refused(Reason.PAGE_TOKEN_INVALID):
        door.ListInstances(pb.ListInstancesRequest(study_uid=STUDY, page_token=token, show_all=True))
    with refused(Reason.PAGE_TOKEN_INVALID):
        door.ListSeries(pb.ListSeriesRequest(study_uid=STUDY, page_token=token))

"""Presentation contexts for what is to be sent."""

from __future__ import annotations

from diana_dimse.core.sending.contexts import MOST_CONTEXTS, Wish, plan
from tests.support.kept_instances import CT, EXPLICIT, IMPLICIT, JPEG_2000, MR, RLE, stored


def test_each_stored_syntax_has_a_context_and_each_class_one_to_fall_back_to() -> None:
    [load] = plan([stored("1"), stored("2", CT, JPEG_2000), stored("3", MR, RLE), stored("4")])
    assert load.wishes == [
        Wish(CT, (EXPLICIT,)),
        Wish(CT, (JPEG_2000,)),
        Wish(CT, (IMPLICIT,)),
        Wish(MR, (RLE,)),
        Wish(MR, (EXPLICIT, IMPLICIT)),
    ]
    assert [one.sop_instance_uid for one in load.instances] == ["1", "2", "3", "4"]


def test_where_both_plain_syntaxes_are_stored_there_is_nothing_to_fall_back_to() -> None:
    [load] = plan([stored("1"), stored("2", CT, IMPLICIT)])
    assert load.wishes == [Wish(CT, (EXPLICIT,)), Wish(CT, (IMPLICIT,))]


def test_more_contexts_than_an_association_has_make_several_and_each_instance_is_in_one() -> None:
    instances = [stored(str(number), f"1.9.{number}", RLE) for number in range(100)]
    loads = plan(instances)
    assert [len(one.wishes) for one in loads] == [MOST_CONTEXTS, 72]
    assert [one for load in loads for one in load.instances] == instances
    for load in loads:
        assert {one.sop_class_uid for one in load.instances} == {one.sop_class_uid for one in load.wishes}


def test_a_class_with_more_syntaxes_than_an_association_has_contexts_is_parted() -> None:
    instances = [stored(str(number), CT, f"1.9.{number}") for number in range(300)]
    loads = plan(instances)
    assert all(len(one.wishes) <= MOST_CONTEXTS for one in loads)
    assert sum(len(one.instances) for one in loads) == 300


def test_nothing_needs_no_association() -> None:
    assert plan([]) == []

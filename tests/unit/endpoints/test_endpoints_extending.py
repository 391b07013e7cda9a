"""What packages that add a kind build on: looking through a list, putting one by one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from grpc import StatusCode

from diana_client import Unavailable
from diana_endpoints.extending import BytesContent, DianaError, Item, Listed, Query, Reason, put_each, said_by
from diana_endpoints.protocol.endpoint import Endpoint
from diana_endpoints.protocol.items import Finder, Getter, Lister
from tests.support.dicom_files import make_small


class Three(Listed):
    """An endpoint of three items, two of which have one id."""

    def list(self) -> Iterator[Item]:
        yield from (Item({"id": row}, data={"row": row}) for row in ("a", "b", "a"))


def test_what_is_listed_can_be_got_and_found() -> None:
    three = Three()
    assert all(isinstance(three, role) for role in (Endpoint, Lister, Getter, Finder))
    assert len(list(three.get(Item({"id": "a"})))) == 2
    assert [item.data for item in three.find(Query("study", {"row": "b*"}))] == [{"row": "b"}]


def test_what_is_not_listed_is_not_found() -> None:
    with pytest.raises(DianaError) as refused:
        list(Three().get(Item({"id": "c"})))
    assert refused.value.reason is Reason.ITEM_NOT_FOUND


def test_an_instance_says_what_its_header_says() -> None:
    assert said_by(Item(content=BytesContent(make_small())))["SOPClassUID"].startswith("1.2.840.10008.5.1.4.1.1.")
    assert said_by(Item(data={"x": 1})) == {"x": 1}


def test_one_that_fails_is_told_of_and_the_rest_go_on() -> None:
    def put_one(item: Item) -> None:
        if item.number == 2:
            raise KeyError("no")

    first, second, third = put_each((Item(number=number) for number in (1, 2, 3)), put_one)
    assert [one.meta.get("outcome") for one in (first, second, third)] == ["stored", None, "stored"]
    assert second.failure is not None
    assert second.failure.reason == "INTERNAL"


@pytest.mark.parametrize(
    "error", [DianaError(Reason.PEER_UNAVAILABLE, "gone"), Unavailable(StatusCode.UNAVAILABLE, "gone")]
)
def test_nothing_is_taken_after_the_endpoint_has_gone(error: Exception) -> None:
    def put_one(_: Item) -> None:
        raise error

    items = iter([Item(), Item()])
    with pytest.raises(type(error)):
        list(put_each(items, put_one))
    assert len(list(items)) == 1

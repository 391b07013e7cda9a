"""What the service does with calls that are over before it begins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import grpc

from diana.route.v1 import route_service_pb2 as pb
from diana_route.core.watching import Watching
from diana_route.servicer import RouteServicer


class Ended:
    """A call that has ended: nobody is called back."""

    def add_callback(self, callback: Callable[[], None]) -> bool:
        return False


def test_a_watch_of_a_call_that_has_ended_ends() -> None:
    nobody = cast(Any, None)
    servicer = RouteServicer(nobody, nobody, nobody, nobody, nobody, nobody, Watching(), lambda: None)
    context = cast(grpc.ServicerContext, Ended())
    assert list(servicer.WatchJobs(pb.WatchJobsRequest(), context)) == []

"""What the service does with calls that are over before it begins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import grpc

from diana.notify.v1 import notify_service_pb2 as pb
from diana_notify.servicer import NotifyServicer
from tests.unit.notify.notify_bench import NotifyBench


class Ended:
    """A call that has ended: nobody is called back."""

    def add_callback(self, callback: Callable[[], None]) -> bool:
        return False


def test_a_watch_of_a_call_that_has_ended_ends(tmp_path: Path) -> None:
    bench = NotifyBench(tmp_path)
    context = cast(grpc.ServicerContext, Ended())
    watch = NotifyServicer(bench.notifier).WatchDeliveries(pb.WatchDeliveriesRequest(), context)
    assert list(watch) == []
    bench.ledger.close()

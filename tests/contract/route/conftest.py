"""Route services on free ports that watch a folder, without a mesh behind them: what they begin has to wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import code_pb2

from diana.route.v1.route_service_pb2_grpc import RouteServiceStub
from diana_common.settings import build
from diana_route.__main__ import make_server
from diana_route.config import RouteConfig
from tests.contract.client.fake_archive import refuse, status_of

Serve = Callable[..., RouteServiceStub]

RULES = """\
rules:
  - name: intake
    source: {folder: "${INCOMING}/in", layout: "{site}", settle: 100ms, poll: 50ms}
    when: 'Modality = "CT"'
    do:
      - put: inbox
      - notify: {channel: $site, template: arrived}
      - delete
  - name: second
    source: {folder: "${INCOMING}/b", settle: 100ms, poll: 50ms}
    do: [put: other]
"""
NOBODY = "127.0.0.1:1"


class _Busy(grpc.GenericRpcHandler):
    """An archive that answers everybody at once that it is overloaded."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        return grpc.stream_stream_rpc_method_handler(self._refuse)

    def _refuse(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        refuse(context, status_of(code_pb2.RESOURCE_EXHAUSTED, "OVERLOADED", "Busy."))
        yield from ()


@pytest.fixture(scope="module")
def busy() -> Iterator[str]:
    """The address of an archive that does nothing now, and says so; nobody waits for it as for one that is away."""
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers([_Busy()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(0)


@pytest.fixture
def incoming(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "incoming"
    (folder / "in" / "a").mkdir(parents=True)
    (folder / "b").mkdir()
    monkeypatch.setenv("INCOMING", str(folder))
    return folder


@pytest.fixture
def serve(tmp_path: Path, incoming: Path) -> Iterator[Serve]:
    """Starts a server with rules, after the one before has stopped, and returns a stub for it."""
    with ExitStack() as stack:

        def start(rules: str = RULES, **settings: object) -> RouteServiceStub:
            stack.close()
            (tmp_path / "rules.yaml").write_text(rules)
            own = {
                "server": {"listen": "127.0.0.1:0"},
                "state_dir": str(tmp_path / "route"),
                "rules_file": str(tmp_path / "rules.yaml"),
                "folders": [str(incoming)],
                "retry": {"first_seconds": 0.05, "longest_seconds": 0.1},
                **{service: {"address": NOBODY} for service in ("archive", "index", "anon", "notify", "dimse")},
            }
            server = make_server(build(RouteConfig, {**own, **settings}))
            address = server.start()
            stack.callback(server.stop, 0)
            return RouteServiceStub(stack.enter_context(grpc.insecure_channel(address)))

        yield start


@pytest.fixture
def stub(serve: Serve, busy: str) -> RouteServiceStub:
    return serve(archive={"address": busy})

"""Route services on free ports that watch a folder, without a mesh behind them: what they begin has to wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest

from diana.route.v1.route_service_pb2_grpc import RouteServiceStub
from diana_common.settings import build
from diana_route.__main__ import make_server
from diana_route.config import RouteConfig

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
def stub(serve: Serve) -> RouteServiceStub:
    return serve()

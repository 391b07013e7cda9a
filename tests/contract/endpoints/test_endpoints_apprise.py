"""A messenger by Apprise, with its own JSON messenger and a server that takes what it sends."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from diana_common.errors import DianaError
from diana_endpoints.apprise import AppriseMessenger
from diana_endpoints.items import Item
from diana_endpoints.protocol.telling import Teller
from diana_endpoints.services import Services


@dataclass
class Sink:
    port: int = 0
    answer: int = 200
    taken: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sink.taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(sink.answer)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sink.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield sink
    server.shutdown()
    thread.join()
    server.server_close()


def _messenger(url: str, **settings: Any) -> AppriseMessenger:
    made = Services({"chat": {"ctype": "apprise", "url": url, **settings}}, {}).endpoint("chat")
    assert isinstance(made, AppriseMessenger)
    return made


def test_each_item_becomes_a_notification(sink: Sink) -> None:
    messenger = _messenger(f"json://127.0.0.1:{sink.port}", subject="$trial", body="Found $n")
    assert isinstance(messenger, Teller)
    results = list(messenger.put([Item({"trial": "hobit"}, data={"n": 3}), Item(data={"n": 4})]))
    assert results[0].meta["outcome"] == "sent"
    assert results[1].failure is not None
    assert [(one["title"], one["message"]) for one in sink.taken] == [("hobit", "Found 3")]
    assert messenger.check().ok


def test_one_that_is_not_taken_is_told_of(sink: Sink) -> None:
    sink.answer = 500
    with pytest.raises(DianaError, match="did not take"):
        _messenger(f"json://127.0.0.1:{sink.port}").tell("", "s", "b")
    with pytest.raises(DianaError, match="recipient"):
        _messenger(f"json://127.0.0.1:{sink.port}").tell("somebody", "s", "b")


def test_the_url_comes_from_a_file_or_the_environment_and_is_not_shown(sink: Sink, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"json://127.0.0.1:{sink.port}\n")
    for services, name in (
        (Services({"chat": {"ctype": "apprise", "url_file": str(tmp_path / "url")}}, {}), "chat"),
        (Services({}, {"APPRISE_URL": f"json://127.0.0.1:{sink.port}"}), "apprise:"),
    ):
        endpoint = services.endpoint(name)
        assert isinstance(endpoint, AppriseMessenger)
        endpoint.tell("", "s", "b")
    assert len(sink.taken) == 2
    wrong = _messenger("nosuch://secret@host")
    assert "secret" not in wrong.check().detail
    with pytest.raises(DianaError, match="url: is no URL"):
        wrong.tell("", "s", "b")

"""Other services by the library apprise, in processes of their own; its `json://` writes to a real web server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from socket import create_server

import pytest

from diana_common.attempts import Unreachable
from diana_common.errors import DianaError
from diana_notify.adapters import apprise_carrier
from diana_notify.adapters.apprise_carrier import AppriseCarrier
from diana_notify.adapters.secret import Secret
from diana_notify.core.model import Transport
from tests.unit.notify.hooks import Hooks
from tests.unit.notify.test_notify_transports import parcel


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    with Hooks() as server:
        server.status = 200
        yield server


def apprise(folder: Path, url: str, timeout: float = 20.0) -> AppriseCarrier:
    (folder / "url").write_text(url)
    return AppriseCarrier({"pager": Secret("apprise.urls.pager", folder / "url", "")}, timeout)


def test_a_message_goes_where_the_url_says_and_a_failure_tells_nothing_of_it(hooks: Hooks, tmp_path: Path) -> None:
    carrier = apprise(tmp_path, hooks.url.replace("http:", "json:") + "/x")
    carrier.carry(parcel(Transport.APPRISE, "pager", "Grüße", "a <b> & *c*"))
    given = hooks.requests[0].json
    assert (hooks.requests[0].path, given["title"], given["message"]) == ("/x", "Grüße", "a <b> & *c*")
    hooks.status = 500
    with pytest.raises(Unreachable) as caught:
        carrier.carry(parcel(Transport.APPRISE, "pager", "only a subject", ""))
    assert caught.value.why == "apprise could not send it"
    assert hooks.requests[1].json["message"] == "only a subject"


def test_a_url_that_apprise_cannot_use_is_refused_at_the_start_and_later(tmp_path: Path) -> None:
    with pytest.raises(DianaError, match=r"apprise\.urls\.pager: is no URL") as caught:
        apprise(tmp_path, "pigeon://SECRET")
    assert "SECRET" not in str(caught.value)
    carrier = AppriseCarrier({}, 10.0)
    with pytest.raises(Unreachable, match="no URL of this name"):
        carrier.carry(parcel(Transport.APPRISE, "pager"))


def test_a_service_that_never_answers_is_given_up_and_its_process_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apprise_carrier, "_START_SECONDS", 0.5)
    with create_server(("127.0.0.1", 0)) as listener:  # which takes connections, and never says a word
        carrier = AppriseCarrier({}, 0.5)
        (tmp_path / "url").write_text(f"json://127.0.0.1:{listener.getsockname()[1]}/")
        carrier._urls = {"pager": Secret("apprise.urls.pager", tmp_path / "url", "")}
        with pytest.raises(Unreachable, match="timed out"):
            carrier.carry(parcel(Transport.APPRISE, "pager"))

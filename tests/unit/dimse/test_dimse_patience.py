"""An archive that does not answer is asked again for a while; what it refuses is refused at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import grpc
import pytest

from diana_client import MeshError, NotFound, Unavailable, UploadResult, connect
from diana_common.errors import DianaError, Reason
from diana_dimse.core.intake.receiving import Origin
from diana_dimse.peers import intake, patience
from diana_dimse.peers.intake import ArchiveIntake
from diana_dimse.peers.patience import patiently

AWAY = Unavailable(grpc.StatusCode.UNAVAILABLE, "The stream broke.")
GONE = NotFound(grpc.StatusCode.NOT_FOUND, "Nothing that can be read is there.", reason="SOURCE_NOT_FOUND")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_SECONDS", 0.1)
    monkeypatch.setattr(patience, "_PAUSE_SECONDS", 0.001)


def answering(*answers: str | MeshError) -> Callable[[], str]:
    """Gives or raises one after the other, the last one for ever."""
    left = list(answers)

    def ask() -> str:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, MeshError):
            raise answer
        return answer

    return ask


def test_an_answer_that_comes_at_last_is_the_answer() -> None:
    assert patiently(answering(AWAY, AWAY, "stored")) == "stored"


def test_what_never_answers_is_unavailable() -> None:
    with pytest.raises(DianaError) as raised:
        patiently(answering(AWAY))
    assert raised.value.reason is Reason.PEER_UNAVAILABLE


def test_a_refusal_is_not_asked_again() -> None:
    with pytest.raises(DianaError) as raised:
        patiently(answering(GONE, "never"))
    assert raised.value.reason is Reason.SOURCE_NOT_FOUND


def test_a_file_that_an_unanswered_request_took_may_be_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Taken:
        """The archive took the file, died before it said so, and has started anew."""

        def __init__(self, *_: object, **__: object) -> None:
            self._errors: list[MeshError | None] = [AWAY, None]

        def adopt(self, name: str) -> Future[UploadResult]:
            answer: Future[UploadResult] = Future()
            if error := self._errors.pop(0):
                answer.set_exception(error)
            else:
                answer.set_result(UploadResult(name, GONE))
            return answer

    monkeypatch.setattr(intake, "Submission", Taken)
    with connect("127.0.0.1:9") as channel, pytest.raises(DianaError) as raised:
        ArchiveIntake(channel, "dimse", Path, lambda store, position: None).adopt(Origin("default", "CT"), "a.dcm")
    assert raised.value.reason is Reason.PEER_UNAVAILABLE

"""Bearer tokens: who may call is who shows a token of the configuration."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from diana_common.errors import DianaError, Reason
from diana_server.callers import BearerTokens

ALICE, BOB = "alice-has-a-long-token", "bob-has-another-token"


class Call:
    """What a servicer is told of a call."""

    def __init__(self, *metadata: tuple[str, str | bytes]) -> None:
        self._metadata = metadata

    def invocation_metadata(self) -> Any:
        return self._metadata


def shown(token: str) -> Any:
    return Call(("user-agent", "test"), ("authorization", token))


@pytest.fixture
def tokens(tmp_path: Path) -> BearerTokens:
    (tmp_path / "alice").write_text(ALICE + "\n")
    (tmp_path / "bob").write_text(BOB)
    return BearerTokens({"alice": tmp_path / "alice", "bob": tmp_path / "bob"}, "key_tokens")


def refusal(tokens: BearerTokens, call: Any) -> Reason:
    with pytest.raises(DianaError) as refused:
        tokens.name_of(call)
    assert ALICE not in str(refused.value)
    return refused.value.reason


def test_a_caller_is_known_by_the_token_it_shows(tokens: BearerTokens) -> None:
    assert tokens.name_of(shown(f"Bearer {ALICE}")) == "alice"
    assert tokens.name_of(shown(f"bearer  {BOB}")) == "bob"


@pytest.mark.parametrize(
    "call",
    [
        Call(),
        shown(""),
        shown("Bearer"),
        shown("Bearer "),
        shown(ALICE),
        shown(f"Basic {ALICE}"),
        shown(f"Bearer {ALICE[:-1]}"),
        shown(f"Bearer {ALICE}x"),
        shown(f"Bearer {ALICE} {BOB}"),
        shown("Bearer ünïcödé-ünïcödé-ünïcödé"),
        shown("Bearer \udcff" + ALICE),
        shown("Bearer " + "x" * 100_000),
        Call(("authorization", f"Bearer {ALICE}"), ("authorization", f"Bearer {ALICE}")),
        Call(("authorization", b"Bearer " + ALICE.encode())),
        Call(("authorization-bin", f"Bearer {ALICE}")),
    ],
)
def test_everybody_else_is_unknown(tokens: BearerTokens, call: Any) -> None:
    assert refusal(tokens, call) is Reason.CALLER_UNKNOWN


def test_where_no_token_is_configured_nobody_is_permitted() -> None:
    assert refusal(BearerTokens({}), shown(f"Bearer {ALICE}")) is Reason.CALLER_NOT_PERMITTED


def test_a_token_is_renewed_or_withdrawn_while_the_service_runs(tokens: BearerTokens, tmp_path: Path) -> None:
    (tmp_path / "alice").write_text("alice-has-a-newer-token")
    assert refusal(tokens, shown(f"Bearer {ALICE}")) is Reason.CALLER_UNKNOWN
    assert tokens.name_of(shown("Bearer alice-has-a-newer-token")) == "alice"
    (tmp_path / "alice").unlink()
    assert refusal(tokens, shown("Bearer alice-has-a-newer-token")) is Reason.CALLER_UNKNOWN
    (tmp_path / "alice").write_text(BOB)
    assert refusal(tokens, shown(f"Bearer {BOB}")) is Reason.CALLER_UNKNOWN


def test_a_fifo_in_a_token_file_s_place_hangs_nobody(tokens: BearerTokens, tmp_path: Path) -> None:
    (tmp_path / "alice").unlink()
    os.mkfifo(tmp_path / "alice")
    assert refusal(tokens, shown(f"Bearer {ALICE}")) is Reason.CALLER_UNKNOWN
    assert tokens.name_of(shown(f"Bearer {BOB}")) == "bob"


@pytest.mark.parametrize(
    "text", ["", "short", "two words that are long", "x" * 1025, "ümläute-sind-hier-nicht-erlaubt"]
)
def test_a_file_that_holds_no_token_is_refused_by_its_setting(tmp_path: Path, text: str) -> None:
    (tmp_path / "alice").write_text(text)
    with pytest.raises(DianaError, match=r"key_tokens\.alice") as refused:
        BearerTokens({"alice": tmp_path / "alice"}, "key_tokens")
    assert refused.value.reason is Reason.CONFIG_INVALID


def test_two_callers_do_not_share_a_token(tmp_path: Path) -> None:
    for name in ("alice", "bob"):
        (tmp_path / name).write_text(ALICE)
    with pytest.raises(DianaError, match=r"tokens\.bob: has the token of alice"):
        BearerTokens({"alice": tmp_path / "alice", "bob": tmp_path / "bob"})

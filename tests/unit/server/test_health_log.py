"""What health says to the log: a peer that is still starting is no trouble, one that stays away is."""

from __future__ import annotations

from structlog.testing import capture_logs

from diana_common.errors import DianaError, Reason
from diana_server.health import Health

AWAY = DianaError(Reason.PEER_UNAVAILABLE, "The archive was never reached.")


class Readiness:
    """Raises an error, while there is one."""

    error: Exception | None = None

    def __call__(self) -> None:
        if self.error:
            raise self.error


def levels(grace_seconds: float, *errors: Exception | None) -> list[str]:
    """Which levels are told, of a service that is asked again and again."""
    readiness = Readiness()
    with capture_logs() as logs:
        health = Health("test", grace_seconds=grace_seconds)
        for error in errors:
            readiness.error = error
            health.add("name", readiness)
    return [one["log_level"] for one in logs]


def test_a_peer_that_is_not_there_yet_is_told_of_once_and_quietly() -> None:
    assert levels(60.0, AWAY, AWAY) == ["info"]


def test_a_peer_that_stays_away_is_a_warning() -> None:
    assert levels(0.0, AWAY, AWAY) == ["warning"]


def test_our_own_trouble_is_an_error_from_the_first_moment() -> None:
    assert levels(60.0, AWAY, OSError("disk is gone")) == ["info", "error"]


def test_what_became_well_is_told_of_when_it_breaks_again() -> None:
    assert levels(0.0, AWAY, None, AWAY) == ["warning", "warning"]

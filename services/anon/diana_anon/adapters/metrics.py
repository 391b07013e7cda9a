"""What is counted, for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter

from diana_common.errors import DianaError

DEIDENTIFIED = Counter("diana_anon_deidentified_instances", "Instances de-identified, by profile.", ["profile"])
REFUSED = Counter("diana_anon_refused_instances", "Instances refused, by profile and reason.", ["profile", "reason"])


class PrometheusMeter:
    """core.ports.Meter for Prometheus."""

    def deidentified(self, profile: str) -> None:
        """See core.ports.Meter."""
        DEIDENTIFIED.labels(profile).inc()

    def refused(self, profile: str, error: DianaError) -> None:
        """See core.ports.Meter."""
        REFUSED.labels(profile, error.reason.name).inc()

"""What values of messages are called, in templates: `{{ values.trial }}`."""

from __future__ import annotations

import re
from collections.abc import Mapping

VALUE_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
"""As the notify contract has it."""


def nameable(attributes: Mapping[str, str]) -> dict[str, str]:
    """Those plain attributes of a study whose keys are such names."""
    return {key: value for key, value in attributes.items() if VALUE_NAME.fullmatch(key)}

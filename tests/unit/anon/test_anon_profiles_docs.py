"""What docs/deidentification.md teaches of profiles is so."""

from __future__ import annotations

import re
from pathlib import Path

from diana_anon.core.planning.plan import compile_plan
from diana_anon.core.planning.tables import Option
from diana_anon.core.profile import Action
from diana_anon.core.profiles import NAMES, check_profile, option_word, read_profile
from diana_anon.core.profiles.overrides import KEYS as OVERRIDE_KEYS
from diana_anon.core.profiles.reading import KEYS

PAGE = (Path(__file__).parents[3] / "docs" / "deidentification.md").read_text(encoding="utf-8")
EXAMPLE = next(one for one in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if one.startswith("profile:"))


def test_the_example_can_be_used() -> None:
    read = read_profile(EXAMPLE.encode())
    assert [override.action for override in read.profile.overrides] == [
        Action.MAP,
        Action.REPLACE,
        Action.REMOVE,
        Action.KEEP,
    ]
    plan = compile_plan(read.profile)
    assert not plan.keeps_private
    assert plan.for_object({"00080070": {"vr": "LO", "Value": ["SIEMENS"]}}).keeps_private


def test_the_faults_are_those_of_the_example_written_wrongly() -> None:
    wrong = EXAMPLE.replace("retain-device-identity", "retain-device-identiy").replace("SITE7", "Site number seventeen")
    faults = check_profile(wrong.encode())
    assert isinstance(faults, tuple)
    for fault in faults:
        assert f"atlas.yaml:{fault.line}: {fault.field}: {fault.description}\n" in PAGE
    assert f"\n{len(faults)} faults\n" in PAGE


def test_every_option_setting_action_and_profile_is_told() -> None:
    offered = {option_word(one): one.value for one in Option if one is not Option.CLEAN_RECOGNIZABLE_VISUAL_FEATURES}
    assert dict(re.findall(r"^\| `([a-z-]+)` \| (\d+) \|", PAGE, re.MULTILINE)) == offered
    for word in (*NAMES, *KEYS, *OVERRIDE_KEYS, *(action.value for action in Action)):
        assert f"`{word}`" in PAGE, word

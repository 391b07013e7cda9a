"""The page of what the shipped profiles do, attribute by attribute, from the rules that they compile to."""

from __future__ import annotations

from diana_anon.core.planning import tables
from diana_anon.core.planning.options import basic_codes
from diana_anon.core.planning.plan import compile_plan
from diana_anon.core.profile import Action, Profile, TagPath
from diana_anon.core.profiles import NAMES, option_word, profile_digest, shipped
from diana_anon.core.profiles.comparing import attributes, done
from diana_anon.core.profiles.explaining import Explainer
from diana_anon.core.profiles.paths import tags_text
from diana_common.tags import keyword_of
from tools.reference.markdown import GENERATED, table

_INTRODUCTION = f"""# De-identification, attribute by attribute

What the profiles that come with the service do, from the rules that they compile to, by edition {tables.EDITION} of
PS3.15. [De-identification](../deidentification.md) says how profiles are written, and what they can't do;
`diana-cli profile explain` gives the reason for any line of this page, for any SOP Class and place.

| said | done |
| --- | --- |
| keep | kept as it is; of a sequence: kept, and each attribute in its items is treated by its own rule |
| remove | removed |
| empty | kept without a value |
| dummy | a fixed value that fits the VR |
| map | a UID, or an accession number, to the pseudonym that the domain's key gives it |
| clean | text: identifiers struck out, the rest kept; an age over 89 years: 090Y; pixels: blanked where text is |
| shift | a date or time moved by the identity's offset |
| identity | what guid mints |
| replace | what the service writes itself: how, and by which rules, it de-identified |

"""
_TABLE = """## Attributes

At the top of a CT image (`diana-cli profile explain --iod` for others: where Table E.1-1 leaves a choice, as in X/Z/D,
the attribute's type in the object's IOD decides). The second column is the table's basic code. Attributes of PS3.6 that
are not listed are kept by all of these profiles. Removed by all of them: attributes that PS3.6 does not know, curves
(50xx) and overlays (60xx), and private attributes, but for those of PS3.15 Table E.3.10-1 where the option
retain-safe-private is chosen.

"""


def make_page() -> str:
    """The page's text."""
    return GENERATED + _INTRODUCTION + "".join(map(_section, NAMES)) + _TABLE + _attributes()


def _section(name: str) -> str:
    profile = shipped(name).profile
    return f"## {name}\n\n{profile.description}. Digest `{profile_digest(profile)}`.\n\n" + table(
        ["setting", ""],
        [
            ("options", ", ".join(_options(profile)) or "none"),
            ("birth_date", profile.birth_date.value),
            ("overrides", ", ".join(f"`{override.text}`" for override in profile.overrides) or "none"),
        ],
    )


def _options(profile: Profile) -> list[str]:
    chosen = sorted(profile.options, key=lambda option: option.value)
    return [f"{option_word(option)} ({option.value})" for option in chosen]


def _attributes() -> str:
    explainers = [Explainer(shipped(name), compile_plan(shipped(name).profile)) for name in NAMES]
    rows = [(path, [done(explainer, path) for explainer in explainers]) for path in attributes()]
    told = [_row(path, actions) for path, actions in rows if set(actions) != {Action.KEEP.value}]
    return table(["tag", "code", "keyword", *NAMES], told)


def _row(path: TagPath, actions: list[str]) -> tuple[str, ...]:
    tag = path.steps[0].tag
    return tags_text(path), basic_codes().get(tag, ""), keyword_of(tag), *actions

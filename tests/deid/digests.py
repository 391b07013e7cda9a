"""Prints the digest of everything that becomes of a synthetic set: run by the tests in processes set up otherwise.

`python -m tests.deid.digests PROFILE whole|apart`: apart, each file is done anew by itself, last first, as by attempts
that were cut short; what its study's headers say is known to each.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby

from diana_common.errors import DianaError
from tests.deid.generator import Instance, synthetic_set
from tests.deid.pipeline import Pipeline
from tests.deid.profiles import OPTIONS


def digests(profile: str, apart: bool) -> Iterator[str]:
    """A line a file."""
    synthetic = synthetic_set(OPTIONS[profile], seed=7, studies=1)
    for _, study in groupby(synthetic.instances, key=lambda instance: instance.study):
        instances = list(study)
        files = [instance.data for instance in instances]
        made = _apart(profile, instances) if apart else Pipeline(profile).study(files)
        for new in made:
            yield hashlib.sha256(new if isinstance(new, bytes) else new.message.encode()).hexdigest()


def _apart(profile: str, instances: Sequence[Instance]) -> list[bytes | DianaError]:
    made = {}
    siblings = Pipeline(profile).siblings(one.data for one in instances)
    for instance in reversed(instances):
        made[instance.number] = Pipeline(profile).made(instance.data, siblings)
    return [made[instance.number] for instance in instances]


if __name__ == "__main__":
    print("\n".join(digests(sys.argv[1], sys.argv[2] == "apart")))

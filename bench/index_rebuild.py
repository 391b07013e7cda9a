"""Deriving 1,000,000 instances from an archive's feed, once: `python -m bench.index_rebuild DIRECTORY [COUNT]`.

Prints the seconds, and the most memory of the index that was resident. The archive's state is made in DIRECTORY first.
"""

import sys
import tempfile
from pathlib import Path

from bench.cases.feed import filled
from bench.cases.index_feed import derive
from bench.room import Place


def main() -> None:
    """Measure and print."""
    folder = Path(sys.argv[1]).absolute()
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        place = Place(corpora=folder, scratch=Path(scratch))
        seconds, peak = derive(filled(place, count), place.scratch, count)
    print(f"{count} instances in {seconds:.0f} s ({count / seconds:.0f}/s), peak {peak / 1e6:.0f} MB")


if __name__ == "__main__":
    main()

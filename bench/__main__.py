"""Run our commands and their peers in turn, print the ratios, write `bench/out/NAME.json`.

Exit status: 0 when every ratio reached its floor, 1 when one did not or a case could not be measured, 2 for a wrong
argument.
"""

import argparse
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

from bench.cases import all_cases
from bench.harness import GROUPS, Case, describe, judge, measure, write
from bench.room import GROUP_SECONDS, BenchError, Room, TimeUpError, time_limit

OUT = Path(__file__).resolve().parent / "out"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", choices=GROUPS, metavar="GROUP", help=f"one of {', '.join(GROUPS)}")
    parser.add_argument("--case", metavar="NAME", help="one case by its name")
    parser.add_argument("--pairs", type=int, default=0, help="more pairs than a case asks for")
    parser.add_argument("--dir", type=Path, default=default_folder(), help="work here (default: %(default)s)")
    return parser.parse_args()


def default_folder() -> Path:
    return Path(os.environ.get("DIANA_BENCH_DIR") or Path(tempfile.gettempdir()) / "diana-bench")


def run_case(case: Case, room: Room, more_pairs: int) -> bool:
    """Measure one case, tell and write the result; whether it reached its floor."""
    print(f"{case.name} ({case.unit})", flush=True)
    (OUT / f"{case.name}.json").unlink(missing_ok=True)
    pairs = []
    try:
        for pair in measure(case, room, max(case.pairs, more_pairs)):
            ratio = pair.ratio(less_is_better=case.less_is_better)
            print(f"  ours {pair.ours:,.1f}  peer {pair.peer:,.1f}  ratio {ratio:.2f}", flush=True)
            pairs.append(pair)
    finally:
        room.sweep()
    result = judge(case, pairs)
    write(result, OUT)
    print(describe(case, result, pairs), flush=True)
    return result.passed


def run_group(group: str, cases: Sequence[Case], room: Room, more_pairs: int) -> bool:
    """All cases of a group within its time; one that cannot be measured does not hide the next."""
    passed = True
    with time_limit(GROUP_SECONDS, f"group {group}"):
        for case in cases:
            try:
                passed &= run_case(case, room, more_pairs)
            except TimeUpError:
                raise
            except BenchError as error:
                print(f"{case.name}: {error}", file=sys.stderr)
                passed = False
            except Exception:  # whatever a side dies of is told, and the other cases still count
                traceback.print_exc()
                passed = False
    return passed


def run_all(groups: Sequence[str], name: str | None, room: Room, more_pairs: int) -> bool:
    """The groups in turn; a group that runs out of time does not hide the next."""
    passed = True
    for group in groups:
        cases = [case for case in all_cases() if case.group == group and name in (None, case.name)]
        if not cases and not name:
            print(f"{group}: no case yet")
        try:
            passed &= run_group(group, cases, room, more_pairs)
        except TimeUpError as error:
            print(error, file=sys.stderr)
            passed = False
    return passed


def main() -> int:
    options = arguments()
    if options.case and options.case not in {case.name for case in all_cases()}:
        print(f"no case {options.case!r}; there are {', '.join(case.name for case in all_cases())}", file=sys.stderr)
        return 2
    groups = [options.only] if options.only else GROUPS
    return 0 if run_all(groups, options.case, Room(options.dir), options.pairs) else 1


if __name__ == "__main__":
    sys.exit(main())

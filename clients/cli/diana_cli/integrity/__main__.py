"""`python -m diana_cli.integrity`: the check by itself, for a trusted copy to look at others.

Exit status: 0 all files are as signed, 1 some are not, 2 the command line is wrong, 4 there is no release manifest.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from diana_cli.integrity.manifest import NoManifest, NotReleased
from diana_cli.integrity.verification import HERE, verify


def main() -> int:
    """Run it; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m diana_cli.integrity", description=__doc__)
    parser.add_argument("--site-packages", type=Path, default=HERE, metavar="DIR", help="what to look at")
    parser.add_argument("--manifest", type=Path, metavar="FILE", help="instead of DIR's own; FILE.sig beside it")
    parser.add_argument("--key", type=Path, metavar="FILE", help="the release's public key in PEM; else this copy's")
    asked = parser.parse_args()
    try:
        verdict = verify(asked.site_packages, asked.manifest, asked.key)
    except NoManifest as error:
        print(error, file=sys.stderr)
        return 4
    except (NotReleased, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(verdict.lines()))
    return 1 if verdict.findings else 0


if __name__ == "__main__":
    sys.exit(main())

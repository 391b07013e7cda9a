#!/usr/bin/env bash
# Everything that can be said of the tree without running it. Stops at the first failure.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"
step() { printf '%s\n' "== $*"; "$@"; }

step ruff format --check --quiet .
step ruff check --quiet .
step mypy
step lint-imports
step python tools/check_rooms.py
step buf lint protos
step buf breaking protos --against protos/baseline.binpb
step clients/go/check.sh

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
step tools/generate_stubs.sh "$fresh"
for root in diana buf; do
    step diff -r -x __pycache__ "clients/python/$root" "$fresh/$root" || { echo "stubs are stale: run make proto" >&2; exit 1; }
done
step python tools/make_reference.py "$fresh/reference"
step diff -r docs/reference "$fresh/reference" || { echo "reference pages are stale: run make docs" >&2; exit 1; }
echo "check: all good"

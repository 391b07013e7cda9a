#!/usr/bin/env bash
# What can be said of the Go client without running it: layout, vet, and that the packages of the
# contracts are fresh. Needs buf on the path. Without Go it says so and checks nothing, save in CI.
set -euo pipefail
cd "$(dirname "$0")"
if ! command -v go >/dev/null; then
    echo "clients/go: go is not installed: nothing is checked" >&2
    [ "${CI:-}" != true ]
    exit
fi
untidy=$("$(go env GOROOT)/bin/gofmt" -l .)
[ -z "$untidy" ] || { echo "gofmt would change: $untidy" >&2; exit 1; }
go mod tidy -diff
go vet ./...
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
./generate.sh "$fresh"
diff -rq diana "$fresh/diana" || { echo "clients/go/diana is stale: run make proto" >&2; exit 1; }

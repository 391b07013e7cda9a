#!/usr/bin/env bash
# Generates the Go packages of protos/ into the folder named: generate.sh OUT
# Needs buf and go on the path; go.mod pins the plugins.
set -euo pipefail
out=$(realpath "$1")
cd "$(dirname "$0")"
rm -rf "$out/diana"
buf generate ../../protos --path ../../protos/diana --output "$out"

#!/usr/bin/env bash
# Generates the Python stubs into the folder named: generate_stubs.sh OUT
set -euo pipefail
out=$(realpath "$1")
cd "$(dirname "$0")/../protos"
export PATH="$PWD/../.venv-proto/bin:$PATH"
rm -rf "$out/diana" "$out/buf"
mapfile -t files < <(find diana buf -name '*.proto' | sort)
python -m grpc_tools.protoc -I . \
    --python_out="$out" --grpc_python_out="$out" \
    --mypy_out=quiet,readable_stubs:"$out" --mypy_grpc_out=quiet,readable_stubs:"$out" "${files[@]}"
# buf/validate defines no service: protoc's empty service modules are left out.
find "$out/buf" -name '*_grpc.py*' -delete

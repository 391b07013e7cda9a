#!/usr/bin/env bash
# Resolves every lock anew: pip format with hashes, wheels only, naming no registry host.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() {
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --only-binary :all: --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
        --no-emit-package diana-mesh --no-emit-package diana-mesh-client "$@"
}
compile pyproject.toml -o requirements.lock
compile pyproject.toml --extra pixels -c requirements.lock -o requirements-pixels.lock
compile pyproject.toml --group dev -c requirements-pixels.lock -o requirements-dev.lock
compile requirements-build.in -o requirements-build.lock
compile protos/requirements.in -o protos/requirements.lock

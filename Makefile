# Every target sets up what it needs from a bare machine with python3 (3.11 or newer, venv), make and git.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROTO_BIN := .venv-proto/bin
ONLY ?=
# Where it is set, every process that a test starts compiles all its modules anew: half of its start, a thousand times.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo test soak check format bench proto docs lock release clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

$(BIN)/uv: requirements-build.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-build.lock
	@touch $@

$(VENV)/.run: $(BIN)/uv requirements.lock pyproject.toml clients/python/pyproject.toml
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e clients/python -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.lock requirements-pixels.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-pixels.lock
	@touch $@

$(PROTO_BIN)/protoc-gen-mypy: $(BIN)/uv protos/requirements.lock
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-proto
	$(BIN)/uv pip install --quiet --python $(PROTO_BIN)/python --require-hashes -r protos/requirements.lock
	@touch $@

demo: $(VENV)/.run  ## start the mesh, put real DICOM in, find it, fetch it back
	$(BIN)/python -m diana_cli.demo

test: $(VENV)/.dev  ## the whole suite CI runs
	$(BIN)/python -m pytest -n auto $(ARGS)

soak: $(VENV)/.dev  ## what is too long for CI: repeated kills, long transfers
	$(BIN)/python -m pytest -m soak $(ARGS)

check: $(VENV)/.dev $(PROTO_BIN)/protoc-gen-mypy  ## lint, types, import rules, contracts, stale stubs and docs
	tools/check.sh

format: $(VENV)/.dev  ## lay the code out
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev  ## measure against peers, side by side (ONLY=group)
	$(BIN)/python -m bench $(if $(ONLY),--only $(ONLY))

proto: $(VENV)/.dev $(PROTO_BIN)/protoc-gen-mypy  ## generate the stubs from protos/
	tools/generate_stubs.sh clients/python
	@if command -v go >/dev/null; then PATH="$(CURDIR)/$(BIN):$$PATH" clients/go/generate.sh clients/go; \
	else echo "go is not installed: clients/go is not generated"; fi

docs: $(VENV)/.dev  ## generate the reference pages from the code
	$(BIN)/python tools/make_reference.py docs/reference

lock: $(BIN)/uv  ## resolve the locks anew
	tools/lock.sh

release: $(VENV)/.dev  ## build both wheels and sign their manifest (KEY=FILE of an Ed25519 private key, OUT=folder)
	@test -n "$(KEY)" || { echo "make release KEY=FILE; to make one: openssl genpkey -algorithm ed25519 -out FILE" >&2; exit 2; }
	$(BIN)/python -m tools.sign_release --key "$(KEY)" $(if $(OUT),--out "$(OUT)") $(ARGS)

clean:  ## remove what the targets made
	rm -rf $(VENV) .venv-proto .venv-go .mypy_cache .ruff_cache .pytest_cache bench/out

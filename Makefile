# Set-up, demo, tests. `make help` lists the targets.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
DATA ?= ../shared/datasets

.PHONY: help install demo test lint types contracts check lock scorecard clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

install: $(VENV)/.runtime ## make .venv with the cityvigil command in it

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "City Vigil needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3.12 …" >&2; exit 1; }
	@if command -v uv >/dev/null 2>&1; then uv venv --quiet --python "$$(command -v $(PYTHON))" $(VENV); \
	  else $(PYTHON) -m venv $(VENV); fi

# uv installs in seconds what takes pip a minute; either reads the same lock.
define install_locked
	@if command -v uv >/dev/null 2>&1; then \
	  uv pip install --quiet --python $(BIN)/python --require-hashes -r $(1) && \
	  uv pip install --quiet --python $(BIN)/python --no-deps --editable .; \
	else \
	  { $(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null; } && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1) && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .; \
	fi
endef

$(VENV)/.runtime: requirements.lock pyproject.toml | $(BIN)/python
	@echo "installing City Vigil into $(VENV) …"
	$(call install_locked,requirements.lock)
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@echo "installing the test tools into $(VENV) …"
	$(call install_locked,requirements-dev.lock)
	@touch $@

demo: $(VENV)/.runtime ## watch a simulated city and find a fault in it
	@$(BIN)/cityvigil demo $(ARGS)

test: $(VENV)/.dev ## every test
	@$(BIN)/pytest -n auto --dist loadgroup --cov --cov-report=term:skip-covered $(ARGS)

lint: $(VENV)/.dev
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/.dev
	@$(BIN)/mypy

contracts: $(VENV)/.dev
	@$(BIN)/lint-imports

check: lint types contracts ## style, types and the direction of imports

scorecard: $(VENV)/.dev ## detectors against labelled data: docs/scorecard.md
	@$(BIN)/python -m benchmarks.scorecard --data "$(DATA)" --out docs --work cityvigil-data/scorecard $(ARGS)

lock: ## renew both lock files (needs uv)
	uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header --no-strip-extras --output-file requirements.lock
	uv pip compile pyproject.toml --group dev --extra simulators --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header --no-strip-extras --constraint requirements.lock --output-file requirements-dev.lock

clean: ## remove what set-up and demo made
	rm -rf $(VENV) cityvigil-data

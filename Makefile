# Every target prepares what it needs: .venv is made on first use and renewed when its inputs change.

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup test lint check dry-run clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY) ## make .venv and install the kit with its development tools into it

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(READY): $(BIN)/python pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@

test: setup ## run the tests; others with ARGS='-m slow' or ARGS=tests/test_grid.py
	$(BIN)/python -m pytest $(ARGS)

lint: setup ## style, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test ## all that CI checks (a test holds the generated files current)

dry-run: setup ## the submission as the competition would run it, on a built-in split
	$(BIN)/python submission.py

clean: ## remove caches and build leftovers; .venv, runs and data stay
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis $(READY)
	find solver tests -name __pycache__ -type d -prune -exec rm -rf {} +

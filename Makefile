# Every target prepares what it needs: .venv is made on first use and renewed when its inputs change.

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup test lint check dry-run preflight kaggle simulation clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY) ## make .venv and install the kit with its development tools into it

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(READY): $(BIN)/python pyproject.toml constraints.txt tests/requirements.txt
	$(PIP) install -c constraints.txt -e '.[dev]'
	$(PIP) install --no-deps -r tests/requirements.txt
	@touch $@

test: setup ## run the tests; others with ARGS='-m slow' or ARGS=tests/test_grid.py
	$(BIN)/python -m pytest $(ARGS)

lint: setup ## style, types, import contracts, generated files current
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python kaggle/build.py --check

check: lint test ## all that CI checks

dry-run: setup ## the submission as the competition would run it, on a built-in split
	$(BIN)/python submission.py

preflight: setup ## check this machine as a notebook on Kaggle would
	$(BIN)/python -m solver preflight

kaggle: setup ## all that is uploaded to Kaggle, wheels included, in build/kaggle (kaggle/generated/PUSH.md says how)
	$(BIN)/python kaggle/build.py --bundle

simulation: setup ## execute the generated notebook on a simulated Kaggle, three times (half an hour)
	$(BIN)/python -m pytest -m slow tests/test_kaggle_simulation.py

clean: ## remove caches and build leftovers; .venv, runs and data stay
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis $(READY)
	find solver tests -name __pycache__ -type d -prune -exec rm -rf {} +

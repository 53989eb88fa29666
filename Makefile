# One environment, few targets. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# One thread each: on small machines two torch threads are slower than one, and the tests run in two processes.
export OMP_NUM_THREADS ?= 1
export HF_HUB_DISABLE_TELEMETRY ?= 1

.DEFAULT_GOAL := help
.PHONY: help install quickstart test test-slow fuzz check format clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

install: $(STAMP) ## Create .venv with everything the project needs

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "scorerec needs Python 3.11 or later; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,embedded,rl,serve]'
	touch $@

quickstart: $(STAMP) ## Run SCORE on MovieLens-100K: a table, and three recommendations explained
	$(BIN)/scorerec run quickstart
	$(BIN)/scorerec recommend runs/quickstart

test: $(STAMP) ## Run the tests
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal tests

test-slow: $(STAMP) ## Run the long tests: kill -9 at many moments, several processes
	$(BIN)/python -m pytest -m slow tests

fuzz: $(STAMP) ## Look for tracebacks in the readers for an hour or so
	SCOREREC_FUZZ=3000 $(BIN)/python -m pytest tests/contract/test_fuzz.py

check: $(STAMP) ## Everything that must be good: format, lint, types, imports, doctests, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest --doctest-modules src
	$(MAKE) test

format: $(STAMP) ## Format the code and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove the environment and caches (runs and their artifacts stay)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist src/*.egg-info

# Each target does its own set-up: a virtual environment in .venv, filled once for each state of the requirements.
PYTHON ?= python3
VENV   ?= .venv
DEMO   ?= runs/demo
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev

.NOTPARALLEL:  # two that fill the same environment must not do so at once
.PHONY: demo test lint docs bench clean help

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Alnus needs Python 3.11 or newer; $(PYTHON) is older or missing. Name another: make PYTHON=python3.12 …"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || $(PYTHON) -m virtualenv $(VENV) || uv venv --seed $(VENV) || \
	  { rm -rf $(VENV); echo "Python's venv module is missing. On Debian: apt install python3-venv (or: pip install --user virtualenv)"; exit 1; }

$(READY): $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(READY_DEV): $(BIN)/python pyproject.toml constraints.txt  # all of $(READY)'s too, in one go
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(READY) $@

demo: $(READY)  ## simulate a small cohort, run the whole study on it, say where the report is
	$(BIN)/alnus demo --out $(DEMO)

test: $(READY_DEV)  ## every test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal

lint: $(READY_DEV)  ## format, lint, types and the arrows between the rooms
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(READY_DEV)  ## build the documentation into site/
	$(BIN)/mkdocs build --strict

bench: $(READY)  ## full-size networks: time and memory of a step and of a prediction
	$(BIN)/python benchmarks/full_size.py

clean:  ## remove what the targets above made
	rm -rf $(VENV) site runs .pytest_cache .mypy_cache .ruff_cache

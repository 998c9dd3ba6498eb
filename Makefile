# Each target is one or two lines that a person could type.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: demo test check bench clean

demo: $(VENV)/.embedded ## Install the embedded profile and dub the sample
	$(BIN)/onevoice dub samples/talk.mp4 --to es,ko --speakers 2 --out demo-output

test: $(VENV)/.dev ## The whole suite
	$(BIN)/python -m pytest

check: $(VENV)/.dev ## Style, types, layers
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

bench: $(VENV)/.dev ## Figures; see benchmarks/README.md
	$(BIN)/python benchmarks/pipeline.py && $(BIN)/python benchmarks/mix.py && $(BIN)/python benchmarks/timing.py

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.embedded: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) --editable '.[embedded]' && touch $@

$(VENV)/.dev: $(VENV)/.embedded
	$(PIP) --editable '.[embedded,cloud,dev]' && touch $@

clean:
	rm -rf $(VENV) demo-output

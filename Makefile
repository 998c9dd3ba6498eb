# Each target is one or two lines that a person could type.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: demo serve test test-models check bench clean

demo: $(VENV)/.embedded ## Install the embedded profile and dub the sample
	$(BIN)/onevoice dub samples/talk.mp4 --to es,ko --speakers 2 --out demo-output

serve: $(VENV)/.server ## The API on this machine, with a worker: http://127.0.0.1:8300/docs
	$(BIN)/onevoice serve

test: $(VENV)/.dev ## The whole suite
	$(BIN)/python -m pytest

test-models: ## Demucs, F5-TTS and WhisperX on tiny random weights (8.6 GB to install)
	@if $(MAKE) --no-print-directory $(VENV)-models/.done; \
	then $(VENV)-models/bin/python -m pytest tests/models; \
	else echo "skipped $$(cat tests/models/test_*.py | grep -c '^def test_') tests of tests/models:" \
		"torch and the packages on it cannot be installed here, for the reason above"; fi

check: $(VENV)/.dev ## Style, types, layers
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

bench: $(VENV)/.dev ## Figures; see benchmarks/README.md
	$(BIN)/python benchmarks/pipeline.py && $(BIN)/python benchmarks/mix.py && $(BIN)/python benchmarks/timing.py

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.embedded: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) --editable '.[embedded]' && touch $@

$(VENV)/.server: $(VENV)/.embedded
	$(PIP) --editable '.[embedded,server]' && touch $@

$(VENV)/.dev: $(VENV)/.embedded
	$(PIP) --editable '.[embedded,cloud,server,dev]' && touch $@

# Their packages bring torch and pin much else: they are kept apart, and out of constraints.txt.
$(VENV)-models/.done: pyproject.toml
	$(PYTHON) -m venv $(VENV)-models
	$(VENV)-models/bin/python -m pip --disable-pip-version-check install --quiet \
		--editable '.[demucs,f5,whisperx]' pytest hypothesis && touch $@

clean:
	rm -rf $(VENV) $(VENV)-models demo-output

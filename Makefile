# Two commands for a newcomer: `make demo` and `make test`. Both need only Python 3.11+ with its venv module.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Further extras for the tests, for example EXTRAS=,rtx
EXTRAS ?=
# More than one thread per process only slows small tensors down.
export OMP_NUM_THREADS := 1

.PHONY: demo test lint reference model clean

demo: $(VENV)/.runtime
	$(BIN)/emoface demo --out out

test: $(VENV)/.dev lint
	$(BIN)/python -m pytest -n 2 --dist loadfile $(PYTEST_ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

reference: $(VENV)/.dev
	$(BIN)/python docs/build_reference.py

# The bundled model from nothing, in build/: hours. Interrupted, the same command goes on.
RUNS := build/runs
# $(1) configuration, $(2) folder of the run, $(3) stage
train = $(BIN)/emoface train configs/$(1).yaml --data build/corpus --out $(RUNS)/$(2) --stage $(3) --resume
model: $(VENV)/.dev
	$(BIN)/emoface data synth --out build/corpus --hours 7.2 --seed 1 --workers 2
	$(call train,default,default,a)
	$(call train,default_emotion,emotion,a) --encoders $(RUNS)/default/stage_a
	$(call train,default,default,b) --encoders $(RUNS)/emotion/stage_a
	$(call train,default_polish,polish,b) --model $(RUNS)/default/stage_b
	$(BIN)/emoface export $(RUNS)/polish/stage_b --out build/default.emoface --precisions int8 --name default --force

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: pyproject.toml setup.py | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[view]'
	touch $@

$(VENV)/.dev: pyproject.toml setup.py | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev$(EXTRAS)]'
	touch $@ $(VENV)/.runtime

clean:
	rm -rf $(VENV) out

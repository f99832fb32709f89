# Two commands for a newcomer: `make demo` and `make test`. Both need only Python 3.11+; what else is missing they list,
# and install where they may (.ci/needs.py; EMOFACE_SETUP=0 installs nothing, EMOFACE_SETUP=1 does not ask).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# More than one thread per process only slows small tensors down.
export OMP_NUM_THREADS := 1
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile $(PYTEST_ARGS)
# What is set up: all that the tests need where they are asked for.
GOAL := $(if $(filter test test-%,$(MAKECMDGOALS)),test,demo)

.PHONY: demo test test-engines engine-needs test-python test-wheel lint web reference model paper clean FORCE

demo: $(VENV)/.runtime
	$(BIN)/emoface demo --out out

test: $(VENV)/.dev lint
	$(PYTEST) -m "not engines"

# Suites that take heavy tools: CUDA kernels and TensorRT engines, the Windows library under Wine, CMake, sanitizers.
LOCAL_CUDA := $(CURDIR)/build/cuda/nvidia/cu13
CUDA_HOME ?= $(if $(wildcard $(LOCAL_CUDA)),$(LOCAL_CUDA))
RTX = $(shell $(BIN)/python -c "import shlex, tomllib; \
	print(shlex.join(tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['rtx']))")
test-engines: engine-needs
	$(BIN)/python -m pip install --quiet $(RTX)
	CUDA_HOME="$(CUDA_HOME)" $(BIN)/python setup.py -q build_ext --inplace
	.ci/windows_runtime build/windows
	CUDA_HOME="$(CUDA_HOME)" $(PYTEST) -m engines
	.ci/native_runtime

engine-needs: $(VENV)/.dev
	@$(BIN)/python .ci/needs.py engines

# The runtime alone under other interpreters, and with the oldest and newest of what it depends on: .ci/python_versions.
test-python: $(VENV)/.dev
	.ci/python_versions

# A wheel from the source distribution holds what one from the tree holds.
test-wheel: $(VENV)/.dev
	$(BIN)/python .ci/compare_wheels.py

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The page of `emoface web` and `emoface view`: built where Node.js is, shipped in wheels.
web:
	@command -v npm >/dev/null || { echo "make web needs Node.js with npm: apt-get install nodejs npm" >&2; exit 1; }
	@test -d $(WEB)/node_modules/three || (cd $(WEB) && npm install --silent --no-save --no-package-lock --no-fund --no-audit)
	node $(WEB)/build.mjs sdk/emoface/_web --page

reference: $(VENV)/.dev
	$(BIN)/python docs/build_reference.py

# The bundled model from nothing, in build/: hours. Interrupted, the same command goes on.
RUNS := build/runs
# $(1) configuration, $(2) folder of the run, $(3) stage
train = $(BIN)/emoface train configs/$(1).yaml --data build/corpus --out $(RUNS)/$(2) --stage $(3) --resume
model: $(VENV)/.dev
	$(BIN)/emoface data voices
	$(BIN)/emoface data synth --out build/corpus --hours 8 --seed 1 --workers 2
	$(call train,default,default,a)
	$(call train,default_emotion,emotion,a) --encoders $(RUNS)/default/stage_a
	$(call train,default,default,b) --encoders $(RUNS)/emotion/stage_a
	$(BIN)/emoface export $(RUNS)/default/stage_b --out build/default.emoface --precisions int8 --name default --force

# The paper's experiments on a recorded dataset (docs/paper.md): make paper DATA=DIR. Interrupted, the same line goes on.
OUT ?= out/paper
CONTENT ?= models/wav2vec2-base-960h
EMOTION ?= $(CONTENT)
paper: $(VENV)/.dev
	@test -n "$(DATA)" || { echo "make paper: DATA=DIR is missing, the folder of VOCASET, 3D-RAVDESS or BIWI" >&2; exit 2; }
	$(BIN)/python -m emoface_training.paper "$(DATA)" --out "$(OUT)" --content "$(CONTENT)" --emotion "$(EMOTION)" \
		$(if $(MASKS),--masks "$(MASKS)") $(PAPER_ARGS)

# Written by .ci/needs.py, only when what the native build can count on has changed.
build/needs-present: FORCE
	@$(PYTHON) .ci/needs.py $(GOAL)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# pip hides what a build says: the parts that were left out are said here.
SAY_LEFT_OUT = @sed 2>/dev/null 's/\(.*\)\t\(.*\)\t\(.*\)/left out of the build: \1 (\2): \3/' sdk/emoface/_lib/left_out.txt || true

# Built where Node.js and the packages are that `make test` or `make web` installed; else said.
WEB := bindings/web
BUILD_PAGE = @if command -v node >/dev/null && test -d $(WEB)/node_modules/esbuild -a -d $(WEB)/node_modules/three \
	&& node $(WEB)/build.mjs sdk/emoface/_web --page; \
	then :; else echo "left out of the build: the page of emoface web and emoface view (make web builds it with Node.js)"; fi

$(VENV)/.runtime: pyproject.toml setup.py build/needs-present | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[view]'
	$(SAY_LEFT_OUT)
	$(BUILD_PAGE)
	@touch $@

$(VENV)/.dev: pyproject.toml setup.py build/needs-present | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable \
		".[$$(grep -qx compiler build/needs-present && grep -qx python-headers build/needs-present && echo dev || echo tests)]"
	$(SAY_LEFT_OUT)
	$(BUILD_PAGE)
	@touch $@ $(VENV)/.runtime

clean:
	rm -rf $(VENV) out

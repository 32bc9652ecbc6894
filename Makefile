# make demo   install and run the main job; the result lies in demo_output/
# make test   install, run the linters and every test
# make lint   style, imports and types, without any test
# make test-quick  those that need no ROS, no network in PyTorch and little time
# make soak   run the node for MINUTES while its cameras fail; the verdict lies in soak_output/
# make results  measure quality, and tabulate the study; writes docs/results.md
# make docs-site  the documentation as a site, in build/site; fails on a dead link
# make study  train variants of the network alike over folds and seeds, and compare them
# make bench  time engines and nodes side by side; the result lies in bench_output/
PYTHON ?= python3
VENV ?= .venv
RATE ?= 5
MINUTES ?= 10
DATA ?= ../shared/data
JOBS ?= auto
STUDY ?= runs/study
STUDY_JOBS ?= 1
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest -q -rs --durations=15
# Processes that share the cores must not wait for one another's threads in busy loops.
PARALLEL := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive

.PHONY: demo test test-quick lint soak bench study results docs docs-site clean
.DELETE_ON_ERROR:

demo: $(VENV)/.demo
	$(BIN)/uaafusion demo --out demo_output --rate $(RATE)

# What starts nodes or talks over DDS judges times, so that it runs alone after the rest.
test: lint
	code=0; \
	$(PARALLEL) $(PYTEST) -m 'not ros' -n $(JOBS) --dist loadfile || code=1; \
	$(PYTEST) -m ros || code=1; \
	exit $$code

lint: $(VENV)/.test
	$(BIN)/ruff check
	$(BIN)/lint-imports
	$(BIN)/mypy

test-quick: $(VENV)/.test
	$(PARALLEL) $(PYTEST) -m 'not ros and not slow' -n $(JOBS) --dist loadfile \
		--ignore test/network --ignore test/train --ignore test/benchmarks

soak: $(VENV)/.demo
	$(BIN)/python benchmarks/soak.py --minutes $(MINUTES) --out soak_output

bench: $(VENV)/.test
	$(BIN)/python benchmarks/bench.py --out bench_output

results: $(VENV)/.test
	OMP_WAIT_POLICY=passive $(BIN)/python -m benchmarks.results --data $(DATA)

study: $(VENV)/.test
	$(PARALLEL) $(MAKE) -f train/study.mk -j $(STUDY_JOBS) PYTHON=$(BIN)/python STUDY=$(STUDY)
	$(BIN)/python -m benchmarks.results.study $(STUDY)

docs: $(VENV)/.demo
	$(BIN)/uaafusion parameters > docs/parameters.md
	$(BIN)/uaafusion parameters --yaml > config/fusion.yaml

# The variable silences a notice of the theme about its successor.
docs-site: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || { echo 'A virtual environment cannot be made: on Debian and Ubuntu run `apt install python3-venv`.'; exit 1; }

$(VENV)/.demo: setup.py | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[ros,bags,openvino]'
	touch $@

$(VENV)/.docs: setup.py | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	touch $@

# PyTorch goes first and pinned: any later package that wants it must find this one.
$(VENV)/.test: setup.py | $(BIN)/python
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --editable '.[ros,bags,gpu,openvino,train,test,lint]'
	touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) build install log demo_output soak_output bench_output results_output *.egg-info

# make demo   install and run the main job; the result lies in demo_output/
# make test   install and run every test
PYTHON ?= python3
VENV ?= .venv
RATE ?= 5
BIN := $(VENV)/bin

.PHONY: demo test docs clean
.DELETE_ON_ERROR:

demo: $(VENV)/.demo
	$(BIN)/uaafusion demo --out demo_output --rate $(RATE)

test: $(VENV)/.test
	$(BIN)/python -m pytest -q

docs: $(VENV)/.demo
	$(BIN)/uaafusion parameters > docs/parameters.md

$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || { echo 'A virtual environment cannot be made: on Debian and Ubuntu run `apt install python3-venv`.'; exit 1; }

$(VENV)/.demo: setup.py | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[ros,bags,openvino]'
	touch $@

# PyTorch goes first and pinned: any later package that wants it must find this one.
$(VENV)/.test: setup.py | $(BIN)/python
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --editable '.[ros,bags,openvino,train,test]'
	touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) build install log demo_output *.egg-info

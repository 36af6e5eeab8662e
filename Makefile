# Every verb sets up what it needs; `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
CORE := $(shell find core third_party CMakeLists.txt -name '*.[ch]pp' -o -name '*.h' -o -name CMakeLists.txt 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help setup build demo test test-fast test-core lint format bench docs wheel clean

help: ## list the verbs
	@grep -hE '^[a-z-]+:.*## ' Makefile | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(STAMP) ## make .venv, build and install (needs Python 3.11+ with headers and venv, make, g++)

$(STAMP): pyproject.toml Makefile $(CORE)
	@sh tools/preflight.sh $(PYTHON)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -qq --disable-pip-version-check "scikit-build-core>=1.1" "nanobind>=3.1" cmake ninja
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pip install -qq --disable-pip-version-check --no-build-isolation -e '.[dev]'
	@touch $(STAMP)

build: setup ## build the C++ core again after an edit

demo: setup ## simulated market, two robots, a report and the replay proof
	@$(BIN)/onetape demo

test: setup ## all tests
	$(BIN)/python -m pytest -n 2

lint: setup ## formatting, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

clean: ## remove what was built
	rm -rf build $(VENV) site dist

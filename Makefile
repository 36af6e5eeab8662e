# Every verb sets up what it needs; `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
CORE := $(shell find core third_party CMakeLists.txt -name '*.[ch]pp' -o -name '*.h' -o -name CMakeLists.txt 2>/dev/null)
HOUSE_CORE = $(shell find core -name '*.[ch]pp')
# Whatever the caller's environment says: what thousands of processes of the tests import is compiled once.
unexport PYTHONDONTWRITEBYTECODE
# cmake and ninja come from the environment too.
WITH_TOOLS := PATH="$(CURDIR)/$(BIN):$$PATH"
RUNS ?= 3
FUZZ_SECONDS ?= 20
KILLS ?= 1000
MODULES ?=
ONLY ?=
COUNT ?= 200
SEED ?= 1
SECONDS ?= 600
MINUTES ?= 60
TIMES ?= 5
TESTS ?= tests
TYPESCRIPT := 7.0.2
TSC := build/typescript-$(TYPESCRIPT)/node_modules/.bin/tsc

comma := ,
core_tests = $(WITH_TOOLS) cmake -GNinja -S . -B build/$(1) -DONETAPE_PYTHON=OFF -DONETAPE_TESTS=ON \
	-DONETAPE_ASSERTIONS=ON -DONETAPE_SANITIZE=$(2) -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null && \
	$(WITH_TOOLS) ninja -C build/$(1) && build/$(1)/core_tests
build_fuzz = $(WITH_TOOLS) cmake -GNinja -S . -B build/fuzz -DCMAKE_CXX_COMPILER=clang++ \
	-DONETAPE_PYTHON=OFF -DONETAPE_FUZZ=ON -DONETAPE_TESTS=ON -DONETAPE_ASSERTIONS=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null && \
	$(WITH_TOOLS) ninja -C build/fuzz
# What a fuzzer says is kept in its log: shown is how much it tried, or the end of the log when it has found something.
fuzz_native = cd build/fuzz && for target in *_fuzz; do \
	./$$target -max_total_time=$(FUZZ_SECONDS) -verbosity=0 -print_final_stats=1 >$$target.log 2>&1 || \
		{ tail -n 60 $$target.log; exit 1; }; \
	echo "$$target: $$(sed -n 's/^stat::number_of_executed_units: *//p' $$target.log) inputs tried"; done

PROOFS := prove-long prove-stress prove-pythons prove-threads prove-kills prove-hostile prove-disk prove-soak prove-mutants prove-planted
.DEFAULT_GOAL := help
.PHONY: help setup setup-locked lock sbom audit build demo test test-core test-python test-fast test-alone test-asan prove $(PROOFS) golden fuzz fuzz-build fuzz-python fuzz-core lint format bench gate peers pictures certify bridge docs wheel clean

help: ## list the verbs
	@grep -hE '^[a-z-]+:.*## ' Makefile | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(STAMP) ## make .venv, build and install (needs Python 3.11+ with headers and venv, make, g++)

$(STAMP): pyproject.toml Makefile $(CORE)
	@sh tools/preflight.sh $(PYTHON)
	@$(PYTHON) tools/install.py dev
	@touch $(STAMP)

setup-locked: ## the same with the very files that requirements/ci.lock names
	@sh tools/preflight.sh $(PYTHON)
	@$(PYTHON) tools/install.py locked
	@touch $(STAMP)

# What a run needs and no more: the environment of `setup` has it too.
$(VENV)/.runs: pyproject.toml Makefile $(CORE)
	@sh tools/preflight.sh $(PYTHON)
	@$(PYTHON) tools/install.py demo
	@touch $(VENV)/.runs

lock: setup ## requirements/ci.lock from this environment
	$(BIN)/python tools/lock.py

sbom: setup ## what the environment is made of, and under which licences: dist/sbom.json, licences.txt
	$(BIN)/python tools/sbom.py

audit: setup ## known vulnerabilities of what is locked (needs the internet, and says so)
	$(BIN)/python tools/audit.py

build: setup ## build the C++ core again after an edit

demo: $(if $(wildcard $(STAMP)),$(STAMP),$(VENV)/.runs) ## simulated market, two robots, a report and the replay proof
	@$(BIN)/onetape demo

test: test-core test-python ## all tests

test-python: setup ## all tests but the C++ core's own
	@# Its asserts are rewritten once, on both cores, and not by each of six processes.
	@for half in '[a-g]*' '[h-z]*'; do $(BIN)/python -m pytest --collect-only -qq tests/$$half >/dev/null & done; wait
	$(BIN)/python -m pytest -n 6 --dist worksteal # many wait for processes that begin

test-fast: setup ## only the tests that failed last time, or all
	$(BIN)/python -m pytest -n 2 --last-failed

test-alone: setup ## what needs recorded market data, as it is without any: skipped by name
	ONETAPE_RECORDED= $(BIN)/python -m pytest -n 0 -m recorded $$(grep -rlw shared tests --include='test_*.py') # the fixture

golden: setup ## keep what the golden runs give now; the reason goes into the commit
	$(BIN)/python -m pytest tests/research/test_golden_runs.py --golden-update
	@git --no-pager diff --stat -- tests/research/golden.toml

test-core: setup ## the C++ core's own tests
	@$(WITH_TOOLS) cmake -GNinja -S . -B build/tests -DONETAPE_PYTHON=OFF -DONETAPE_TESTS=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null
	@$(WITH_TOOLS) ninja -C build/tests
	build/tests/core_tests

# What takes minutes to hours. `make prove` alone lists it; KILLS, TIMES, SECONDS, MINUTES say how much.
prove: ## a long proof: make prove WHAT=kills; without WHAT their list
	@$(if $(WHAT),$(MAKE) --no-print-directory prove-$(WHAT),grep -hE '^prove-[a-z]+:.*#: ' Makefile | \
		awk -F':.*#: ' '{sub("prove-", "", $$1); printf "  make prove WHAT=%-10s %s\n", $$1, $$2}')

prove-long: setup #: all tests in their long form
	ONETAPE_LONG=1 $(BIN)/python -m pytest -n 2 -o timeout=0

prove-stress: setup #: tests TIMES over beside two busy processes: which fail how often (TESTS="tests/robot")
	$(BIN)/python tools/stress.py --times $(TIMES) $(TESTS)

prove-pythons: setup #: the same decisions under every other Python found (builds a wheel for each)
	@$(BIN)/python tools/compare_pythons.py

prove-threads: setup #: the core's tests under the thread sanitizer
	@$(call core_tests,tsan,thread)

prove-kills: setup #: all processes of `up` killed KILLS times at random while they trade
	KILLS=$(KILLS) $(BIN)/python -m pytest -q -o timeout=0 tests/supervisor/test_random_kills.py

prove-hostile: setup #: a gateway whose venue sends what no venue should, each second for SECONDS
	SECONDS=$(SECONDS) $(BIN)/python -m pytest -n 4 -q -o timeout=0 tests/gateway/test_gateway_hostile.py

prove-disk: setup #: a disk of 64 MB under everything that `up` runs, filled and freed ten times
	ONETAPE_LONG=1 $(BIN)/python -m pytest -q -o timeout=0 tests/supervisor/test_disk_full.py

prove-soak: setup #: memory, descriptors and processor of all processes for MINUTES, and MB an hour
	$(BIN)/python tools/soak.py --minutes $(MINUTES)

prove-mutants: setup #: small faults planted in a copy: which no test notices (MODULES="known kraken", ONLY=cancel)
	$(BIN)/python tests/mutants/run_mutants.py $(MODULES) --only "$(ONLY)"

prove-planted: setup #: COUNT faults that operators generate, sampled by SEED over all rooms (REPEAT=1: the survivors)
	$(BIN)/python tests/mutants/planted.py $(MODULES) --count $(COUNT) --seed $(SEED) $(if $(REPEAT),--repeat)

# Slower by the sanitizers' share; the litmus tests of the state table stay in. With clang the fuzzers'
# library serves both.
test-asan: fuzz-build ## the core's tests under address and undefined-behaviour sanitizers
	@if test -x build/fuzz/core_tests; then build/fuzz/core_tests; \
		else $(call core_tests,asan,address$(comma)undefined); fi

fuzz-build: setup
	@if command -v clang++ >/dev/null; then $(build_fuzz); fi

fuzz: fuzz-python fuzz-core ## damaged tapes, tables, books and files, for FUZZ_SECONDS; with clang++ libFuzzer too

fuzz-python: setup
	$(BIN)/python tests/fuzz/run_fuzz.py --seconds $(FUZZ_SECONDS)

fuzz-core: fuzz-build
	@if test -x build/fuzz/core_tests; then $(fuzz_native); fi

lint: setup ## formatting, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --config-file bench/mypy.ini bench/*.py
	$(BIN)/python tools/layers.py
	@$(BIN)/clang-format --dry-run -Werror $(HOUSE_CORE)
	@test -x $(TSC) || timeout 120 npm install --silent --no-audit --no-fund --ignore-scripts --fetch-retries=0 --prefix build/typescript-$(TYPESCRIPT) typescript@$(TYPESCRIPT) || true
	@if test -x $(TSC); then $(TSC) -p tools/pages.tsconfig.json; \
		else echo "the types of the pages' scripts are not checked: that needs npm and, once, its registry"; fi

format: setup ## format Python and C++
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix-only -q .
	@$(BIN)/clang-format -i $(HOUSE_CORE)

bench: setup ## the figures, several runs each
	$(BIN)/python bench/run.py --runs $(RUNS)

gate: setup ## ratios to floors, held to the lines of bench/gate.toml
	$(BIN)/python bench/gate.py

pictures: setup ## the pictures of the pages in docs/images, of a real browser
	ONETAPE_PICTURES=$(CURDIR)/docs/images $(BIN)/python -m pytest -q tests/dashboard/test_pages.py -k pictures

peers: setup ## set rivals up in environments of their own and time the same work
	$(BIN)/python bench/peers/run.py --runs $(RUNS)

certify: setup ## clients that others wrote, each in an environment of its own, on the simulated exchanges
	$(BIN)/python tests/certify/run.py --setup --json build/certify/results.json --page docs/reference/certification.md

bridge: setup ## an environment for ccxt in build/envs/bridge, and the long sessions through it
	@test -x build/envs/bridge/bin/python || $(PYTHON) -m venv build/envs/bridge
	@build/envs/bridge/bin/pip install -qq --disable-pip-version-check \
		"ccxt==$$($(BIN)/python -c 'from onetape.options.bridge import CCXT_VERSION as v; print(v)')"
	ONETAPE_BRIDGE=$(CURDIR)/build/envs/bridge/bin/python $(BIN)/python -m pytest --durations=8 -n 0 \
		tests/bridge tests/certify/test_conformance_bridge.py tests/gateway/test_gateway_bridge.py \
		tests/robot/test_run_bridge.py

docs: setup ## the documentation, into site/
	@$(WITH_TOOLS) $(BIN)/pip install -qq --no-build-isolation -e '.[docs]'
	$(BIN)/python tools/make_messages.py
	$(BIN)/python tools/make_events.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

wheel: setup ## a wheel into dist/, tried in an environment of its own
	@rm -rf dist build/wheel-smoke
	@# With the time of the commit, so that its wheels are equal, byte for byte.
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2>/dev/null || echo 315532800) $(WITH_TOOLS) \
		$(BIN)/pip wheel -qq --disable-pip-version-check --no-build-isolation --no-deps -w dist .
	@$(PYTHON) -m venv build/wheel-smoke
	@build/wheel-smoke/bin/pip install -qq --disable-pip-version-check dist/*.whl
	@cd build/wheel-smoke && bin/python ../../tools/smoke.py
	@build/wheel-smoke/bin/pip install -qq --disable-pip-version-check auditwheel 2>/dev/null \
		&& build/wheel-smoke/bin/auditwheel show dist/*.whl | grep -m1 manylinux \
		|| echo "NOT AVAILABLE: auditwheel, which names the oldest glibc"

clean: ## remove what was built
	rm -rf build $(VENV) site dist src/onetape/_core.pyi

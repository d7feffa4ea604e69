# Every target does its own set-up in $(VENV): a fresh machine needs python3 (with venv and headers), a C compiler and make.
PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?=
# Whoever works on quantcore wants to hear of a failed compile; set both to 0 to work in pure NumPy.
export QUANTCORE_REQUIRE_NATIVE ?= 1
export QUANTCORE_WERROR ?= 1

BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet
NATIVE_TESTS = $(wildcard tests/native tests/runtime)
# Paths in PYTEST_ARGS stand in for those.
CHOSEN = $(if $(findstring tests/,$(PYTEST_ARGS)),,$(NATIVE_TESTS)) -m "not slow" $(PYTEST_ARGS)
DOORS = $(wildcard src/*.pyx)
STUBS = $(patsubst quantcore/native/%.pyi,quantcore.native.%,$(wildcard quantcore/native/_*.pyi))
emulated = python=$$(tools/emulated_python $(BIN) $(1)) && "$$python" -m pytest -p no:cacheprovider

.DEFAULT_GOAL := help
SOAK_PREDICTIONS ?= 100000000
# Of each part of the fuzzing.
export FUZZ_SECONDS ?= 60

# Of each module's mutants, in per cent, drawn with a fixed seed.
MUTATION_SHARE ?= 100

.PHONY: help demo test exact mutants mutation coverage fuzz reliability soak bench lint types sanitize tsan free-threaded arm old-x86 same-bits sdist \
	wheel wheel-x86_64 wheel-aarch64 compat native clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: native ## train, quantize, save, load, predict; one table
	$(BIN)/python bench/demo.py

test: native ## the tests that take seconds, on all processors (PYTEST_ARGS="-k ..."; "-n 0": in one process)
	$(BIN)/pytest -m "not slow" -n auto --dist loadfile $(PYTEST_ARGS)

exact: native ## whole data sets, a million documents and ten million rows: labels equal scikit-learn's (hours; QUANTCORE_SOAK_DOCUMENTS, QUANTCORE_SOAK_ROWS for fewer)
	$(BIN)/pytest tests/test_exactness.py tests/test_exactness_numeric.py tests/test_certify.py tests/soak -m slow $(PYTEST_ARGS)

mutants: native ## 200,000 changed model files of XGBoost and LightGBM: a model, or an error that names a field (QUANTCORE_MUTANTS)
	$(BIN)/pytest tests/importers/test_hostile_models.py -m slow $(PYTEST_ARGS)

mutation: native ## small changes to artifact/ and the certificate's code, each noticed by their tests, 9 in 10 at least (MUTATION_SHARE=10: a tenth of them)
	$(BIN)/python tests/mutation/run.py --share $(MUTATION_SHARE)e-2 $(MUTATION_ARGS)

coverage: $(VENV)/.ready ## branches of quantcore and lines of the C kernels, 95 % of each at least, from a build in build/coverage
	tools/coverage $(BIN) $(PYTEST_ARGS)

fuzz: native ## changed artifacts with right checksums, natively and under sanitizers, then kernels without Python (FUZZ_SECONDS for each; counts by kind in build/fuzz)
	$(BIN)/pytest tests/fuzz -m slow -p no:cacheprovider $(PYTEST_ARGS)
	tools/sanitize $(BIN) tests/fuzz -m slow $(PYTEST_ARGS)
	tools/fuzz_native $(FUZZ_SECONDS)

reliability: native $(VENV)/.bench ## load, mutants beside the peers, damage, faults, fuzz, soak, shared memory, busy p99: one table (an hour; RELIABILITY="load busy" for some)
	$(BIN)/python tools/reliability.py $(BIN) $(RELIABILITY)

soak: native ## 100 million predictions in all forms, errors and reloads included, after a warm-up of as many: the memory does not grow (SOAK_PREDICTIONS; minutes)
	MALLOC_ARENA_MAX=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -W ignore tests/soak/predictions.py $(SOAK_PREDICTIONS)

bench: native $(VENV)/.bench ## benchmarks beside the peers; JSON and a Markdown table in build/bench
	mkdir -p build/bench
	$(BIN)/pytest bench --benchmark-json=build/bench/results.json $(PYTEST_ARGS)
	$(BIN)/python bench/report.py build/bench/results.json

lint: $(VENV)/.ready ## style of Python and Cython, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(if $(DOORS),PATH="$(abspath $(BIN)):$$PATH" cython-lint $(DOORS))
	$(BIN)/lint-imports

types: native ## mypy --strict, and the doors' stubs against the doors
	$(BIN)/mypy --strict quantcore
	$(if $(STUBS),$(BIN)/stubtest --ignore-missing-stub $(STUBS))

sanitize: $(VENV)/.ready ## native tests under AddressSanitizer and UndefinedBehaviorSanitizer
	tools/sanitize $(BIN) $(CHOSEN)

tsan: $(VENV)/.ready ## one model in 64 threads under ThreadSanitizer
	tools/sanitize_thread $(BIN) $(if $(findstring tests/,$(PYTEST_ARGS)),,tests/life/test_threads.py) $(PYTEST_ARGS)

free-threaded: ## build a free-threaded Python where there is none; the doors leave its GIL off; native, runtime and thread tests there
	tools/free_threaded $(if $(findstring tests/,$(PYTEST_ARGS)),,$(NATIVE_TESTS) tests/life/test_threads.py tests/life/test_long_documents.py) -m "not slow" $(PYTEST_ARGS)

arm: $(VENV)/.ready ## native tests on emulated ARM processors without and with dotprod (PYTEST_ARGS=tests/native/test_pack.py)
	$(call emulated,cortex-a72) $(CHOSEN)
	$(call emulated,neoverse-n1) $(CHOSEN)

old-x86: native ## native tests on emulated x86 processors without and with AVX2
	$(call emulated,Nehalem) $(CHOSEN)
	$(call emulated,Haswell) $(CHOSEN)

same-bits: native ## kernels and models give the same bits on this CPU and on the emulated ones
	$(BIN)/python tools/same_bits.py $(BIN)

sdist: $(VENV)/.ready ## build the source distribution, install from it, import its doors
	tools/check_sdist $(BIN)

wheel: wheel-x86_64 wheel-aarch64 ## manylinux wheels: built, repaired, installed in a clean environment, checked and tested there (aarch64 emulated)

wheel-x86_64 wheel-aarch64: wheel-%: native $(VENV)/.wheel
	$(BIN)/pytest -q tests/architecture/test_wheels.py
	tools/wheel $(BIN) $* $(PYTEST_ARGS)

compat: native ## test beside older and newer scikit-learn, NumPy, pandas, XGBoost, LightGBM (COMPAT="oldest newest" for some lines of tools/compat.txt)
	tools/compat $(BIN) "$(or $(COMPAT),all)" $(PYTEST_ARGS)

native: $(VENV)/.ready ## compile what has changed
	$(BIN)/python setup.py --quiet build_ext --inplace

clean: ## remove the environment and all that was built
	rm -rf $(VENV) build dist *.egg-info
	find quantcore -name '*.so' -delete

# The doors are compiled by the target "native", so that they are compiled in one place.
$(VENV)/.ready: pyproject.toml setup.py
	$(PYTHON) -m venv $(VENV)
	$(PIP) "setuptools>=77"
	QUANTCORE_PURE=1 $(PIP) --no-build-isolation --editable ".[sklearn,test,dev]"
	touch $@

$(VENV)/.wheel: $(VENV)/.ready
	QUANTCORE_PURE=1 $(PIP) --no-build-isolation --editable ".[wheel]"
	touch $@

$(VENV)/.bench: $(VENV)/.ready
	QUANTCORE_PURE=1 $(PIP) --no-build-isolation --editable ".[bench]"
	touch $@

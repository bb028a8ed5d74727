# Every target sets up what it needs: `make demo` and `make test` work in a fresh clone.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
KERNEL := src/inklens/linear/kernels/_kernels.so
OUT    ?= report
DATA   ?= mnist
TIME   ?= 600
STRICT := src/inklens/storage.py,src/inklens/reader.py,src/inklens/photos/decode.py,src/inklens/photos/containers.py,src/inklens/datasets/*

.DEFAULT_GOAL := help
.PHONY: help demo studio test coverage fuzz asan lint bench reader docs wheels requirements clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ensurepip may be missing (Debian without python3-venv): the outer pip then fills the environment.
$(READY): requirements/dev.txt requirements/uv.txt pyproject.toml hatch_build.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "inklens needs Python 3.11 or newer, found " + sys.version.split()[0] + ": run make PYTHON=python3.12 (or any newer)")'
	@test -x $(BIN)/python || $(PYTHON) -m venv --without-pip $(VENV)
	@$(PYTHON) scripts/install.py $(BIN)/python
	@touch $@

demo: $(READY)  ## the whole tutorial on real digits; ends with the path of the report
	@$(BIN)/python scripts/build_kernels.py
	@$(BIN)/inklens demo --out $(OUT)

studio: $(READY)  ## draw, see why, fool it and train, in the browser (ARGS="--port 0 --no-open")
	@$(BIN)/python scripts/build_kernels.py
	@$(BIN)/inklens studio $(ARGS)

# Two workers share the cores, so each has one thread; compiled modules are kept, as tests start many processes.
test: export OMP_NUM_THREADS := 1
test: export OPENBLAS_NUM_THREADS := 1
test: export PYTHONDONTWRITEBYTECODE :=
test: $(READY)  ## the quick tests; SLOW=1: all
	@$(BIN)/python scripts/build_kernels.py
	@$(BIN)/python -m pytest -n 2 --dist worksteal $(if $(SLOW),,-m "not slow")

coverage: $(READY)  ## the branches that all tests take; what reads files of strangers has to have each taken
	@$(BIN)/python scripts/build_kernels.py
	@$(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-report=
	@$(BIN)/python -m coverage report --skip-covered --show-missing --fail-under=100 --include="$(STRICT)"
	@$(BIN)/python -m coverage report --skip-covered --fail-under=95

fuzz: $(READY)  ## every border with random input, for TIME seconds (TIME=600); what is found is kept in .hypothesis
	@$(BIN)/python scripts/build_kernels.py
	@$(BIN)/python scripts/fuzz.py $(TIME)

asan: $(READY)  ## the kernel tests with a library that checks every access to memory
	@$(BIN)/python scripts/build_kernels.py --asan

lint: $(READY)  ## ruff, mypy, and the kernels without a warning (COMPILERS="gcc clang-19" for these)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy & types=$$!; $(BIN)/python scripts/build_kernels.py --check $(COMPILERS); \
	  kernels=$$?; wait $$types && exit $$kernels

bench: $(READY)  ## measure, and write benchmarks/RESULTS.md (NAMES="solvers ablation" for some)
	@$(BIN)/python scripts/build_kernels.py
	@$(BIN)/python benchmarks/run.py $(NAMES)

reader: $(READY)  ## make the models that ship anew, from MNIST (DATA=idx:FOLDER)
	@$(BIN)/python scripts/build_kernels.py
	@$(BIN)/python scripts/make_reader.py --data $(DATA)

docs: $(READY)  ## the documentation as HTML in docs/_build
	@$(BIN)/python -m sphinx -W -q -b html docs docs/_build
	@echo docs/_build/index.html

wheels: $(READY)  ## an sdist and a wheel for each platform in dist, checked (INKLENS_WHEELS=dist for the tests alone)
	@$(BIN)/uv pip install -q --python $(BIN)/python --group wheels
	@$(BIN)/python scripts/build_wheels.py
	@INKLENS_WHEELS=dist $(BIN)/python -m pytest -p no:cacheprovider tests/test_wheels.py

requirements: $(READY)  ## pin the newest versions that fit, with hashes
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-annotate --python-version 3.11 \
	  --group lint --group test --group docs pyproject.toml -o requirements/dev.txt
	@echo uv | $(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-annotate - -o requirements/uv.txt

clean:  ## remove everything that make made
	@rm -rf $(VENV) dist report docs/_build $(KERNEL) .pytest_cache .ruff_cache .mypy_cache .hypothesis

# Each target sets itself up: Python 3.11+ and make are all it takes. The packages go into .venv and nowhere else.

VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

export PORT CHECK REQUESTS

.DEFAULT_GOAL := help
.PHONY: help demo demo-wagtail test chaos cover check mutate fmt wheel docs bench bench-policies fuzz soak lowest test-with ci-full clean

help: ## what can be asked for
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

$(VENV)/.%: pyproject.toml .ci/environment.sh
	@sh .ci/environment.sh $(VENV) $*
	@touch $@

demo: $(VENV)/.demo ## a real site behind the cache on 127.0.0.1:8000 (PORT=… for another port, CHECK=1 to leave after the tour)
	@$(BIN)/python -m examples.newsroom.demo

demo-wagtail: $(VENV)/.wagtail ## a real Wagtail site behind the cache, likewise
	@$(BIN)/python -W ignore -m examples.wagtail.demo

test: $(VENV)/.dev ## the whole test suite, on real Valkey and, where installed, Redis (ARGS="-k purge" for a part)
	@$(BIN)/python -m pytest -n 3 --dist loadfile $(ARGS)

chaos: $(VENV)/.dev ## the faults at full length, then ten minutes of random ones (SECONDS=… SEED=…: those alone, for so long, again)
ifeq ($(SECONDS)$(SEED),)
	@FAULTS=long FAULTS_SERVER=valkey $(BIN)/python -m pytest tests/faults $(ARGS)
	@FAULTS=long FAULTS_SERVER=redis $(BIN)/python -m pytest tests/faults $(ARGS)
endif
	@$(BIN)/python -m tests.faults $(or $(SECONDS),600) $(SEED)

cover: $(VENV)/.dev ## every branch of core/ and of the purge clock's values has to be taken by their tests
	@$(BIN)/python .ci/cover.py

check: $(VENV)/.dev ## format, lint, types, architecture
	@$(BIN)/ruff format --check --quiet . || { echo "not formatted: run 'make fmt'" >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest --quiet --no-header tests/test_architecture.py

mutate: $(VENV)/.dev ## break the pure code in one place at a time and see whether its tests notice (ARGS="vary", ARGS="--every 20" for less)
	@$(BIN)/python -m tests.mutation $(ARGS)

fmt: $(VENV)/.dev ## put the code into form, and the pages that repeat it
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .
	@$(BIN)/python .ci/reference.py

wheel: $(VENV)/.dev ## build the wheel and try it alone in a new environment
	@$(BIN)/python .ci/check_wheel.py

docs: $(VENV)/.docs ## the documentation, in site/
	@CHECK=1 $(BIN)/python .ci/reference.py
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --config-file .mkdocs.yml --strict --quiet --clean
	@echo "open site/index.html"

bench: $(VENV)/.dev $(VENV)/.bench ## the measurements behind the documented figures (CHECK=1: fail where a ratio is worse than recorded; REQUESTS=… for the flood)
	@$(BIN)/python -m tests.bench $(ARGS)

bench-policies: $(VENV)/.bench ## eviction policies on the traffic of CMSs, ours beside libcachesim's (ARGS="access.log": on your own)
	@$(BIN)/python -m tests.policies $(ARGS)

fuzz: $(VENV)/.dev ## an hour of hostile bytes for the parsers, the key builder, the entry decoder and the admin API (SECONDS=… SEED=…)
	@$(BIN)/python -m tests.fuzz $(or $(SECONDS),3600) $(SEED)

soak: $(VENV)/.dev ## the newsroom for half an hour with edits, restarts and faults of Redis: nothing may grow or fail (SECONDS=… SEED=…)
	@$(BIN)/python -m tests.soak $(or $(SECONDS),1800) $(SEED)

lowest: ## the tests on the lowest versions of every dependency that pyproject.toml allows
	@RESOLUTION=lowest-direct sh .ci/environment.sh .venv-lowest dev
	@.venv-lowest/bin/python -m pytest -n 3 --dist loadfile -p no:cacheprovider $(ARGS)

test-with: ## the tests with another interpreter, in an environment of its own (PYTHON=python3.13)
	@PYTHON=$(or $(PYTHON),python3.13) sh .ci/environment.sh .venv-other/$(notdir $(or $(PYTHON),python3.13)) dev
	@.venv-other/$(notdir $(or $(PYTHON),python3.13))/bin/python -m pytest -n 3 --dist loadfile -p no:cacheprovider $(ARGS)

ci-full: ## everything, on Valkey and on Redis
	@bash .ci/full

clean: ## remove what was built, the environment included
	rm -rf $(VENV) .venv-lowest .venv-other build dist site htmlcov .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find cms_cache_mw examples tests .ci -name __pycache__ -type d -prune -exec rm -rf {} +

# What developers, CI and the curious run. `make` alone lists it.
.DEFAULT_GOAL := help
PYTHON ?= python3
export PYTHON
PY := .venv/bin/python
DOCS_TESTS = $(shell find tests -name 'test_docs*.py')
NO_ENGINE := container tests are skipped: no Docker engine answers; make engine provides one
FAST := not slow and not docker
CODE := paglets tests benchmarks docker

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## see it work: three hosts on this machine, paglets moving, one host killed, nothing lost
	@MAKE_TARGET=demo scripts/venv.sh .venv-demo
	@.venv-demo/bin/python -m paglets demo

.PHONY: test
test: check ## check, then run every test
	@if docker info >/dev/null 2>&1; then $(PY) -m pytest -q; \
	elif [ "$$PAGLETS_REQUIRE_DOCKER" = 1 ]; then echo 'PAGLETS_REQUIRE_DOCKER=1, but no Docker engine answers' >&2; exit 1; \
	else echo '$(NO_ENGINE)'; $(PY) -m pytest -q -m 'not docker'; fi

.PHONY: test-fast
test-fast: venv ## the tests that take under a second each, without containers: two minutes at most
	@$(PY) -m pytest -q -m '$(FAST)'

.PHONY: check
check: venv ## format, lint, types, import layers, docs
	@$(PY) -m ruff format --check --quiet $(CODE)
	@$(PY) -m ruff check --quiet $(CODE)
	@$(PY) -m mypy
	@.venv/bin/lint-imports >.venv/lint-imports.txt || { cat .venv/lint-imports.txt; exit 1; }
	@$(PY) -m pytest -q $(DOCS_TESTS)

.PHONY: bench
bench: venv ## print the measured figures beside the targets; BENCH='--quick --compare FILE' and the like
	@$(PY) -m benchmarks $(BENCH)

.PHONY: bench-peers
bench-peers: venv ## do the same work on Ray, Thespian, xoscar and multiprocessing, in environments of their own
	@$(PY) -m benchmarks.peers

.PHONY: engine
engine: ## provide a Docker engine for the container tests; says first what it will change
	@docker/engine.sh

.PHONY: venv
venv:
	@MAKE_TARGET=test scripts/venv.sh .venv test

.PHONY: clean
clean: ## remove what the targets above made here
	rm -rf .venv .venv-demo .venv-peers .venv*.new.* .venv*.old.* build dist .mypy_cache .ruff_cache \
		.pytest_cache .hypothesis .import_linter_cache .artifacts
	find paglets tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

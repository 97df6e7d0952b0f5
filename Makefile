# `make run` serves the demo clinic; `make test` runs the tests. Both set up what they need.

PORT ?= 5000
HOST ?= 127.0.0.1
PYTEST ?=
export PORT HOST

# Each process that is started reads our modules; compiled ones are read in a quarter less time.
unexport PYTHONDONTWRITEBYTECODE

# What the command line says is passed on as it stands, never expanded: a password may contain a dollar sign.
# From the environment it passes through by itself.
ifeq ($(origin DATABASE_URL),command line)
override DATABASE_URL := $(value DATABASE_URL)
export BOOKING_DATABASE_URL := $(DATABASE_URL)
endif

BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help run test check bench bench-peers storm soak lock format clean environment

help:
	@echo "make run      serve the demo clinic on http://$(HOST):$(PORT) (PORT, HOST, DATABASE_URL)"
	@echo "make test     all tests, on SQLite and PostgreSQL and in Chromium"
	@echo "make check    linters, types, layers, migration drift"
	@echo "make bench    what pages and use cases cost; make bench-peers: against two packages of others"
	@echo "make storm    many bookings at one moment; make soak: killed workers, a simulated year"
	@echo "make lock     lock the newest versions; make format; make clean"

environment:
	@tools/environment.sh dev

run:
	@tools/environment.sh runtime
	@exec $(BIN)/flask serve --demo --host "$$HOST" --port "$$PORT"

test: environment
	@tools/test-machine.sh
	@$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadscope --durations 10 --junitxml test-results/tests.xml $(PYTEST)

check: environment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/djlint booking/templates --lint --quiet
	$(BIN)/lint-imports
	$(BIN)/deptry . --requirements-files requirements/runtime.in --requirements-files-dev requirements/dev.in
	$(BIN)/python -m tools.unused
	$(BIN)/python -m tools.migration_drift

bench: environment
	@tools/test-machine.sh
	@$(BIN)/python -m bench

bench-peers: environment
	@tools/environment.sh peers .venv-peers
	@$(BIN)/python -m bench.peers .venv-peers/bin/python

storm: environment
	@tools/test-machine.sh
	@$(BIN)/python -m bench.storm

soak: environment
	@tools/test-machine.sh
	@$(BIN)/python -m bench.soak

lock: environment
	$(BIN)/uv pip compile --upgrade --universal --generate-hashes --python-version 3.11 --no-header --no-annotate --no-strip-extras requirements/runtime.in requirements/dev.in -o requirements/dev.txt --quiet
	$(BIN)/uv pip compile --universal --generate-hashes --python-version 3.11 --no-header --no-annotate --no-strip-extras requirements/runtime.in -c requirements/dev.txt -o requirements/runtime.txt --quiet
	$(BIN)/uv pip compile --upgrade --universal --generate-hashes --python-version 3.11 --no-header --no-annotate --no-strip-extras requirements/peers.in -c requirements/dev.txt -o requirements/peers.txt --quiet

format: environment
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .venv-peers build dist *.egg-info test-results .pytest_cache .ruff_cache .mypy_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

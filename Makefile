# What people and CI run. `make run` needs a Rust toolchain only; `make test` installs what the tests use.

VENV := .venv
SUPERSET_VENV := .venv-superset
BENCH_VENV := bench/.venv
PYTHON := $(VENV)/bin/python
NODE_MODULES := tests/python/clients/node/node_modules
CARGO_TEST := cargo test --release --locked

# Lints ride on the test build: clippy's driver stands in for rustc on this crate alone, so that the
# dependencies are built once and not a second time for the lints.
LINT := RUSTC_WORKSPACE_WRAPPER=$(CURDIR)/.ci/lint-rustc CLIPPY_ARGS=-Dwarnings__CLIPPY_HACKERY__

.DEFAULT_GOAL := help
.PHONY: help run build fmt check test test-rust fuzz test-python suites bench bench-micro tools

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Build, make ./boathouse-data with sample data, serve it and print how to connect.
	cargo run --release --locked -- demo

build: ## Build the server.
	cargo build --release --locked --bin boathouse

fmt: ## Format the source.
	cargo fmt

check: ## Formatting and types, without building.
	cargo fmt --check
	cargo check --release --locked --all-targets

test: test-rust fuzz test-python ## Everything that CI runs.

test-rust: tools $(VENV)/.installed
	cargo fmt --check
	$(LINT) $(PYTHON) tests/python/with_s3.py $(CARGO_TEST)

fuzz: ## Feed the protocol's decoder any bytes for a minute.
	fuzz/run wire_messages 60

test-python: tools $(VENV)/.installed $(SUPERSET_VENV)/.installed $(NODE_MODULES)
	$(LINT) cargo build --release --locked --bin boathouse
	$(PYTHON) -m pytest tests/python

suites: build tools $(VENV)/.installed ## Run the test suites of others, PostgreSQL beside: tables for docs/clients.md, an hour or two.
	$(PYTHON) tests/suites/client_suites.py
	$(PYTHON) tests/suites/tokio_postgres.py
	$(PYTHON) tests/suites/sqllogictest_corpus.py
	$(PYTHON) tests/suites/postgres_regress.py

bench: build tools $(BENCH_VENV)/.installed ## TPC-H, TPC-DS, web analytics, dashboards, concurrency, beside other systems; SCALE=1 by default.
	$(BENCH_VENV)/bin/python bench/run.py $(if $(SCALE),--scale $(SCALE)) $(BENCH_ARGS)

bench-micro: ## Stages and operators by themselves, own and stock; BENCH_ARGS="join" chooses some.
	cargo run --release --locked --manifest-path bench/micro/Cargo.toml -- --bench $(BENCH_ARGS)

# The other systems have an environment of their own: the tests need none of them.
$(BENCH_VENV)/.installed: bench/requirements.txt
	python3 -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --requirement bench/requirements.txt
	touch $@

$(NODE_MODULES): tests/python/clients/node/package.json
	cd tests/python/clients/node && npm install --silent --no-audit --no-fund --no-package-lock
	touch $@

# pgAdmin is read, not run: its templates need none of what it depends on.
$(VENV)/.installed: tests/python/requirements.txt tests/python/requirements-alone.txt
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --requirement tests/python/requirements.txt
	$(PYTHON) -m pip install --quiet --no-deps --requirement tests/python/requirements-alone.txt
	touch $@

# Superset wants another SQLAlchemy than the tests.
$(SUPERSET_VENV)/.installed: tests/python/clients/superset/requirements.txt
	python3 -m venv $(SUPERSET_VENV)
	$(SUPERSET_VENV)/bin/python -m pip install --quiet --requirement tests/python/clients/superset/requirements.txt
	touch $@

tools: ## Install PostgreSQL to compare with, and the clients that the tests drive, where they are missing.
	@tests/install_clients.sh

# headwater: everything from a fresh clone. Needs Python 3.11 or later; `make PYTHON=/path/to/python …` names one.
# Node 20.19 or later makes the dashboard; without it, or with HEADWATER_DASHBOARD=no, that is left out.
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

HOST ?= 127.0.0.1
PORT ?= 8080
DATA_DIR ?= ./data
JOBS ?= 2

UV := UV_PYTHON_DOWNLOADS=never UV_NO_CONFIG=1 $(BIN)/uv
EXPORT := export --quiet --frozen --all-groups --all-extras --no-emit-project --no-header --no-annotate --format requirements-txt

.PHONY: help run demo install ui docs test test-cluster torture check format lock bench bench-cohorts bench-flat bench-cluster bench-ui soak screenshots clean

help:
	@echo 'make run       serve on http://$(HOST):$(PORT), data in $(DATA_DIR)   (HOST= PORT= DATA_DIR=)'
	@echo 'make demo      100,000 events of a shop and a CRM, and cohorts, into the server that runs   (DEMO=--again)'
	@echo 'make test      the tests'
	@echo 'make test-cluster  the tests with real Kafka, PostgreSQL and Redis, which it installs where it may and starts'
	@echo "make torture   kills, power cuts, faults, hostile clients, in numbers   (TORTURE_REPORT=--write-docs renews docs/torture.md)"
	@echo 'make check     locks, format, lint, types, import floors; lint, types and tests of the dashboard'
	@echo 'make format    let ruff mend what it can'
	@echo 'make bench     races headwater, four durable peers and no-op servers; 20 minutes   (BENCH=--quick)'
	@echo 'make bench-cohorts  questions and live cohorts over 10 million events, beside SQLite, DuckDB and PostgreSQL; 40 minutes'
	@echo 'make bench-flat  what a batch, an insert, a cohort and a question cost at 1, 10 and 50 million stored events; 20 minutes'
	@echo 'make bench-cluster  one machine beside gateways and engines on Kafka, PostgreSQL and Redis; 10 minutes'
	@echo 'make soak      an hour of live traffic, and a million events of history beside it   (SOAK="--seconds 120")'
	@echo 'make bench-ui    what the dashboard loads at first, and what an open Live page costs; 4 minutes'
	@echo 'make screenshots  pictures of every page of the dashboard, in build/screenshots'
	@echo 'make docs      the documentation as a site, in build/site'
	@echo 'make install   only make $(VENV), from requirements.lock, and the dashboard'
	@echo 'make ui        only the dashboard, when something in ui/ has changed'
	@echo 'make lock      uv.lock and requirements.lock anew from pyproject.toml'
	@echo 'make clean     remove caches, $(VENV) and the dashboard; data stays'

run: install
	@exec $(BIN)/headwater serve --host $(HOST) --port $(PORT) --data-dir "$(DATA_DIR)"

install: $(STAMP) ui

# Looks each time, for a moment, whether it is built from what is in ui/ now: hatch_build.py.
ui: $(STAMP)
	@$(BIN)/python hatch_build.py

# pip, not uv, installs: it is there wherever Python is, and keeps to the machine's own package index settings.
$(STAMP): requirements.lock pyproject.toml client/pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python hatch_build.py # pip would show nothing of it
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . -e client
	@touch $@

$(BIN)/pip:
	@for python in $(PYTHON) python3.11 python3.12 python3.13 python3; do \
	  if $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "making $(VENV) with $$($$python --version)"; exec $$python -m venv $(VENV); \
	  fi; \
	done; \
	echo 'headwater needs Python 3.11 or later with its venv module (on Debian: python3.11 and python3.11-venv).' >&2; \
	echo 'If it is there under another name: make PYTHON=/path/to/python run' >&2; \
	exit 1

test: install
	$(BIN)/pytest -m 'not torture and not cluster' -n $(JOBS) --dist loadfile --no-loadscope-reorder --ignore=tests/edge --ignore=tests/bench
	$(BIN)/pytest -m 'not torture and not cluster' tests/edge tests/bench # alone: they look at how soon and how fast

# One at a time: they start servers, and pause and kill them.
test-cluster: install
	@.ci/services
	$(BIN)/pytest -m 'cluster and not torture'

# What the tests found is told once more at the end. HEADWATER_TORTURE=5 takes five per cent of the numbers.
torture: export HEADWATER_TORTURE_REPORT := $(CURDIR)/build/torture.jsonl
torture: install
	@mkdir -p build && rm -f "$$HEADWATER_TORTURE_REPORT"
	$(BIN)/pytest -m 'torture and not cluster' -rP -n $(JOBS) --dist loadfile --no-loadscope-reorder --ignore=tests/edge $(TORTURE)
	$(BIN)/pytest -m 'torture and not cluster' -rP tests/edge # alone: how soon a bad client is sent away is what these look at
	@$(BIN)/python bench/torture_report.py "$$HEADWATER_TORTURE_REPORT" $(TORTURE_REPORT)

check: install
	@$(UV) lock --quiet --offline --check --python $(BIN)/python 2> /dev/null \
	  || { echo 'uv.lock is not what pyproject.toml asks for: run make lock' >&2; exit 1; }
	@$(UV) $(EXPORT) | diff - requirements.lock > /dev/null \
	  || { echo 'requirements.lock is not what uv.lock says: run make lock' >&2; exit 1; }
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy --strict
	$(BIN)/lint-imports
	@$(BIN)/pytest --collect-only -q > /dev/null || $(BIN)/pytest --collect-only -q # a test that cannot be read is told now
	@mkdir -p build
	@$(BIN)/headwater openapi > build/openapi.json
	@$(BIN)/python hatch_build.py check

format: install
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

# Installs afterwards too, so that the next target does not have to.
lock: install
	$(UV) lock --python $(BIN)/python
	$(UV) $(EXPORT) --output-file requirements.lock
	@$(MAKE) --no-print-directory install

# What the API gives, as TypeScript: what `make check` holds the dashboard against.
ui-types: install
	@mkdir -p build
	@$(BIN)/headwater openapi > build/openapi.json
	@cd ui && npm run --silent types

# Into the server that runs, or into one of its own until Ctrl+C: docs/demo.md.
demo: install
	@exec $(BIN)/headwater demo --data-dir "$(DATA_DIR)" --port $(PORT) $(DEMO)

# BENCH='--quick' only looks whether it runs; BENCH='--write-docs' renews docs/performance.md. Needs wrk; a peer whose
# store is not there and cannot be installed is told as not run.
bench: install
	@.ci/services postgres || true
	@exec $(BIN)/python bench/race.py $(BENCH)

# Makes ten million events first, in build/cohorts, and keeps them for the next time.
bench-cohorts: install
	@.ci/services postgres || true
	@exec $(BIN)/python bench/cohorts.py $(BENCH)

# One store, filled to each size in build/flat, some 7 GB. BENCH='--quick' or '--write-docs' as above.
bench-flat: install
	@exec $(BIN)/python bench/flat.py $(BENCH)

# Starts the services itself. BENCH='--quick' or '--write-docs' as above: docs/scale-performance.md.
bench-cluster: install
	@.ci/services
	@exec $(BIN)/python bench/cluster.py $(BENCH)

# SOAK='--seconds 600 --backfill 100000', or '--write-docs': docs/torture.md.
soak: install
	@exec $(BIN)/python bench/soak.py $(SOAK)

# Strictly: a link that leads nowhere, or a page that is not in mkdocs.yml, is an error; with --quiet they would not count.
docs: install
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo 'build/site/index.html'

bench-ui: install
	@$(BIN)/python bench/first_load.py
	@$(BIN)/python bench/live_page.py $(BENCH)

# SCREENSHOTS='--write-docs' renews the pictures of the README.
screenshots: install
	@exec $(BIN)/python tests/dashboard/screenshots.py $(SCREENSHOTS)

clean:
	rm -rf src/headwater/dashboard ui/node_modules ui/src/api/schema.d.ts
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src client tests bench -name __pycache__ -prune -exec rm -rf {} +

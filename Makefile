# Two commands on a fresh machine: `make run` and `make test`. Both set up what they need first.
# Wanted: Python 3.11 or later, and make. PYTHON=python3.13 make … takes another one.

PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null || echo .cache/uv/bin/uv)
export UV_PYTHON ?= $(PYTHON)
export UV_PYTHON_DOWNLOADS ?= never
RUN := $(UV) run --frozen --no-sync

.PHONY: run demo test check bench profile clients soak screenshots lighthouse clean

run: .venv/ready-to-run  ## the hub with its dashboard, in the foreground
	@$(RUN) hubbub serve

demo: .venv/ready-to-run  ## agents that talk, so that the page has something to show
	@$(RUN) hubbub demo

test: .venv/ready-to-test  ## every test but the long ones, with a real browser
	@.ci/browser
	@$(RUN) pytest -n auto

soak: .venv/ready-to-test  ## the long ones, in full; goes on after a failure, and ends with what each has counted
	@.ci/tools || echo "Without these some tests are skipped; the end says which."
	@$(RUN) pytest -m soak

clients: .venv/ready-to-test  ## the real Claude Code, Codex, Gemini CLI and MCP Inspector, from npm; no account is needed
	@.ci/clients
	@$(RUN) pytest -m clients tests/clients

check: .venv/ready-to-test  ## style, types, layers, docs, vendored files
	@$(RUN) ruff check .
	@$(RUN) ruff format --check --quiet .
	@$(RUN) mypy
	@$(RUN) lint-imports --config pyproject.toml >.cache/layers.txt || { cat .cache/layers.txt; exit 1; }
	@$(RUN) python -m dashboard.vendored --check
	@$(RUN) pytest -q --no-header tests/docs

bench: .venv/ready-to-bench  ## Hubbub beside other servers; WORK=fanout is a part of it, WORK=--list tells the parts
	@$(RUN) python -m benchmarks $(WORK) --rounds $(or $(ROUNDS),5) --seconds $(or $(SECONDS),1)

profile: .venv/ready-to-bench  ## where the hub's time goes, by path
	@$(RUN) python -m benchmarks.profile

screenshots: .venv/ready-to-test  ## every page, light and dark, wide and narrow, busy and empty, into docs/images/page
	@.ci/browser
	@$(RUN) python -m tests.dashboard.screenshots

lighthouse: .venv/ready-to-test  ## Lighthouse's judgement of the overview with 50 agents and 100,000 messages; from npm
	@.ci/browser
	@.ci/npm tests/dashboard/lighthouse lighthouse
	@$(RUN) python -m tests.dashboard.lighthouse

clean:
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist

.venv/ready-to-run: pyproject.toml uv.lock | $(UV)
	@$(UV) sync --frozen --quiet --compile-bytecode --inexact --no-default-groups
	@touch $@

.venv/ready-to-test: pyproject.toml uv.lock | $(UV)
	@mkdir -p .cache
	@$(UV) sync --frozen --quiet --compile-bytecode --inexact --group dev
	@touch .venv/ready-to-run $@

.venv/ready-to-bench: .venv/ready-to-test
	@$(UV) sync --frozen --quiet --compile-bytecode --inexact --group bench
	@touch $@

.cache/uv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is missing or older than 3.11: install Python 3.11 or later, or name one: make PYTHON=python3.13"; exit 1; }
	@$(PYTHON) -m venv .cache/uv 2>/dev/null || { .ci/install python3-venv && $(PYTHON) -m venv --clear .cache/uv; }
	@.cache/uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.8'

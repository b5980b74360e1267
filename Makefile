# Needs Python 3.11 or newer and make, nothing else: no activated environment, no uv.
# Everything goes into .venv, in the exact versions of requirements.lock, whose hashes are checked; the voice
# clients that `make test-clients` tries go into .venv-clients, by requirements-clients.lock.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.NOTPARALLEL:

VENV := .venv
BIN := $(VENV)/bin
BENCH_VENV := .venv-bench
PYTHON := $(BIN)/python
STAMP := $(VENV)/.installed
CLIENTS := .venv-clients

# An environment that happens to be active is none of ours.
unexport VIRTUAL_ENV CONDA_PREFIX PYTHONPATH PYTHONHOME
export UV_PYTHON_DOWNLOADS := never
# Every command would compile its imports again, for seconds, where Python may not write beside them.
export UV_COMPILE_BYTECODE := 1
# uv refuses to start where it cannot write its cache, as in a home folder that is read-only.
ifeq ($(shell folder="$${UV_CACHE_DIR:-$${XDG_CACHE_HOME:-$$HOME/.cache}/uv}"; until test -e "$$folder"; do \
	folder=$$(dirname "$$folder"); done; test -w "$$folder" || echo no),no)
export UV_NO_CACHE := 1
endif
# Certificates that the machine trusts, such as a company's own, where it keeps any; uv brings others of its own.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem),)
export UV_SYSTEM_CERTS ?= true
endif

# The first Python that is new enough. Another one: make install BASE_PYTHON=python3.13
BASE_PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$name && break; done)
# The machine's uv when it has a working one, else one of our own.
UV = $$(uv --version >/dev/null 2>&1 && echo uv || echo $(VENV)/uv/bin/uv)
UV_MADE = uv --version >/dev/null 2>&1 || $(VENV)/uv/bin/uv --version >/dev/null 2>&1

QUICK_TESTS := tests/nodes/model tests/nodes/tools tests/nodes/window tests/nodes/memory tests/graph/test_routing.py \
	tests/graph/clients tests/graph/threads/test_threads.py tests/state/agents/test_agents.py

##@ Use

.PHONY: chat
chat: install ## start a conversation (make chat ARGS="--thread call-42")
	@$(BIN)/voicegraph chat $(ARGS)

.PHONY: test
test: install ## run the tests (some of them: make test ARGS="tests/nodes -k trim")
	@$(PYTHON) -m pytest --numprocesses=auto --dist=loadfile --no-loadscope-reorder $(ARGS)

.PHONY: test-quick
test-quick: install ## run the tests of steps, words and whole turns alone, in a minute
	@$(PYTHON) -m pytest --numprocesses=auto --dist=loadfile --no-loadscope-reorder $(QUICK_TESTS) $(ARGS)

.PHONY: install
install: $(STAMP) ## install all it needs into .venv (the other targets do it by themselves)

$(STAMP): requirements.lock pyproject.toml
	@test -n "$(BASE_PYTHON)" || { echo "error: no Python 3.11 or newer found on the PATH" >&2; exit 1; }
	@$(UV_MADE) || $(BASE_PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "error: $(BASE_PYTHON) cannot make \
	environments: install its venv package (Debian: apt install python3-venv) or uv, then try again" >&2; exit 1; }
	@echo "installing into $(VENV), which takes a minute the first time ..."
	@$(UV_MADE) || { $(BASE_PYTHON) -m venv --clear $(VENV)/uv \
		&& $(VENV)/uv/bin/python -m pip install --quiet --no-cache-dir --disable-pip-version-check 'uv>=0.9'; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
		|| $(UV) venv --quiet --allow-existing --python $(BASE_PYTHON) $(VENV)
	@$(UV) pip sync --quiet --python $(PYTHON) --require-hashes requirements.lock
	@$(UV) pip install --quiet --python $(PYTHON) --no-deps --no-build-isolation --editable .
	@mkdir -p .typecheck/voicegraph
	@for name in graph nodes state; do ln -sfn ../../$$name .typecheck/voicegraph/$$name; done
	@touch $@

$(CLIENTS)/.installed: requirements-clients.lock $(STAMP)
	@echo "installing voice clients into $(CLIENTS), 500 MB the first time ..."
	@test -x $(CLIENTS)/bin/python || $(UV) venv --quiet --python $(PYTHON) $(CLIENTS)
	@$(UV) pip sync --quiet --python $(CLIENTS)/bin/python --require-hashes requirements-clients.lock
	@$(UV) pip install --quiet --python $(CLIENTS)/bin/python --no-deps --no-build-isolation --editable .
	@touch $@

##@ Check

.PHONY: check
check: format-check lint type imports test wheel-test ## all that CI runs, but for the voice clients

.PHONY: format
format: install ## format the code and mend what the linter can
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format .

.PHONY: format-check
format-check: install
	@$(BIN)/ruff format --check .

.PHONY: lint
lint: install ## look for mistakes (ruff)
	@$(BIN)/ruff check .

.PHONY: type
type: install ## check the types (pyright: strict, the tests basic)
	@$(BIN)/pyright
	@$(BIN)/pyright --project tests

.PHONY: imports
imports: install ## check the layers, and that no imports form a circle (import-linter)
	@$(BIN)/lint-imports --no-logo

.PHONY: clients
clients: $(CLIENTS)/.installed ## install voice clients into .venv-clients, to try the examples in tests/clients

.PHONY: test-clients
test-clients: $(CLIENTS)/.installed ## try the server and the graph with LiveKit's and Pipecat's own clients
	@$(CLIENTS)/bin/python -m pytest tests/clients $(ARGS)

.PHONY: wheel-test
wheel-test: install ## build a wheel, install it elsewhere and try it
	@rm -rf build; folder=$$(mktemp -d); trap 'rm -rf build "$$folder"' EXIT; set -e; \
	$(UV) build --quiet --wheel --python $(PYTHON) --no-build-isolation --out-dir "$$folder" .; \
	$(UV) venv --quiet --python $(PYTHON) "$$folder/venv"; \
	$(UV) pip install --quiet --python "$$folder/venv/bin/python" --constraints requirements.lock "$$folder"/*.whl; \
	here=$$(pwd); cd "$$folder"; venv/bin/python -I -W error "$$here/tests/smoke_wheel.py"

.PHONY: soak
soak: install ## run the long tests
	@$(PYTHON) -m pytest -m soak $(ARGS)

.PHONY: bench
bench: $(BENCH_VENV)/.installed ## measure the speed of a turn beside its peers (a short look: make bench ARGS=--quick)
	@cd tests && PYTHONPATH=support ../$(BENCH_VENV)/bin/python -m benchmarks $(ARGS)

.PHONY: bench-check
bench-check: ## measure again, and fail if a ratio to the bare client is over 15 % worse than in docs/speed.json
	@$(MAKE) --no-print-directory bench ARGS="--check $(ARGS)"

.PHONY: profile
profile: install ## show where the time of a turn goes
	@cd tests && PYTHONPATH=support ../$(PYTHON) -m benchmarks.profile_turn $(ARGS)

.PHONY: bench-others
bench-others: install ## measure hedging, interruption, and search among a million messages
	@$(PYTHON) -m pytest -q -s -o python_files='bench_*.py' tests/benchmarks $(ARGS)

# The peers want other versions of some libraries than we do.
$(BENCH_VENV)/.installed: requirements-bench.lock $(STAMP)
	@echo "installing the peers into $(BENCH_VENV) ..."
	@$(UV) venv --quiet --allow-existing --python $(PYTHON) $(BENCH_VENV)
	@$(UV) pip sync --quiet --python $(BENCH_VENV)/bin/python --require-hashes requirements-bench.lock
	@$(UV) pip install --quiet --python $(BENCH_VENV)/bin/python --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: notebooks
notebooks: install ## run every notebook, offline
	@set -e; for notebook in notebooks/*.ipynb; do test -e "$$notebook" || continue; \
	echo "$$notebook"; $(BIN)/jupyter-execute "$$notebook"; done

.PHONY: pictures
pictures: install ## run every notebook and keep its pictures in it, and two for the docs
	@$(PYTHON) notebooks/keep_pictures.py notebooks/*.ipynb

##@ Keep up

.PHONY: lock
lock: ## renew the lock files after a change of pyproject.toml (newest versions: make lock ARGS=--upgrade)
	@$(UV_MADE) || $(MAKE) install
	@$(UV) pip compile --quiet pyproject.toml --all-extras --group dev --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --custom-compile-command "make lock" --output-file requirements.lock $(ARGS)
	@# The same versions wherever the group allows them.
	@for group in bench clients; do \
		cp requirements.lock requirements-$$group.lock; \
		$(UV) pip compile --quiet pyproject.toml --extra serve --group $$group --universal --python-version 3.11 \
			--generate-hashes --no-emit-index-url --custom-compile-command "make lock" \
			--output-file requirements-$$group.lock || exit 1; done

.PHONY: clean
clean: ## remove all that was installed or made here, but no conversation
	@rm -rf $(VENV) $(BENCH_VENV) $(CLIENTS) .typecheck build dist *.egg-info .pytest_cache .ruff_cache .hypothesis \
		.import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help
help: ## print this list
	@awk 'BEGIN {FS = ":[^#]*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

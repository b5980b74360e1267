# `make` prints what there is. Needs Python 3.11 or newer and make, nothing else; no activated environment.
# Everything is installed into .venv from requirements.lock (exact versions, with hashes).

SHELL := /bin/sh
.DEFAULT_GOAL := help
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

VENV := .venv
BIN := $(VENV)/bin
PYTHON := $(BIN)/python
STAMP := $(VENV)/.installed

# An environment that happens to be active is none of ours.
unexport VIRTUAL_ENV
unexport PYTHONPATH
unexport PYTHONHOME

# The uv of the machine, else one of our own in the environment.
UV = $$(command -v uv || echo $(BIN)/uv)
PATHS := graph nodes state tests

##@ Use

.PHONY: help
help: ## print this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: chat
chat: install ## start a conversation (options: make chat ARGS="--thread call-42")
	@$(BIN)/voicegraph chat $(ARGS)

.PHONY: install
install: $(STAMP) ## install everything into .venv (other targets do so by themselves)

$(STAMP): requirements.lock pyproject.toml tools/install.sh
	@sh tools/install.sh $(VENV)
	@touch $@

##@ Work

.PHONY: test
test: install ## run the tests (some: make test ARGS="tests/nodes -k trim")
	@$(PYTHON) -m pytest $(ARGS)

# Everything a fresh machine needs is made here: a virtual environment, its packages, system programs.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
INSTALLED := $(VENV)/.installed
# More than there are cores: a good part of the tests waits for something.
JOBS ?= 3
REPO ?= .
SCRIPTS := $(dir $(abspath $(lastword $(MAKEFILE_LIST))))scripts

.PHONY: help venv system check lint types contracts test honesty verify-parallel-dev demo demo-ssh proofs faults benchmarks picture screenshot clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 16

venv: $(INSTALLED) ## the virtual environment with every package, versions pinned in constraints.txt

$(INSTALLED): pyproject.toml constraints.txt
	@scripts/require_python.sh "$(PYTHON)"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[workers,dev]'
	@touch $@

system: ## git, tmux, OpenSSH and rsync, through apt where this is root
	@scripts/require_programs.sh

check: $(INSTALLED) lint types contracts ## lint, format, types, import contracts

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

contracts: $(INSTALLED)
	$(BIN)/lint-imports
	$(BIN)/python scripts/draw_architecture.py --check

test: system $(INSTALLED) ## every test, on real git, tmux, sshd and PyTorch
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

honesty: $(INSTALLED) ## how many fakes the checks find, and how much honest code they blame
	$(BIN)/python -m tests.support.honesty

verify-parallel-dev: ## the required branches of the repository REPO: their claims, and all their tests
	@cd "$(REPO)" && status=0; \
	if [ -e .component_spec.yaml ]; then "$(SCRIPTS)/verify_component_claims.py" || status=1; fi; \
	ENFORCE_TESTS=1 "$(SCRIPTS)/enforce_parallel_branches.sh" || status=1; \
	exit $$status

demo: system $(INSTALLED) ## the main job, end to end, on this machine
	$(BIN)/python scripts/demo.py

demo-ssh: system $(INSTALLED) ## the same through an sshd on loopback
	$(BIN)/python scripts/demo.py --ssh

proofs: system $(INSTALLED) ## thousands of generated merges, ours against git's own
	$(BIN)/python -m proofs

faults: system $(INSTALLED) ## an hour of cut links, killed processes, full disks and hostile files, with its figures
	$(BIN)/python -m faults $(FAULTS)

benchmarks: system $(INSTALLED) ## speed and memory, as ratios against a baseline in the same run
	$(BIN)/python -m benchmarks

picture: $(INSTALLED) ## docs/architecture.svg, from the layers in .importlinter
	$(BIN)/python scripts/draw_architecture.py

screenshot: $(INSTALLED) ## the README's picture, from a real run
	$(BIN)/python scripts/screenshot.py

clean: ## remove what was made here
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

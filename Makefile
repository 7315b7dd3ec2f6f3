# `make demo` and `make test` set up everything that they need; the second time they start at once.
PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3.10 python3,$(shell command -v $(p) 2>/dev/null)))
BIN := .venv/bin
READY := .venv/ready

# Test processes: each may take 3 GB.
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test check emulator artifacts numbers peers clean
# Debian packages: qemu: devices; then those that only tests of real daemons need.
EMULATOR_PACKAGES := qemu-user gcc
BOARD_PACKAGES := qemu-user-static adb openssh-client iproute2

help: ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(READY) ## the main job on data that comes along: train, QAT, convert, verify, inspect, bench, report
	$(BIN)/edgekit demo -o demo

test: $(READY) ## the tests, with linters and types
	$(MAKE) check

check: $(READY) ## ruff, mypy strict, import layers, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

emulator: $(READY) ## tests on emulated ARM: cores, a real sshd and adbd (as root: it installs Debian packages)
	@for package in $(EMULATOR_PACKAGES) $(BOARD_PACKAGES); do \
	  dpkg -s $$package >/dev/null 2>&1 || missing="$$missing $$package"; done; \
	if [ -n "$$missing" ]; then apt-get update -qq && \
	  apt-get install -y -qq --no-install-recommends $$missing >/dev/null; fi
	$(BIN)/edgekit device create qemu
	$(BIN)/python -m pytest -m emulator

artifacts: $(READY) ## the tables inside the package that programs make: op versions of runtimes, fitted cores
	$(BIN)/python converters/op_versions.py
	$(BIN)/python benchmarks/predictor.py --fit

numbers: $(READY) ## every published figure, from benchmarks/, and README's tables (it installs MuJoCo)
	$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[all,mujoco]'
	$(BIN)/edgekit device create qemu
	for program in $$(grep -l -e --smoke benchmarks/*.py); do $(BIN)/python $$program || exit $$?; done
	$(BIN)/python benchmarks/tables.py README.md

peers: .venv-mediapipe/ready ## MediaPipe in an environment of its own (it wants numpy 2), for a test that skips without it

.venv-mediapipe/ready:
	@test -n "$(PYTHON)" || { echo "no python3 found: install Python 3.10, 3.11 or 3.12"; exit 1; }
	test -x .venv-mediapipe/bin/python || $(PYTHON) -m venv .venv-mediapipe
	.venv-mediapipe/bin/python -m pip install --quiet --disable-pip-version-check 'mediapipe==1.2.2' 'numpy>=2'
	@touch $@

clean: ## remove the environment and what was built
	rm -rf .venv .venv-mediapipe .venv-peers build dist *.egg-info demo

$(READY): setup.cfg constraints.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "no python3 found: install Python 3.10, 3.11 or 3.12"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3,10) <= sys.version_info[:2] <= (3,12))' || \
	  { echo "$(PYTHON) is $$($(PYTHON) -V), expected Python 3.10-3.12: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "setting up .venv with $$($(PYTHON) -V) (about a minute and 2.5 GB; once)"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[all]'
	$(BIN)/python -m pip check
	@touch $@

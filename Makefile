# make demo and make test work from a fresh clone: they make .venv first, with the pinned packages of requirements/.
# Needs Python 3.11 with venv, and pip's package index; no root.

VENV := .venv
PYTHON ?= $(shell for name in python3.11 python3 python; do \
	$$name -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && echo $$name && break; done)
PIP_INSTALL := $(VENV)/bin/python -m pip install --disable-pip-version-check --no-deps
RUNTIME := $(VENV)/.runtime-installed
TOOLS := $(VENV)/.tools-installed
COMPILE := $(VENV)/bin/uv pip compile --quiet --upgrade --generate-hashes --no-header --no-emit-index-url \
	--override left-out.txt --python-version 3.11 --python-platform x86_64-manylinux_2_28

.PHONY: help setup demo test lint bench pins

help:
	@echo 'make setup   install facejobs and the packages it needs in $(VENV)'
	@echo 'make demo    train, evaluate and export a recogniser of drawn faces; results in build/demo'
	@echo 'make test    run the tests              (ARGS="-k recordio" passes arguments to pytest)'
	@echo 'make lint    check style, types, the order of the rooms and shell scripts'
	@echo 'make bench   measure what the documentation claims about speed'
	@echo 'make pins    renew the pinned lists from requirements/*.in'

setup: $(RUNTIME)

demo: $(RUNTIME)
	sh jobs/quickstart.sh build/demo

test: $(TOOLS)
	$(VENV)/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(TOOLS)
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/shellcheck -x run_train.sh jobs/*.sh .ci/run
	$(VENV)/bin/hadolint Dockerfile

bench: $(TOOLS)
	@set -e; for script in benchmarks/*.py; do echo "== $$script"; $(VENV)/bin/python "$$script"; done

pins: $(TOOLS)
	cd requirements && ../$(COMPILE) cpu.in -o cpu.txt
	cd requirements && ../$(COMPILE) gpu.in -c cpu.txt -o ../requirements.txt
	cd requirements && ../$(COMPILE) dev.in -o dev.txt

$(RUNTIME): requirements/cpu.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo 'error: Python 3.11 was not found; install it, or name it: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
		{ echo 'error: $(PYTHON) is not Python 3.11, the newest one that MXNet 1.9.1 runs on' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
		{ echo 'error: $(PYTHON) has no venv module (Debian and Ubuntu: apt-get install python3.11-venv)' >&2; exit 1; }
	@for library in libgomp.so.1 libquadmath.so.0; do \
		$(PYTHON) -c "import ctypes; ctypes.CDLL('$$library')" 2>/dev/null || \
		{ echo "error: MXNet needs $$library (Debian and Ubuntu: apt-get install libgomp1 libquadmath0)" >&2; exit 1; }; done
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) --require-hashes -r requirements/cpu.txt
	$(PIP_INSTALL) --no-build-isolation -e .
	touch $@

$(TOOLS): $(RUNTIME) requirements/dev.txt
	$(PIP_INSTALL) --require-hashes -r requirements/dev.txt
	touch $@

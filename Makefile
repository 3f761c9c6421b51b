# Two commands for a fresh machine: `make demo` and `make test`. Every target sets up what it needs.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
# bpy 5.1 and later need Python 3.13; without one the newest Blender tested is 5.0.
PYTHON313 ?= $(shell for p in python3.13 $$HOME/.pyenv/versions/3.13*/bin/python3.13; do $$p -c '' 2>/dev/null && { command -v $$p; break; }; done)
BPY_OLDEST := 4.2.23
BPY_NEWEST := 5.2.3
OUT ?= out
GUI_ROOT ?= .gui/root

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SYSTEM_LIBRARIES := libxrender1 libxfixes3 libxi6 libxkbcommon0 libsm6 libgl1 libegl1 libgomp1
# Two processes: tests of one file stay together, since they share what is slow to make.
SPREAD := -n 2 --dist loadfile
EXAMPLES := examples/astronaut.png examples/grace_hopper.jpg

.PHONY: help setup demo test test-backend test-blender gui-root gui-test extension lint bench clean

help:
	@echo "make demo   set up, fit the portraits in examples/, write heads and pictures to $(OUT)/"
	@echo "make test   set up, run all tests"
	@echo "make gui-test  a real Blender window, mouse and backend; needs root and Debian"
	@echo "make extension  build dist/mien-*.zip for Blender's Install from Disk"
	@echo "make bench  print the table of time and memory"
	@echo "make lint   ruff"

setup: $(READY)

# The bpy wheels need these at import; only Debian-like systems are served automatically.
.PHONY: system
system:
	@missing=""; \
	if command -v dpkg-query >/dev/null; then \
	  for p in $(SYSTEM_LIBRARIES); do \
	    dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; \
	  done; \
	  if [ -n "$$missing" ]; then \
	    if [ "$$(id -u)" = 0 ]; then \
	      apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	    else echo "Blender's module needs these packages; run: sudo apt-get install$$missing"; exit 1; fi; \
	  fi; \
	fi

$(READY): pyproject.toml | system
	@test -n "$(PYTHON)" || { echo "Python 3.11 was not found: install it, or run make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
	  { echo "$(PYTHON) is not Python 3.11, which Blender's module needs: run make PYTHON=/path/to/python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[backend,blender,test,train]'
	touch $@

demo: $(READY)
	@for photo in $(EXAMPLES); do \
	  name=$$(basename $${photo%.*}); \
	  $(BIN)/mien fit $$photo -o $(OUT)/$$name --name $$name; \
	done
	@echo; echo "Look at:"; ls -1 $(OUT)/*/preview.png

test: test-backend test-blender

test-backend: $(READY)
	$(BIN)/ruff check .
	$(BIN)/python -m pytest $(SPREAD) tests --ignore=tests/blender

test-blender: $(READY)
	$(BIN)/python -m pytest $(SPREAD) tests/blender
	$(MAKE) --no-print-directory test-bpy VERSION=$(BPY_OLDEST) WITH=$(PYTHON)
	@if [ -n "$(PYTHON313)" ]; then \
	  $(MAKE) --no-print-directory test-bpy VERSION=$(BPY_NEWEST) WITH=$(PYTHON313); \
	else echo "No Python 3.13 here: Blender $(BPY_NEWEST) was not tested."; fi

# The same tests under another Blender: VERSION of the bpy wheel, WITH a Python that it fits.
.PHONY: test-bpy
test-bpy: | system
	@test -x .venv-bpy-$(VERSION)/bin/python || $(WITH) -m venv .venv-bpy-$(VERSION)
	@test -e .venv-bpy-$(VERSION)/.ready || \
	  { .venv-bpy-$(VERSION)/bin/python -m pip install -q --disable-pip-version-check bpy==$(VERSION) pytest pytest-xdist && \
	    touch .venv-bpy-$(VERSION)/.ready; }
	.venv-bpy-$(VERSION)/bin/python -m pytest $(SPREAD) tests/blender

# A Debian with a Blender that has a window; fails with a sentence where this machine cannot have one.
gui-root: $(READY)
	@$(BIN)/python tests/gui/run.py --root $(GUI_ROOT) --out $(OUT)/gui --only-root

gui-test: $(READY)
	@$(BIN)/python tests/gui/run.py --root $(GUI_ROOT) --out $(OUT)/gui

# Blender's own tool, out of the bpy wheel, checks and packs the extension.
extension: $(READY)
	mkdir -p dist
	tool=$$(ls $(BIN)/../lib/python3*/site-packages/bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py); \
	$(BIN)/python "$$tool" validate . && $(BIN)/python "$$tool" build --output-dir dist

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: $(READY)
	$(BIN)/python -m neural_backend.evaluation.speed $(EXAMPLES)

clean:
	rm -rf $(OUT) build dist

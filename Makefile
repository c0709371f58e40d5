# Everything that a developer does. Nothing but git, Python >= 3.11, Go, make, iproute2 and util-linux is needed: the
# first target that needs the environment or the lab's programs makes them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BROWSER := $(VENV)/.browser
GENERATED := crds charts/firebreak/crds docs

.DEFAULT_GOAL := help
.PHONY: help demo test test-unit explore lint format generate lab lab-down lab-build bench-detect bench-faults lock clean

help: ## Show what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 14

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

demo: $(READY) lab-build ## Contain three real AI incidents on a real control plane, end to end (ACT=act1: one; LAB=default: on that lab; KEEP=1: leave the lab)
	$(BIN)/python -m examples.demo $(or $(ACT),all) $(if $(LAB),--lab $(LAB)) $(if $(RUNS),--runs $(RUNS)) $(if $(KEEP),--keep)

$(BROWSER): requirements-browser.lock | $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-browser.lock
	@touch $@

test: $(READY) $(BROWSER) lab-build ## Run every test: unit, property, and integration on the lab
	$(BIN)/python -m pytest --numprocesses 2 --no-loadscope-reorder --durations=15

test-unit: $(READY) ## Run the tests that need no lab
	$(BIN)/python -m pytest tests/unit tests/property

explore: $(READY) ## Look longer, and elsewhere each time, for what breaks a property (ARGS="-k sampling": a part)
	$(BIN)/python -m pytest --hypothesis-profile thorough --numprocesses 2 tests/property $(ARGS)

lint: $(READY) ## Check format, rules, types, layers, and that generated files are up to date
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory generate
	git diff --exit-code -- $(GENERATED)

format: $(READY) ## Bring the code into the one format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

generate: $(READY) ## Write everything that is generated from the code: crds/, the chart's copy, reference pages
	$(BIN)/python -m firebreak.api.crd crds charts/firebreak/crds
	$(BIN)/python -m firebreak.api.reference docs/reference-api.md
	$(BIN)/python -m firebreak.app.reference docs

lab: $(READY) lab-build ## Leave a lab running: control plane, gateway, Prometheus and the operator, reached on loopback
	$(BIN)/python -m lab up --install --images examples/qa/images.yaml

lab-down: $(READY) ## End it
	$(BIN)/python -m lab down

lab-build: $(READY) ## Build the lab's programs once, into a per-user cache
	$(BIN)/python -m lab build

bench-detect: $(READY) ## Measure the detectors by simulation and write the tables of docs/detection.md
	$(BIN)/python -m bench.detect

bench-faults: $(READY) $(if $(filter no,$(LAB)),,lab-build) ## Kill, cut off, refuse and delay the operator at every write, in virtual time (ARGS="--story RollBack": a part), then on the lab (LABARGS likewise; LAB=no, SIMULATION=no: without)
	@status=0; \
	$(if $(filter no,$(SIMULATION)),,$(BIN)/python -m bench.faults $(ARGS) || status=1;) \
	$(if $(filter no,$(LAB)),,$(BIN)/python -m bench.faults.lab $(LABARGS) || status=1;) \
	exit $$status

lock: $(READY) ## Write requirements.lock from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --all-extras --generate-hashes --universal --python-version 3.11 -o requirements.lock --upgrade
	$(BIN)/uv pip compile requirements-browser.in --generate-hashes --universal --python-version 3.11 -o requirements-browser.lock --upgrade

clean: ## Remove what the targets above have made here (not the cache)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# Targets prepare what they need and say so. STACK=lab is a throw-away cluster on this machine;
# STACK=local is the cluster of the current kubeconfig.
STACK ?= lab
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python -m
export STACK

.DEFAULT_GOAL := help
.PHONY: help up preview down status test check lab

help: ## Print this help.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: $(VENV)/ready ## Build the images in the cluster and run one of them (STACK=lab, ENGINE=pulumi|direct).
	@$(RUN) cli up

preview: $(VENV)/ready ## Show what `make up` would change, and why; starts nothing.
	@$(RUN) cli preview

down: $(VENV)/ready ## Remove everything of the stack; with LAB=1 the lab as well.
	@$(RUN) cli down $(if $(filter 1,$(LAB)),--lab)

status: $(VENV)/ready ## Show the builds in the cluster: state, step, attempts, age, digest.
	@$(RUN) cli status

test: check $(VENV)/ready-dev ## Run all tests: unit, on the lab's cluster, and with the Pulumi engine.
	@$(RUN) lab up
	@$(RUN) pytest tests/lab tests/engine

check: $(VENV)/ready-dev ## Lint, format, types and unit tests, under a minute.
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy
	@$(RUN) pytest -q tests/unit

lab: $(VENV)/ready ## Start the lab: a real single-node Kubernetes on this machine.
	@$(RUN) lab up

$(VENV)/bin/python:
	@./prepare $(PYTHON) $(VENV)

$(VENV)/ready: requirements.txt | $(VENV)/bin/python
	@echo "Installing the packages of requirements.txt into $(VENV) ..."
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

$(VENV)/ready-dev: requirements-dev.txt $(VENV)/ready
	@echo "Installing the packages of requirements-dev.txt into $(VENV) ..."
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

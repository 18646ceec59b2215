# `make` alone lists what there is. Everything runs from the virtual environment .venv, which is made when needed.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VM_SET ?= main
INVENTORY ?= local
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/slipway
export PATH := $(CURDIR)/.venv/bin:$(PATH)

up down status refresh bundle: INVENTORY := testbed
set = -e vm_set=$(VM_SET) $(if $(WORKERS),-e vm_workers=$(WORKERS))
play = ansible-playbook -i inventories/$(INVENTORY) $(if $(filter testbed,$(INVENTORY)),$(set))
of_ansible = $(addprefix --ignore=tests/unit/,counter faults load publisher redis slipwayctl worker) # without those that know nothing of Ansible
junit = $(if $(SLIPWAY_JUNIT),--junit-xml=$(SLIPWAY_JUNIT))

##@ Try it out, on VMs made here (VM_SET=main)
up: venv ## Kubernetes on VMs, and the main job shown on it (WORKERS=2)
	$(play) playbooks/vms.yml playbooks/site.yml \
	  $(if $(filter main,$(VM_SET)),playbooks/demo.yml) playbooks/status.yml

down: venv ## Remove the VMs, and all they left on this machine
	$(play) -e vm_state=absent playbooks/vms.yml

status: venv ## Nodes, versions, addresses and the line to paste to use kubectl
	@$(play) playbooks/status.yml

refresh: venv ## Rebuild the image of a role if its sources changed, and roll it out (ROLE=name)
	$(play) -e refresh_role=$(or $(ROLE),$(error say which: make $@ ROLE=name)) playbooks/refresh.yml

bundle: venv ## Build or fetch the binaries and images of Kubernetes, and the tools of the tests
	$(play) -e '{"bundle_tags": ["core", "addons", "services", "tests"]}' playbooks/bundle.yml

##@ Use it (INVENTORY=local)
site: venv ## Install on the hosts of an inventory
	$(play) playbooks/site.yml

remove: venv ## Take off the hosts of an inventory what site put there; asks first (CONFIRM=yes)
	$(play) $(if $(CONFIRM),-e confirm=$(CONFIRM)) playbooks/remove.yml

kubeconfig: venv ## Merge the context into your own kubeconfig (CONTEXT=name)
	@$(play) -e kubeconfig_name=$(or $(CONTEXT),$(error say under which name: make $@ CONTEXT=name)) playbooks/kubeconfig.yml

##@ Test it
test: dev ## Every stage of tests/stages.toml, as root (KEEP=1 keeps the VMs for the next run)
	@python -m tests.stages

lint: dev next ## ruff, mypy, yamllint, ansible-lint, ansible-test sanity, the engine's imports
	@python tools/lint.py

unit: dev next ## No network, no root; with the newest ansible-core too
	pytest $(junit)
	[ ! -d $(CACHE)/venv-next ] || $(CACHE)/venv-next/bin/pytest $(of_ansible) $(junit:.xml=-next.xml)

integration: together alone ## Against etcd and kube-apiserver of the bundle, with faults between

together: dev # two tests at a time
	pytest tests/integration --numprocesses=2 --dist=loadfile -m 'not alone' $(junit)

alone: dev # those that measure
	pytest tests/integration -m alone $(junit:.xml=-alone.xml)

packaging: dev ## The collection's tarball, installed into an empty place
	pytest tests/packaging $(junit)

machines: dev ## VMs killed while they are made, made twice, cleared and removed; then the role minikube on one
	pytest tests/machines $(junit)
	molecule test --scenario-name minikube

molecule: dev ## The whole site on VMs of its own, then the live suites (KEEP=1)
	$(if $(KEEP),,molecule destroy --no-report)
	molecule test --all --exclude minikube $(if $(KEEP),--destroy=never)

bench: dev ## This, kubectl and kubernetes.core in turns, on the VMs of make up; then 500 clusters, and the worker, on simulated nodes
	@tools/venv $(CACHE)/venv-bench requirements/bench.txt
	@PYTHONPATH=collections SLIPWAY_VM_SET=$(VM_SET) python -m tests.bench
	@PYTHONPATH=collections python -m tests.bench.scale
	@PYTHONPATH=collections python -m tests.bench.worker

load: dev ## The pool of make up scaled out by requests, and back, as the listing follows; ends with a plot (DURATION=90 RATE=400)
	@PYTHONPATH=collections SLIPWAY_VM_SET=$(VM_SET) python -m tests.load $(or $(DURATION),90) $(or $(RATE),400)

drill: dev ## The long and destructive runs, resumable (ONLY=name: a wrong one lists them)
	@PYTHONPATH=collections SLIPWAY_VM_SET=$(VM_SET) python -m tests.drills $(ONLY)

##@ Package it, and clean up
build: venv ## The collection's tarball for Ansible Galaxy, in build/
	@rm -rf build/collection && mkdir -p build
	@cp -a collections/ansible_collections/slipway/cloud build/collection
	@cp -a roles playbooks LICENSE build/collection/
	ansible-galaxy collection build --force --output-path build build/collection

clean: ## Say what the caches hold and free it
	@tools/clean .venv build $(CACHE)

help:
	@awk -F ':.*## ' '/^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z]+:.*## / {printf "  %-13s%s\n", $$1, $$2}' Makefile

venv:
	@tools/venv .venv requirements/runtime.txt
	@tools/worker .venv

dev: venv
	@tools/venv .venv requirements/dev.txt

next:
	@tools/venv-next $(CACHE)/venv-next requirements/next.txt

.PHONY: $(MAKECMDGOALS) help

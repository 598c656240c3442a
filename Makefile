# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Python 3.11 or newer. For another one beside it: make test PYTHON=python3.13 VENV=.venv/3.13
PYTHON ?= python3
VENV ?= .venv
# Two processes for each core: many tests wait for a server or a playbook.
WORKERS ?= $(shell expr 2 \* $$(getconf _NPROCESSORS_ONLN))
# The folder Ansible, mypy and coverage know the collection from; tests/conftest.py makes it.
export ANSIBLE_COLLECTIONS_PATH = $(CURDIR)/.build/tree
unexport PYTHONPATH
# Without compiled files each of the many processes that tests start would compile every module again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test check generate docs sanity laws mutants clients emulator-clients eland compare faults bench bench-emulator bench-upload build clean python
.DEFAULT_GOAL := help

help:
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  make %-16s %s\n", $$1, $$2 }'

demo: $(VENV)/demo/.made ## watch the collection work, against an emulated Elasticsearch on this machine
	tests/demo.sh $(VENV)/demo/bin

test: $(VENV)/test/.made $(VENV)/awx/.made ## run every test, with coverage (those of the checkout itself are in check)
	$(VENV)/test/bin/pytest tests --ignore tests/checks -n $(WORKERS) --dist worksteal --cov --cov-report=
	$(VENV)/test/bin/coverage report --skip-covered
	@echo "The planners and the runner: every branch."
	$(VENV)/test/bin/coverage report --skip-covered --fail-under=100 \
	  --include='plugins/module_utils/_deployment/plan/*,plugins/module_utils/_deployment/apply/*,plugins/module_utils/_deployment/recovery/*,plugins/module_utils/_deployment/*.py,plugins/module_utils/_core/run/*,plugins/module_utils/_core/plan.py,plugins/module_utils/_core/write_outcome.py,plugins/module_utils/_alias/*,plugins/module_utils/_model/*.py,plugins/module_utils/_cache/*,plugins/module_utils/_upgrade_mode/*,plugins/module_utils/_upgrade_guard/*,plugins/module_utils/_region_policy/*,plugins/module_utils/_semantic_text/*,plugins/module_utils/_model/upload/*,plugins/module_utils/_inference/*,plugins/module_utils/_watch/*,plugins/module_utils/_rescue/*,plugins/module_utils/_ml/inference.py,plugins/module_utils/_planner/*,plugins/module_utils/_capacity/*,plugins/module_utils/_capacity_info/*,plugins/module_utils/_consumers/*,plugins/module_utils/_model_info/*,plugins/module_utils/_endpoint/*,plugins/module_utils/_endpoint_info/*,plugins/plugin_utils/survey/*,plugins/filter/*,plugins/plugin_utils/rollout/*'

check: $(VENV)/check/.made $(VENV)/test/.made ## run every linter, documentation check and ansible-test sanity
	tests/checks/run $(VENV)

generate: $(VENV)/test/.made ## write what modules and roles share (check fails where it was forgotten)
	PYTHONPATH=tests $(VENV)/test/bin/python tests/generate_docs.py

docs: $(VENV)/docs/.made ## build the documentation as a site, into .build/docs/html
	PATH="$(abspath $(VENV))/docs/bin:$$PATH" docs/site/build

sanity: $(VENV)/check/.made ## run ansible-test sanity alone
	tests/checks/sanity $(VENV)/sanity $(PYTHON)

laws: $(VENV)/test/.made ## try every law on every pair of states and tasks, with every version and every privilege
	RANDOM_SEARCH=full $(VENV)/test/bin/pytest tests/laws tests/unit/faults/test_play.py -n $(WORKERS) --dist worksteal

mutants: $(VENV)/test/.made ## plant each fault of tests/mutants, and check that the tests catch it
	PYTHONPATH=tests $(VENV)/test/bin/python -m mutants.run

clients: $(VENV)/test/.made ## run the tests that use the client with the oldest and the newest elasticsearch-py
	$(VENV)/test/bin/python tests/clients/run.py

emulator-clients: $(VENV)/test/.made ## run the life cycles of all pinned official clients against the emulator
	CI=true $(VENV)/test/bin/pytest tests/emulator_tests/test_client_life_cycles.py tests/integration/test_clients.py -m ""

eland: $(VENV)/eland/.made $(VENV)/test/.made ## let eland and the collection use each other's models, on the emulator
	$(VENV)/test/bin/python tests/eland/run.py $(abspath $(VENV))/eland/bin/python

compare: $(VENV)/test/.made ## compare the emulator with its oracle over thousands of random schedules and requests
	RANDOM_SEARCH=full $(VENV)/test/bin/pytest tests/emulator_tests/test_random_*.py tests/emulator_tests/test_planner_rules.py

faults: $(VENV)/test/.made ## play random faults, races and kills, and judge each by the laws (ten minutes, or MINUTES=...)
	PYTHONPATH=tests $(VENV)/test/bin/python -m faults --minutes $(or $(MINUTES),10)

bench: $(VENV)/bench/.made ## measure tasks beside uri and debug (ten minutes)
	@mkdir -p .build
	$(VENV)/bench/bin/python tests/bench/run.py --json .build/bench.json --plots docs/images --page docs/speed.md

bench-emulator: $(VENV)/demo/.made ## measure the emulator: requests a second, start-up, memory
	$(VENV)/demo/bin/python tests/bench/emulator_cost.py

bench-upload: $(VENV)/test/.made ## measure uploads of a model beside eland's way (BYTES=256mb for less than 5 GB), and killed ones
	$(VENV)/test/bin/python tests/bench/upload.py --bytes $(or $(BYTES),5gb)
	$(VENV)/test/bin/python tests/bench/upload.py --bytes 64mb --part-size 256kb --kills 30

build: $(VENV)/demo/.made ## build the collection's tarball into .build
	$(VENV)/demo/bin/ansible-galaxy collection build --force --output-path .build

clean: ## delete the virtual environments and everything built
	rm -rf .venv .build .ansible .cache .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache

# One environment for each use, made again when its requirements change.
$(VENV)/demo/.made: requirements/demo.txt
$(VENV)/test/.made: requirements/demo.txt requirements/test.txt
$(VENV)/bench/.made: requirements/demo.txt requirements/bench.txt
$(VENV)/docs/.made: requirements/docs.txt
$(VENV)/eland/.made: requirements/eland.txt
$(VENV)/check/.made: requirements/demo.txt requirements/test.txt requirements/docs.txt requirements/check.txt
# Of the package ansible, which has a hundred collections, the one for AWX: two seconds, and 1 MB on the disk.
$(VENV)/awx/.made: requirements/awx.txt | $(VENV)/test/.made
	rm -rf $(@D) && mkdir -p $(@D)
	$(VENV)/test/bin/pip download --quiet --disable-pip-version-check --no-deps --ignore-requires-python --dest $(@D) -r $<
	$(VENV)/test/bin/python -c 'import sys, zipfile; file = zipfile.ZipFile(sys.argv[1]); \
	  file.extractall(sys.argv[2], [name for name in file.namelist() if name.startswith("ansible_collections/awx/")])' $(@D)/*.whl $(@D)
	rm $(@D)/*.whl
	@touch $@
$(VENV)/%/.made: | python
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check -r requirements/$*.txt
	@touch $@

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'

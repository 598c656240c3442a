# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make the collection importable from a checkout, and take the person's own clusters out of reach."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import typing as t
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TREE = ROOT / ".build" / "tree"
SLOWEST = (
    *("test_molecule.py", "test_secrets.py", "test_role_airgap_models.py", "test_examples.py", "test_scenarios.py"),
    *(
        "test_awx_setup.py",
        "test_playbooks.py",
        "test_roles.py",
        "test_role_model_rollout.py",
        "test_role_upgrade_guard.py",
    ),
    *("test_role_rescue.py", "test_scale.py", "test_report.py"),
    *("test_bench.py", "test_demo.py", "test_forked_runs.py", "test_dry_run_of_a_playbook.py", "test_clients.py"),
    *("test_client_life_cycles.py", "test_client_authentication.py"),
)


def _link_collection() -> None:
    """Let TREE hold the checkout under the name Ansible gives it."""
    link = TREE / "ansible_collections" / "mlops" / "elasticsearch"
    link.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):  # parallel test processes all come here
        link.symlink_to("../../../..", target_is_directory=True)


def _use_paths() -> None:
    """Import from TREE and tests/, here and in every process the tests start."""
    ours = [str(TREE), str(ROOT / "tests")]
    sys.path[:0] = [path for path in ours if path not in sys.path]
    theirs = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and path not in ours]
    os.environ["PYTHONPATH"] = os.pathsep.join(ours + theirs)
    os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(TREE)


def _forget_clusters() -> None:
    """Delete what would lead a test to a real cluster: a shell may hold credentials of production."""
    proxies = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"}
    for name in list(os.environ):
        if name.upper().startswith(("ELASTICSEARCH_", "ELASTIC_")) or name.upper() in proxies:
            del os.environ[name]


def _shrink_nothing() -> None:
    """Let Hypothesis show the first failing example, for runs that only ask whether there is one."""
    if os.environ.get("NO_SHRINKING"):
        from hypothesis import Phase, settings

        settings.register_profile("no shrinking", phases=[Phase.explicit, Phase.generate])
        settings.load_profile("no shrinking")


_link_collection()
_use_paths()
_forget_clusters()
_shrink_nothing()


def pytest_collection() -> None:
    """Keep the garbage collector from looking again and again at thousands of tests while they are collected."""
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def _begins_late(item: t.Any) -> tuple[bool, int]:
    """Let the slowest tests begin first, so that no process is left with one of them in the end."""
    folder, name = item.path.parent.name, item.path.name
    return folder != "integration", SLOWEST.index(name) if name in SLOWEST else len(SLOWEST)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: t.Any, items: list[t.Any]) -> None:
    """Measure coverage in the unit tests alone: it doubles the time of tests that run in this process."""
    if hasattr(config, "workerinput"):
        items.sort(key=_begins_late)
    if config.pluginmanager.hasplugin("_cov"):
        for item in items:
            if ROOT / "tests/unit" not in item.path.parents:
                item.add_marker("no_cover")


def pytest_terminal_summary(terminalreporter: t.Any) -> None:
    """Print the tables that tests have recorded, those of other processes too."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, text in report.user_properties:
            if name == "table" and report.when == "call":
                terminalreporter.write_sep("-", report.nodeid)
                terminalreporter.write_line(text)

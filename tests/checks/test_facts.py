# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that documentation, roles, playbooks and examples read facts below ``ansible_facts``.

ansible-core 2.22 warns of the variables that Ansible makes of facts, and later versions make none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from checks.collection import ROOT, documentation, versioned_files

PLACES = ("README.md", "docs/docsite/", "extensions/", "playbooks/", "plugins/modules/", "roles/", "tests/demo/")
# Variables of Ansible that are no facts of a host.
MAGIC = {
    "ansible_check_mode",
    "ansible_collections",
    "ansible_connection",
    "ansible_facts",
    "ansible_failed_result",
    "ansible_failed_task",
    "ansible_playbook_python",
    "ansible_python_interpreter",
    "ansible_version",
}
_EXPRESSION = re.compile(
    r"(?s:\{\{.*?\}\}|\{%.*?%\})|^ *(?:- )?(?:var|that|when|until|failed_when|changed_when|loop): .*$", re.M
)


def our_facts() -> set[str]:
    """Return the default names of the facts that modules set."""
    options = [module["options"].get("fact_name", {}) for module in documentation().values()]
    return {option["default"] for option in options if option.get("default")}


def injected(text: str) -> Iterator[str]:
    """Yield each variable that Ansible makes of a fact, in the expressions of *text*."""
    facts = "|".join(sorted(our_facts()))
    for expression in _EXPRESSION.findall(text):
        yield from re.findall(rf"(?<![\w.'\"])(?:{facts})\b", expression)
        yield from set(re.findall(r"(?<![\w.'\"/])ansible_\w+", expression)) - MAGIC


@pytest.mark.parametrize("path", sorted(path for path in versioned_files() if path.startswith(PLACES)))
def test_facts_are_read_below_ansible_facts(path: str) -> None:
    assert list(injected((ROOT / path).read_text(errors="replace"))) == []


@pytest.mark.parametrize(
    "text",
    [
        "{{ elasticsearch_ml_deployments | list }}",
        "var: elasticsearch_ml_deployments.sentiment",
        "{{ ansible_hostname }}",
        "{{\n  ansible_hostname\n}}",
        "when: ansible_date_time.hour == '3'",
    ],
)
def test_an_injected_variable_is_noticed(text: str) -> None:
    assert list(injected(text))


@pytest.mark.parametrize(
    "text",
    [
        "{{ ansible_facts.elasticsearch_ml_deployments }}",
        "fact_name: elasticsearch_ml_deployments",
        "when: true\nfact_name: elasticsearch_ml_deployments",
    ],
)
def test_other_texts_are_not(text: str) -> None:
    assert not list(injected(text))

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the documentation: blocks of the modules, and YAML of READMEs and guides."""

from __future__ import annotations

import ast
import re
import textwrap
import typing as t
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
WITHOUT_CLUSTER = {"survey_answers"}
"""Modules that are their action plugins alone: they connect to nothing."""
MODULES = sorted({path.stem for path in (ROOT / "plugins/modules").glob("*.py")} - {"__init__", *WITHOUT_CLUSTER})
_MARKDOWN = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_GUIDE = re.compile(r"^( *)\.\. code-block:: yaml(?:\+jinja)?\n\n((?:\1 +.*\n|\n)+)", re.MULTILINE)


class _Loader(yaml.SafeLoader):
    """A loader that knows the tag of texts which Ansible does not template."""


_Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(t.cast(yaml.ScalarNode, node)))

_ROW = re.compile(r"^   \* - (.*?)(?=^   \* - |^\S|\Z)", re.MULTILINE | re.DOTALL)


def block(module: str, name: str) -> t.Any:
    """Return DOCUMENTATION, EXAMPLES or RETURN of a module, parsed."""
    for node in ast.parse((ROOT / f"plugins/modules/{module}.py").read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name:
            return yaml.safe_load(ast.literal_eval(node.value))
    raise LookupError(f"{module} has no {name}")


def loaded(text: str) -> t.Any:
    """Return what YAML of Ansible says, with texts that it does not template as texts."""
    return yaml.load(text, _Loader)


def variables(guide: str) -> dict[str, t.Any]:
    """Return the only example of a guide that is a file of variables."""
    text = (ROOT / f"docs/docsite/rst/{guide}.rst").read_text()
    [found] = [each for match in _GUIDE.finditer(text) if isinstance(each := loaded(textwrap.dedent(match[2])), dict)]
    return t.cast("dict[str, t.Any]", found)


def plays() -> Iterator[tuple[str, str]]:
    """Yield every playbook of the READMEs and guides: a name for it, and its text."""
    texts = [*ROOT.glob("*.md"), *ROOT.glob("roles/*/README.md"), *ROOT.glob("docs/docsite/rst/*.rst")]
    for path in sorted(texts):
        text = path.read_text()
        found = [textwrap.dedent(match[2]) for match in _GUIDE.finditer(text)] + _MARKDOWN.findall(text)
        for each in found:
            parsed = loaded(each)
            # Other YAML than a list is a file of another kind, such as requirements.yml.
            if isinstance(parsed, list):
                yield f"{path.relative_to(ROOT)}: {parsed[0]['name']}", each


def rows(guide: str) -> list[list[str]]:
    """Return the rows of all list-tables of a guide without their heads, as cells on one line each."""
    text = (ROOT / f"docs/docsite/rst/{guide}.rst").read_text()
    found = []
    for table in text.split(".. list-table::")[1:]:
        _head, *rest = (re.split(r"^     - ", match, flags=re.MULTILINE) for match in _ROW.findall(table))
        found += [[" ".join(cell.split()) for cell in row] for row in rest]
    return found

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Define the layers of the plugins, and draw their picture for the page about the architecture.

Usage: PYTHONPATH=tests python -m checks.layers    (draws the picture again, from the imports)
"""

from __future__ import annotations

import collections
import re

from checks.collection import NAME, PLUGINS, ROOT, imports, python_files

OURS = f"ansible_collections.{NAME}.plugins."
PAGE = ROOT / "docs/development/architecture.md"
BLOCK = re.compile(r"```mermaid\n.*?```\n", re.DOTALL)

# A file may import from its own folder and from folders further down. Those of one row do not know each other.
RESOURCES = ("_deployment",)
ROWS = (
    ("doc_fragments",),
    ("module_utils/_core",),
    ("module_utils/_core/options",),
    ("module_utils/_core/http",),
    ("module_utils/_core/run",),
    ("module_utils/_planner",),
    ("module_utils/_ml",),
    ("module_utils/_consumers", "module_utils/_capacity"),
    ("module_utils/_model/upload",),
    *(
        tuple(f"module_utils/{resource}/{layer}" for resource in RESOURCES for layer in layers)
        for layers in (("records",), ("options",), ("plan", "api"), ("recovery",), ("apply",))
    ),
    (
        *(f"module_utils/{resource}" for resource in RESOURCES),
        "module_utils/_alias",
        "module_utils/_cache",
        "module_utils/_endpoint_info",
        "module_utils/_endpoint",
        "module_utils/_inference",
        "module_utils/_model",
        "module_utils/_model_info",
        "module_utils/_region_policy",
        "module_utils/_semantic_text",
        "module_utils/_upgrade_guard",
        "module_utils/_upgrade_mode",
        "module_utils/_watch",
    ),
    ("module_utils/_capacity_info", "module_utils/_rescue"),
    ("plugin_utils/survey",),
    ("plugin_utils",),
    ("modules", "action", "inventory", "filter", "lookup", "test"),
)
ROW = {folder: row for row, folders in enumerate(ROWS) for folder in folders}


def folder_of(dotted: str) -> str | None:
    """Return the deepest folder of ROWS that holds a module or a file, given with slashes or dots, if there is one."""
    slashed = dotted.replace(".", "/")
    return max((folder for folder in ROW if slashed.startswith(f"{folder}/")), key=len, default=None)


def imported_folders() -> dict[str, set[str]]:
    """Return the folders that the files of each folder import from."""
    found: dict[str, set[str]] = collections.defaultdict(set)
    for path in python_files("plugins"):
        folder = folder_of(str(path.relative_to(PLUGINS)))
        targets = {folder_of(name.removeprefix(OURS)) for name in imports(path) if name.startswith(OURS)}
        if folder:
            found[folder] |= {target for target in targets if target and target != folder}
    return dict(found)


def drawn() -> str:
    """Return the picture: an arrow for each import that does not follow from others."""
    edges = imported_folders()
    below = {folder: _reached(folder, edges) for folder in edges}
    lines = ["```mermaid", "flowchart TD"]
    for folder in sorted(edges, key=lambda folder: (-ROW[folder], folder)):
        direct = {target for target in edges[folder] if not any(target in below[via] for via in edges[folder])}
        lines += [f"    {_node(folder)} --> {_node(target)}" for target in sorted(direct)]
    return "\n".join([*lines, "```", ""])


def _reached(folder: str, edges: dict[str, set[str]]) -> set[str]:
    """Return all folders below *folder*."""
    found: set[str] = set()
    ahead = set(edges.get(folder, ()))
    while ahead:
        target = ahead.pop()
        found.add(target)
        ahead |= edges.get(target, set()) - found
    return found


def _node(folder: str) -> str:
    name = folder.removeprefix("module_utils/")
    return f"{name.replace('/', '.')}[{name}]"


if __name__ == "__main__":
    PAGE.write_text(BLOCK.sub(lambda _match: drawn(), PAGE.read_text(), count=1))

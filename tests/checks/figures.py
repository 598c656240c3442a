# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Print figures about the plugins: lines, functions, docstrings, planted faults.

Usage: PYTHONPATH=tests python -m checks.figures [checkout]    (this one, unless another is given)
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from checks.collection import ROOT
from checks.test_size import length, undocumented_length
from checks.test_words import DOCUMENTED, FIRST_WORDS

LONG = 30
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def figures(root: Path) -> dict[str, int]:
    """Return each figure by its name."""
    texts = [path.read_text() for path in sorted((root / "plugins").rglob("*.py"))]
    trees = [ast.parse(text) for text in texts]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    docstrings = [docstring for node in nodes if isinstance(node, DOCUMENTED) if (docstring := ast.get_docstring(node))]
    functions = [undocumented_length(node, length(node)) for node in nodes if isinstance(node, FUNCTIONS)]
    lines = [len(text.splitlines()) for text in texts]
    return {
        "files": len(texts),
        "lines": sum(lines),
        "lines without documentation": sum(map(undocumented_length, trees, lines)),
        "functions": len(functions),
        f"functions over {LONG} lines": sum(number > LONG for number in functions),
        "docstrings": len(docstrings),
        "docstrings that begin with What, Whether, Who and the like": sum(
            map(bool, map(FIRST_WORDS.match, docstrings))
        ),
    }


if __name__ == "__main__":
    for name, number in figures(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT).items():
        print(f"{number:6} {name}")

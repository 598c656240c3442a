# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the checkout for the checks: its files, its metadata, its documentation as Ansible prints it."""

from __future__ import annotations

import ast
import functools
import json
import os
import subprocess
import sys
import typing as t
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
PLUGINS = ROOT / "plugins"
NAME = "mlops.elasticsearch"


def read_yaml(path: str) -> t.Any:
    return yaml.safe_load((ROOT / path).read_text())


def versioned_files() -> set[str]:
    """Return what a commit of everything would hold, as paths from the root: new files too, ignored ones not."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    return {path for path in listed.split("\0") if path and (ROOT / path).is_file()}


def python_files(folder: str = "") -> list[Path]:
    """Return the Python files below *folder*, or of the whole checkout."""
    start = f"{folder}/" if folder else ""
    return sorted(ROOT / path for path in versioned_files() if path.startswith(start) and path.endswith(".py"))


def modules() -> list[str]:
    return sorted(path.stem for path in PLUGINS.glob("modules/*.py") if path.stem != "__init__")


def run_tool(*command: str) -> str:
    """Return the output of a program that came with this Python's packages."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / command[0]), *command[1:]],
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@functools.cache
def documentation() -> dict[str, dict[str, t.Any]]:
    """Return the documentation of each module, fragments merged in, by the module's short name."""
    names = [f"{NAME}.{module}" for module in modules()]
    if not names:
        return {}
    printed = json.loads(run_tool("ansible-doc", "--type", "module", "--json", *names))
    return {name.removeprefix(f"{NAME}."): entry["doc"] for name, entry in printed.items()}


def imports(path: Path) -> Iterator[str]:
    """Yield dotted names of all that a file imports, relative ones spelled out; those within functions too."""
    package = f"ansible_collections.{NAME}." + ".".join(path.relative_to(ROOT).parent.parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            # Of `from a import b` no one can tell here whether b is a module: the longer name serves both.
            yield from (f"{module}.{alias.name}" for alias in node.names)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read files of the YAML test format.

Documents of one key each, ``setup``, ``teardown``, ``requires`` or a test's name.

Source of the format: the README files of elastic/elasticsearch-clients-tests and of elastic/elasticsearch's
rest-api-spec, and the tests themselves.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

Step = dict[str, Any]
_ROOTS: Final = ("test", "tests")


class Loader(yaml.SafeLoader):
    """As JSON has it: a date stays text."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclasses.dataclass
class Suite:
    """One file."""

    name: str
    setup: list[Step]
    teardown: list[Step]
    tests: dict[str, list[Step]]
    stack: bool = True
    serverless: bool = True


def load(path: Path) -> Suite:
    """Read a file; raise ``ValueError`` if it is no test suite."""
    suite = Suite(_name(path), [], [], {})
    # Tabs inside block texts are fine, but some tests have them between keys.
    for document in yaml.load_all(path.read_text("utf-8").replace("\t", "  "), Loader):
        if document is None:
            continue
        if not isinstance(document, dict):
            raise ValueError(f"{path}: not a test suite")
        for key, value in document.items():
            _add(suite, str(key), value)
    return suite


def _add(suite: Suite, key: str, value: Any) -> None:
    if key == "requires" and isinstance(value, dict):
        suite.stack = bool(value.get("stack", False))
        suite.serverless = bool(value.get("serverless", False))
    elif key == "setup":
        suite.setup += value or []
    elif key == "teardown":
        suite.teardown += value or []
    else:
        suite.tests[key] = value or []


def _name(path: Path) -> str:
    """Return ``machine_learning/10_trained_model``: from the innermost folder called test or tests."""
    parts = list(path.resolve().with_suffix("").parts)
    start = max((index for index, part in enumerate(parts[:-1]) if part in _ROOTS), default=len(parts) - 3)
    return "/".join(parts[start + 1 :])


def find(path: Path) -> Iterator[Path]:
    """Return the files of a folder, or the one file."""
    if path.is_file():
        yield path
        return
    folder = next((inner for name in _ROOTS if (inner := path / name).is_dir()), path)
    yield from sorted(each for each in folder.rglob("*") if each.suffix in (".yml", ".yaml"))


class Expected:
    """Tests that cannot pass, each with a reason; a name may be a pattern."""

    def __init__(self, listed: dict[str, str]) -> None:
        self._listed = listed

    @classmethod
    def read(cls, path: Path) -> Expected:
        """Read a JSON file."""
        listed: dict[str, str] = json.loads(path.read_text("utf-8"))
        empty = [name for name, reason in listed.items() if not reason.strip()]
        if empty:
            raise ValueError(f"{path}: no reason for {', '.join(empty)}")
        return cls(listed)

    def reason(self, name: str) -> str | None:
        """Return why a test cannot pass; ``None`` if it should."""
        if name in self._listed:
            return self._listed[name]
        return next((reason for pattern, reason in self._listed.items() if fnmatch.fnmatchcase(name, pattern)), None)

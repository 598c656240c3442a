# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the release: the tarball's content, and versions that are written in more than one place."""

from __future__ import annotations

import re
import tarfile
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.version import Version

from checks.collection import ROOT, documentation, modules, read_yaml, run_tool, versioned_files

# What a user needs; tests/config.yml tells `ansible-test` which Pythons the modules support.
PUBLISHED = re.compile(
    r"(changelogs|docs|extensions|LICENSES|meta|playbooks|plugins|roles)/|(README\.md|REUSE\.toml|CHANGELOG\.md|tests/config\.yml)$"
)
NOT_PUBLISHED = re.compile(r"(extensions/molecule|docs/development|docs/site)/")


def test_tarball_holds_what_users_need_and_nothing_else(tmp_path: Path) -> None:
    run_tool("ansible-galaxy", "collection", "build", "--output-path", str(tmp_path))
    [tarball] = tmp_path.glob("*.tar.gz")
    with tarfile.open(tarball) as archive:
        packed = {member.name for member in archive.getmembers() if not member.isdir()}
    assert packed - {"MANIFEST.json", "FILES.json"} == {
        path for path in versioned_files() if PUBLISHED.match(path) and not NOT_PUBLISHED.match(path)
    }


def floor(path: str, package: str) -> str:
    """Return the lowest version that a requirements file accepts."""
    [found] = re.findall(rf"^{package}>=([\d.]+)$", (ROOT / path).read_text(), re.MULTILINE)
    return str(found)


def test_floors_agree() -> None:
    assert floor("requirements/demo.txt", "elasticsearch") == floor("meta/ee-requirements.txt", "elasticsearch")
    assert f">={floor('requirements/demo.txt', 'ansible-core')}" == read_yaml("meta/runtime.yml")["requires_ansible"]


def test_changelog_is_not_ahead() -> None:
    releases = read_yaml("changelogs/changelog.yaml")["releases"]
    assert all(Version(release) <= Version(read_yaml("galaxy.yml")["version"]) for release in releases)


def versions_added(documented: dict[str, t.Any]) -> Iterator[str]:
    """Yield every `version_added` of a module, its options and their suboptions."""
    if "version_added" in documented:
        yield str(documented["version_added"])
    for key in ("options", "suboptions"):
        for option in (documented.get(key) or {}).values():
            yield from versions_added(option)


@pytest.mark.parametrize("module", modules())
def test_version_added_is_a_version_of_ours(module: str) -> None:
    versions = list(versions_added(documentation()[module]))
    assert versions, "the module has none"
    assert all(Version(version) <= Version(read_yaml("galaxy.yml")["version"]) for version in versions)

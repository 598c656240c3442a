# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the table of versions, and that the guide has the same one."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.features import Feature
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.server import Server
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.endpoint_versions import (
    CHANGES,
    NOWHERE,
    PRESETS,
    TABLE,
    Row,
    Ways,
    ways,
)

GUIDE = Path(__file__).parents[3] / "docs" / "docsite" / "rst" / "references.rst"


def shown(found: Ways) -> str:
    through = {0: "", 1: "endpoint", 2: "endpoint, in two requests"}[found.endpoint]
    return " or ".join(filter(None, [through, "deployment" if found.deployment else ""])) or "no way"


def rows(table: t.Sequence[Row], name: str) -> list[list[str]]:
    """Return *table* as the guide has it."""
    ends = [f" to {feature.since[0]}.{feature.since[1] - 1}" for feature, _row in table[1:]]
    listed = []
    for (feature, row), end in zip(table, [*ends, " and newer"], strict=True):
        first = feature.first_version
        cells = [shown(row[change]) if change in row else "not there" for change in CHANGES]
        listed.append([first + (end if end != f" to {first}" else "") + name, *cells])
    return listed


def test_the_guide_has_the_same_table() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    table = text[text.index(".. list-table:: What goes where") :]
    found = re.findall(r"   \* - (.+)\n     - (.+)\n     - (.+)\n     - (.+)\n     - (.+)\n", table)
    assert [list(row) for row in found[1:]] == rows(TABLE, "") + rows(PRESETS, ", id with a leading dot")


@pytest.mark.parametrize(
    ("version", "name", "number", "to_fixed"),
    [
        ("8.10.4", "e", NOWHERE, NOWHERE),
        ("8.11.0", "e", Ways(0, True), NOWHERE),
        ("8.15.3", "e", Ways(0, True), NOWHERE),
        ("8.16.0", "e", Ways(0, True), Ways(0, True)),
        ("8.17.0", "e", Ways(1, True), Ways(0, True)),
        ("8.19.21", "e", Ways(1, True), Ways(0, True)),
        ("9.0.1", "e", Ways(1, True), Ways(0, True)),
        ("9.1.10", "e", Ways(1, True), Ways(0, True)),
        ("9.2.0", "e", Ways(1), Ways(2)),
        ("9.5.3", "e", Ways(1), Ways(2)),
        ("9.1.10", ".e", Ways(0, True), Ways(0, True)),
        ("9.2.0", ".e", NOWHERE, NOWHERE),
    ],
)
def test_the_borders_of_versions(version: str, name: str, number: Ways, to_fixed: Ways) -> None:
    server = Server(version, "default", "")
    assert (ways(server, name, "number"), ways(server, name, "to_fixed")) == (number, to_fixed)


@pytest.mark.parametrize(
    ("version", "reset"), [("8.16.0", False), ("8.17.0", True), ("9.3.1", True), ("9.4.0", False), ("9.5.3", False)]
)
def test_which_versions_may_reset_chunking_settings(version: str, reset: bool) -> None:
    assert Server(version, "default", "").supports(Feature.CHUNKING_RESET) is reset


def test_serverless_is_as_the_newest() -> None:
    server = Server("8.11.0", "serverless", "")
    assert (ways(server, "e", "bounds"), server.supports(Feature.CHUNKING_RESET)) == (Ways(1), False)

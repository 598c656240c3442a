# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the table that a person reads: its lines fit, and nothing of it is lost."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.table import Column, as_table

NODES, ROOM, USERS = Column("node"), Column("room\nfree", numbers=True), Column("used by")
COLUMNS = (NODES, ROOM, USERS)


def test_a_table() -> None:
    rows = [["ml-1", "12", ["a 1/1", "b 2/2"]], ["instance-2", "9", []]]
    assert as_table(COLUMNS, rows) == [
        "node        room  used by",
        "            free",
        "----------  ----  ------------",
        "ml-1          12  a 1/1, b 2/2",
        "instance-2     9",
    ]


def test_a_table_without_rows_has_its_head() -> None:
    assert as_table(COLUMNS, []) == ["node  room  used by", "      free", "----  ----  -------"]


def test_what_is_listed_goes_on_below() -> None:
    rows = [["ml-1", "12", ["search 1/1", "ingest 2/2", "a-long-name 3/3"]]]
    assert as_table(COLUMNS, rows, width=30) == [
        "node  room  used by",
        "      free",
        "----  ----  ------------------",
        "ml-1    12  search 1/1,",
        "            ingest 2/2,",
        "            a-long-name 3/3",
    ]


@pytest.mark.parametrize("width", [40, 60, 88])
@pytest.mark.parametrize("name", ["ml", "instance-0000000012-in-a-zone", "x" * 90])
@pytest.mark.parametrize("users", [0, 1, 7])
def test_lines_fit_and_nothing_is_cut_off(width: int, name: str, users: int) -> None:
    ids = [f"{index}-{'deployment-' * index}" for index in range(users)]
    lines = as_table(COLUMNS, [[name, "1234", ids], ["b", "1", ["z"]]], width)
    assert max(map(len, lines)) <= width
    shown = "".join(lines[3:]).replace(" ", "")
    assert [shown.count(letter) for letter in "xyd0-"] == ["".join([name, *ids]).count(letter) for letter in "xyd0-"]


def test_ansible_breaks_no_line_of_the_default_width() -> None:
    rows = [["a name " * 3, ["search 2/2"] * number] for number in range(1, 30)]
    lines = as_table((Column("node"), Column("deployments")), rows)
    assert max(map(len, lines)) > 70
    assert yaml.safe_dump({"msg": lines}, default_flow_style=False).count("\n") == len(lines) + 1

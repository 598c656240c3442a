# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that planted faults go with the code: one that cannot be planted any more proves nothing."""

from __future__ import annotations

import pytest

from checks.collection import ROOT
from mutants.planting import Row, planted, read_faults

FAULTS = read_faults(ROOT)


@pytest.mark.parametrize("rows", FAULTS.values(), ids=FAULTS)
def test_every_fault_can_be_planted(rows: list[Row]) -> None:
    texts = {row.file: (ROOT / row.file).read_text() for row in rows}
    sound = dict(texts)
    for row in rows:
        texts[row.file] = planted(row, texts[row.file])
    assert texts != sound

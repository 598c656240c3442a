# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Return the content of a file and do nothing, to measure what any plugin with such a result costs."""

from __future__ import annotations

import functools
import json
import os
import typing as t
from pathlib import Path

from ansible.plugins.action import ActionBase


@functools.cache
def _result() -> str:
    return Path(os.environ["BENCH_RESULT"]).read_text(encoding="utf-8")


class ActionModule(ActionBase):
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        return {**result, **json.loads(_result())}

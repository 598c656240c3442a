# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run jobs as AWX does: by ansible-runner, from a folder."""

from __future__ import annotations

import subprocess
import typing as t
from pathlib import Path

from support.playbook import BIN, clean_environment
from support.processes import finished


def run_job(folder: Path, contents: t.Mapping[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    """Put *contents*, file to text, into *folder*, and run the job that they make. *options*: those of ``run``."""
    for name, text in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    command = [str(BIN / "ansible-runner"), "run", str(folder), *options]
    return finished(command, clean_environment(folder), timeout=120)

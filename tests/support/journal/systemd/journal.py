# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stand for python-systemd, by which a module writes to the journal of its machine: here, to the file JOURNAL_FILE."""

from __future__ import annotations

import json
import os


def sendv(*entries: bytes) -> None:
    """Exist: Ansible looks for this function before it writes to the journal."""


def send(**fields: object) -> None:
    with open(os.environ["JOURNAL_FILE"], "a", encoding="utf-8") as file:
        file.write(json.dumps(fields, default=str, ensure_ascii=False) + "\n")

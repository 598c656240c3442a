# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connect to this machine as if it were not the controller: action plugins then run their modules."""

from __future__ import annotations

from ansible.plugins.connection.local import Connection as LocalConnection

DOCUMENTATION = """
name: loopback
short_description: Run on this machine, but not in the controller
description: Makes action plugins run their modules, as they do for every machine but the controller.
author: mlops.elasticsearch contributors
options: {}
"""


class Connection(LocalConnection):
    transport = "loopback"

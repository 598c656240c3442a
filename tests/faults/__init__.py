# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Play random schedules of faults, races and kills: a program of its own, ``python -m faults``."""

import conftest  # noqa: F401  (makes the collection importable)

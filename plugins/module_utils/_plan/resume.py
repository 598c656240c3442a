# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to say of settings that a run left behind, and that nobody needs any more. Pure."""

from __future__ import annotations

from .._records.deployment import Deployment
from .._records.errors import Difference
from .._records.recovery import Recovery
from .._records.wanted import Wanted
from .compare import fixed_differences, moved
from .start import FIXED


def superseded(lost: Recovery | None, current: Deployment | None) -> tuple[str, ...]:
    """A warning if *current* was started after *lost* was written, and with other settings than those in there."""
    if lost is None or current is None or lost.start_time == current.start_time:
        return ()
    differences = _differences(lost.deployment, current)
    if not differences:
        return ()
    named = "; ".join(f"{each.name} {each.wanted} instead of {each.current}" for each in differences)
    return (
        f"The recovery file of deployment '{current.deployment_id}' is not used: the deployment was started after the "
        f"file was written (at {current.start_time}). The file has {named}.",
    )


def _differences(lost: Deployment, current: Deployment) -> tuple[Difference, ...]:
    settings = {name: getattr(lost, name) for name in FIXED}
    found = fixed_differences(Wanted(lost.deployment_id, **settings), current, lost.model_id)
    return found + moved(lost, current)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List what is not known about the server, and the possibilities that the emulator can play.

Source: server-behaviour.md 11. The first possibility is the one that is played unless the control port chooses
another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

BY_VERSION: Final = "by_version"
POSSIBILITIES: Final[Mapping[str, tuple[str, ...]]] = {
    # The 404 of _stats for an id that names nothing.
    "stats_missing_text": ("no_known_trained_model", "could_not_find_trained_model"),
    # The type of a start's 408; the class was not public before the newest version.
    "start_timeout_type": ("model_deployment_timeout_exception", "status_exception"),
    # An update of a low-priority deployment to more than one allocation: which patches refuse it.
    "low_priority_update": (BY_VERSION, "refuse", "accept"),
    # Whether stop reads finish_pending_work from the query, too.
    "stop_query_finish_pending_work": ("refuse", "accept"),
    # Whether a bad media type is complained of before or after missing credentials.
    "media_type_and_credentials": ("before", "after"),
    # How long a start waits by default before 8.10.
    "start_timeout_before_8_10": ("20s", "30s"),
    # What a start's 408 said in versions of old.
    "start_timeout_text": ("timed_out_after", "starting_deployment_timed_out"),
    # Whether 8.14 knew number_of_allocations as a query parameter of an update; 8.15 does.
    "update_query_parameter_in_8_14": ("refuse", "accept"),
    # Whether 8.0 knew force when stopping; 8.1 does.
    "stop_force_in_8_0": ("accept", "refuse"),
    # Inference endpoints and deployments: starting a model named like an endpoint, stopping, updating a deployment of
    # an endpoint. The versions are those of the pull requests; patches in between are not known.
    "endpoint_start_check": (BY_VERSION, "refuse", "accept"),
    "endpoint_stop_check": (BY_VERSION, "refuse", "accept"),
    "endpoint_update_check": (BY_VERSION, "refuse", "accept"),
    # How the refusal of the stop ends: only its beginning is known.
    "endpoint_stop_advice": ("none", "use_force"),
    # An endpoint whose deployment could not be started is there nevertheless (seen in 9.2.0), but those for text
    # embeddings are stored last from 9.5 on (153886).
    "endpoint_after_failed_start": (BY_VERSION, "kept", "removed"),
    # What becomes of the deployment that such a creation has begun: 153886 stops it, whether for all tasks is open.
    "endpoint_failed_deployment": (BY_VERSION, "left", "stopped"),
    # A preset that was deleted by force: it is read from the list of presets again (issue 155724), or gone.
    "preset_after_delete": ("comes_back", "stays_deleted"),
    # Whether a preset can be deleted by force at all; public tests of different times have both.
    "preset_delete": ("with_force", "never"),
    # Whether GET shows the adaptive allocations of the deployment, which it does since August 2026 in patches that
    # are not known, or those that were given to the endpoint.
    "endpoint_shows_adaptive": ("stored", "live"),
    # Whether an update of an endpoint changes adaptive allocations, too, and whether it may set a number besides them.
    "endpoint_update_adaptive": (BY_VERSION, "accept", "refuse"),
    "endpoint_update_is_internal": ("yes", "no"),
    # Which settings of an in-cluster endpoint one update takes (around-deployments.md 4.3): the number and the adaptive
    # allocations together, exactly one of them, or that and no other setting.
    "endpoint_update_settings": (BY_VERSION, "both", "exactly_one", "strict"),
    # What a number alone does to a deployment with adaptive allocations, where an update takes exactly one of them.
    "endpoint_update_number_alone": ("keeps_adaptive", "ends_adaptive"),
    # Whether an update resets the chunking settings (issue 139574).
    "endpoint_update_chunking": (BY_VERSION, "reset", "kept"),
    # Whether inference waits for the first allocation of a deployment without any (server-behaviour.md 6), or is
    # refused while it wakes; public code has both, behind a flag that the 8.16 line does not have.
    "scale_from_zero": ("wait", "refuse"),
    # What ends such a wait: 500 at once if all nodes failed and 500 for a time-out (older public code), or 409 and 408.
    "scale_from_zero_errors": (BY_VERSION, "newest", "older"),
    # What becomes of a request whose body cannot be decompressed: no answer, or a 400.
    "broken_compression": ("drop", "bad_request"),
    # The status of an API that serverless does not have.
    "serverless_missing_api_status": ("410", "404"),
    # By which rules a version plans that planner.md 10 is not certain of: as the next older or the next newer ones.
    "planner_rules": (BY_VERSION, "one_figure", "counts_current", "counts_placed"),
    # Nodes without one of the awareness attributes: public code gives them nothing, planner.md 7 does not say.
    "missing_attributes": ("left_out", "one_zone"),
    # Whether a decrease that the reducer refuses as a route is in no zone is answered (server-behaviour.md 3.2 row 15).
    "reducer_refusal": ("hangs", "answers_400"),
    # Whether the default bounds of adaptive allocations hold where a deployment has none (server-behaviour.md 6).
    "default_allocations": ("unused", "scaler_bounds"),
    # A deployment at zero whose minimum is raised: without nodes there are no statistics to act on.
    "scaler_from_zero": ("stays", "raised"),
    # A start where nodes have several architectures: server-behaviour.md 3.1 puts the assignment to stopping; public
    # source looks for it in the state before the start, where it is not.
    "several_architectures": ("stopping", "not_found"),
}


class Choices:
    """One choice for each of them."""

    def __init__(self) -> None:
        self._chosen: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        """Return the possibility that is played."""
        return self._chosen.get(name, POSSIBILITIES[name][0])

    def decides(self, name: str, by_version: bool) -> bool:
        """Return whether a check refuses: as chosen, or as the version does."""
        chosen = self[name]
        return by_version if chosen == BY_VERSION else chosen == "refuse"

    def choose(self, name: str, possibility: str) -> None:
        """Choose another possibility; raise ``ValueError`` if it does not exist."""
        if possibility not in POSSIBILITIES.get(name, ()):
            known = "; ".join(f"{each}: {', '.join(values)}" for each, values in POSSIBILITIES.items())
            raise ValueError(f"no possibility {possibility!r} of {name!r}; there are {known}")
        self._chosen[name] = possibility

    def as_json(self) -> dict[str, str]:
        """Return all of them."""
        return {name: self[name] for name in POSSIBILITIES}

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reasons why places are not certain, in words."""

from __future__ import annotations

import typing as t

from .._planner.outcomes import CLOSE, ORDER, VERSION
from .._planner.predict import EARLIER, MEMORY_OBSERVED

NOT_RECORDED = "not_recorded"
"""No plan of this version was recorded."""
SENT_LATER = "sent_later"
"""The writes of the task may be sent in another order."""
LEAVING = "leaving"
"""A node is shutting down: whether it still counts when allocations are taken away is not known."""
STOPPING = "stopping"
"""When a deployment is gone that is being stopped is not known, nor when Elasticsearch plans again then."""
NO_ZONE = "no_zone"
"""Whether nodes get allocations that lack an awareness attribute is not known."""
ARCHITECTURES = "architectures"
"""ML nodes have several: Elasticsearch may stop what it has started (server-behaviour.md 3.1, last row)."""

_SENTENCES = {
    CLOSE: "Elasticsearch may choose between plans that are as good as each other.",
    ORDER: "The order in which Elasticsearch takes nodes and deployments decides.",
    VERSION: "It is not certain by which rules this version of Elasticsearch plans.",
    NOT_RECORDED: "It is not known how this version of Elasticsearch plans.",
    MEMORY_OBSERVED: "This version of Elasticsearch counts memory that it has observed.",
    LEAVING: "A node is shutting down, so what a decrease leaves is not certain.",
    EARLIER: "It is not known what an earlier change leaves.",
    STOPPING: "When Elasticsearch plans again after the stop of another deployment is not known.",
    NO_ZONE: "Nodes lack an awareness attribute: whether they get allocations is not known.",
    ARCHITECTURES: "The ML nodes have several architectures: Elasticsearch may stop at once what it starts on them.",
    SENT_LATER: "A deployment has to start before it is changed, so the order of the changes is not known.",
}


def in_words(doubts: t.Iterable[str]) -> list[str]:
    """Return a sentence for each of the *doubts*, always in the same order."""
    return [_SENTENCES[doubt] for doubt in sorted(doubts)]

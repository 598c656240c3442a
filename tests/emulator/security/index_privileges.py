# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List index privileges: which actions each grants, and which of them grant an action.

Sources: the documentation of security privileges and the server's public source.
"""

from __future__ import annotations

import functools
from typing import Final

from ..wire import errors
from .patterns import Names, matches

_CREATE_INDEX: Final = (
    "indices:admin/create",
    "indices:admin/auto_create",
    "indices:admin/data_stream/create",
)
_FIELD_CAPS: Final = "indices:data/read/field_caps*"
_AUTO_PUT_MAPPING: Final = "indices:admin/mapping/auto_put"
_NAMED: Final = {
    "none": Names(),
    "all": Names(("indices:*", "internal:transport/proxy/indices:*")),
    "manage": Names(("indices:monitor/*", "indices:admin/*", _FIELD_CAPS)),
    "create_index": Names(_CREATE_INDEX),
    "monitor": Names(("indices:monitor/*",)),
    "read": Names(("indices:data/read/*",)),
    "index": Names(("indices:data/write/index*", "indices:data/write/bulk*", "indices:data/write/update*")),
    "delete": Names(("indices:data/write/delete*", "indices:data/write/bulk*")),
    "write": Names(("indices:data/write/*", _AUTO_PUT_MAPPING)),
    "create": Names(("indices:data/write/index*", "indices:data/write/bulk*")),
    "create_doc": Names(
        (
            "indices:data/write/index",
            "indices:data/write/index[*",
            "indices:data/write/index:op_type/create",
            "indices:data/write/bulk*",
        )
    ),
    "delete_index": Names(("indices:admin/delete", "indices:admin/data_stream/delete")),
    "view_index_metadata": Names(
        (
            "indices:admin/aliases/get",
            "indices:admin/get",
            "indices:admin/mappings/fields/get*",
            "indices:admin/mappings/get",
            "indices:admin/shards/search_shards",
            "indices:admin/validate/query*",
            "indices:monitor/settings/get",
            "indices:admin/ilm/explain",
            "indices:admin/data_stream/get",
            "indices:admin/resolve/index",
            _FIELD_CAPS,
        )
    ),
    "read_cross_cluster": Names(("internal:transport/proxy/indices:data/read/*", "indices:admin/shards/search_shards")),
    "manage_follow_index": Names(("indices:admin/xpack/ccr/*", "indices:admin/close*", "indices:admin/rollover")),
    "manage_leader_index": Names(("indices:admin/xpack/ccr/forget_follower*",)),
    "manage_ilm": Names(("indices:admin/ilm/*",)),
    "maintenance": Names(("indices:admin/refresh*", "indices:admin/flush*", "indices:admin/forcemerge*")),
    "auto_configure": Names((_AUTO_PUT_MAPPING, "indices:admin/auto_create")),
}
RESTRICTED: Final = (".security*", ".ml-config*", ".ml-inference-*", ".inference*", ".fleet*", ".kibana*", ".async-*")
"""Indices that only grants with ``allow_restricted_indices`` reach; a part of the server's list [G]."""


def is_index_action(name: str) -> bool:
    """Return whether a text is an action on indices (or a pattern over such)."""
    return _NAMED["all"].has(name)


def is_restricted(name: str) -> bool:
    """Return whether an index needs a grant that says so."""
    return any(matches(pattern, name) for pattern in RESTRICTED)


@functools.cache
def names() -> tuple[str, ...]:
    """Return all of them, least first: a part of many others comes before a part of few."""
    within = {
        name: sum(other.contains(mine) for key, other in _NAMED.items() if key != name) for name, mine in _NAMED.items()
    }
    return tuple(sorted(_NAMED, key=lambda name: (-within[name], name)))


def find(name: str) -> Names | None:
    """Return the actions of a privilege or of an action pattern."""
    lowered = name.lower()
    return Names((f"{lowered}*",)) if is_index_action(lowered) else _NAMED.get(lowered)


def resolve(name: str) -> Names:
    """Do as ``find``, but raise 400 for an unknown name."""
    found = find(name)
    if found is None:
        raise errors.illegal_argument(
            f"unknown index privilege [{name.lower()}]. a privilege must be either one of the predefined fixed indices "
            f"privileges [{','.join(names())}] or a pattern over one of the available index actions"
        )
    return found


def granting(action: str) -> list[str]:
    """Return the privileges that grant an action, least first."""
    return [name for name in names() if _NAMED[name].has(action)]

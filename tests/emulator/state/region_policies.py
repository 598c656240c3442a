# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the region policy: where the Elastic Inference Service may work (``region_policy`` records).

Which endpoints a policy denies is the service's own decision; here the regions in an endpoint's metadata decide
(pull requests 152575 and 153004).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from ..wire import errors, object_parser, xcontent
from ..wire.object_parser import Field, ObjectParser
from ..wire.xcontent import Parser
from . import inference_parsers
from .endpoints import Endpoint
from .versions import Features

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]
GEOS: Final = "allowed_geos"
REGIONS: Final = "allowed_regions"
_SERVICE: Final = "elastic"


@dataclasses.dataclass
class Policy:
    """The policy, and who made and changed it when; a new one was never changed."""

    region_policy: Json
    created_at: str
    created_by: str | None = None
    updated_at: str | None = None
    updated_by: str | None = None

    def as_json(self) -> Json:
        """Return it as answers show it."""
        shown = dataclasses.asdict(self)
        return {name: value for name, value in shown.items() if value is not None}


# --- bodies ---


def read(body: bytes, version: Features) -> Json:
    """Read the policy in a body; neither places nor their number are checked."""
    policy = Field("region_policy", frozenset({xcontent.START_OBJECT}), lambda parser: _policy(parser, version))
    given = ObjectParser("put_region_policy_request", [policy]).parse(Parser(body, version)).values
    if "region_policy" not in given:
        raise errors.illegal_argument("Required [region_policy]")
    found: Json = given["region_policy"]
    return found


def complaints(policy: Json) -> list[str]:
    """Return what validation says of a policy."""
    return [f"[region_policy.{name}] must not be empty" for name, places in policy.items() if not places]


def _policy(parser: Parser, version: Features) -> Json:
    tokens = frozenset({xcontent.START_OBJECT, xcontent.START_ARRAY})
    fields = [inference_parsers.texts(GEOS, version), Field(REGIONS, tokens, _regions)]
    found = ObjectParser("region_policy", fields).parse(parser).values
    if len(found) > 1:
        raise errors.illegal_argument(f"The following fields are not allowed together: [{GEOS}, {REGIONS}] ")
    return found


def _regions(parser: Parser) -> list[Json]:
    """Read regions, or one; for what is no object in the list the parser moves on and looks there."""
    if parser.token == xcontent.START_OBJECT:
        return [_region(parser)]
    found = []
    while parser.next_token() != xcontent.END_ARRAY:
        if parser.token != xcontent.START_OBJECT:
            parser.next_token()
        found.append(_region(parser))
    return found


def _region(parser: Parser) -> Json:
    fields = [object_parser.text("csp"), object_parser.text("region")]
    found = ObjectParser("csp_region", fields).parse(parser).values
    if lacking := [name for name in ("csp", "region") if name not in found]:
        raise errors.illegal_argument(f"Required [{', '.join(lacking)}]")
    return found


# --- endpoints that are in use ---


def check_in_use(cluster: Cluster, policy: Json) -> None:
    """Refuse a policy that denies endpoints which pipelines or indices use."""
    used = {}
    for endpoint_id, endpoint in sorted(cluster.endpoints.items()):
        pipelines, indexes = cluster.references(endpoint_id), cluster.indices_using(endpoint_id)
        if _is_denied(endpoint, policy) and (pipelines or indexes):
            used[endpoint_id] = (pipelines, indexes)
    if not used:
        return
    refused = errors.status(
        409,
        "Cannot put the region policy because it would deny access to the following in-use inference endpoints: "
        f"[{', '.join(used)}]. Ensure that these inference endpoints are not in use, or use force to ignore this "
        "warning and proceed anyway.",
    )
    refused.extra = {
        "denied_endpoint_ids": list(used),
        "referencing_pipelines": [f"{name}:{each}" for name, (pipelines, _) in used.items() for each in pipelines],
        "referencing_indexes": [f"{name}:{each}" for name, (_, indexes) in used.items() for each in indexes],
    }
    raise refused


def _is_denied(endpoint: Endpoint, policy: Json) -> bool:
    """Return whether no region of an endpoint is allowed; what does not say its regions is never denied."""
    regions = endpoint.metadata.get("regions")
    if endpoint.service != _SERVICE or not regions or not policy:
        return False
    if GEOS in policy:
        return all(each.get("geo") not in policy[GEOS] for each in regions)
    allowed = [(each["csp"], each["region"]) for each in policy[REGIONS]]
    return all((each.get("csp"), each.get("region")) not in allowed for each in regions)

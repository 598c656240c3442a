# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List cluster privileges: which exist in a version, which actions each grants, which of them grant an action.

Sources: the ``privileges`` records, the list of names in http:347, the documentation of security
privileges, and for patterns the server's public source. ``since`` of the names that the records do not bracket is [G].
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable
from typing import Final

from ..state.versions import Features, Triple, features
from ..wire import errors
from .patterns import Names

ALL_CLUSTER: Final = ("cluster:*", "indices:admin/template/*", "indices:admin/index_template/*")
API_KEYS: Final = "cluster:admin/xpack/security/api_key/*"
OWN_API_KEYS: Final = "manage_own_api_key"
_SECURITY: Final = "cluster:admin/xpack/security/"
_STATE: Final = "cluster:monitor/state"
_HAS_PRIVILEGES: Final = f"{_SECURITY}user/has_privileges"
_REMOTE: Final = ("cluster:internal/remote_cluster/*", "cluster:monitor/xpack/info")
_SNAPSHOTS: Final = ("cluster:admin/snapshot/status*", "cluster:admin/snapshot/get", "cluster:admin/repository/get")
_TRANSFORMS: Final = ("cluster:monitor/data_frame/*", "cluster:monitor/transform/*")
_DELEGATE: Final = f"{_SECURITY}delegate_pki"
_SECRETS: Final = "cluster:admin/xpack/connector/secret/*"
_INFER: Final = "cluster:monitor/xpack/ml/trained_models/deployment/infer"
_INFERENCE: Final = ("cluster:monitor/xpack/inference*", _INFER)
_DEPLOYMENT: Final = "cluster:admin/xpack/ml/trained_models/deployment/"
_READ_SECURITY: Final = tuple(
    f"{_SECURITY}{name}"
    for name in (
        "api_key/get",
        "api_key/query",
        "privilege/builtin/get",
        "privilege/get",
        "profile/get",
        "profile/has_privileges",
        "profile/suggest",
        "role/get",
        "role/query",
        "role_mapping/get",
        "service_account/get",
        "service_account/credential/get*",
        "user/get",
        "user/query",
        "user/list_privileges",
        "user/has_privileges",
        "settings/get",
    )
)


@dataclasses.dataclass(frozen=True)
class ClusterPrivilege:
    """A set of actions under a name; ``own_keys`` marks the one that also depends on the request."""

    name: str
    actions: Names
    since: Triple = (8, 0, 0)
    own_keys: bool = False

    def implies(self, other: ClusterPrivilege) -> bool:
        """Return whether this privilege includes the other. The one about own API keys includes no other."""
        return other.own_keys if self.own_keys else self.actions.contains(other.actions)


def _privilege(name: str, *patterns: str, since: Triple = (8, 0, 0), without: tuple[str, ...] = ()) -> ClusterPrivilege:
    return ClusterPrivilege(name, Names(patterns, without), since)


_NAMED: Final = (
    _privilege("none"),
    _privilege("all", *ALL_CLUSTER),
    _privilege(
        "monitor",
        "cluster:monitor/*",
        "indices:admin/template/get",
        "cluster:admin/component_template/get",
        "indices:admin/index_template/get",
    ),
    _privilege(
        "monitor_connector",
        "cluster:admin/xpack/connector/get",
        "cluster:admin/xpack/connector/list",
        "cluster:admin/xpack/connector/sync_job/get",
        "cluster:admin/xpack/connector/sync_job/list",
        since=(8, 15, 0),
    ),
    _privilege("monitor_inference", *_INFERENCE, since=(8, 14, 0)),
    _privilege("monitor_ml", "cluster:monitor/xpack/ml/*"),
    _privilege("monitor_text_structure", "cluster:monitor/text_structure/*"),
    _privilege("monitor_data_frame_transforms", *_TRANSFORMS),
    _privilege("monitor_transform", *_TRANSFORMS),
    _privilege("monitor_watcher", "cluster:monitor/xpack/watcher/*"),
    _privilege("monitor_rollup", "cluster:monitor/xpack/rollup/*"),
    _privilege("monitor_enrich", "cluster:monitor/xpack/enrich/*", "cluster:admin/xpack/enrich/get", since=(8, 14, 0)),
    _privilege("monitor_stats", "cluster:monitor/stats*", since=(8, 17, 0)),
    _privilege("manage", *ALL_CLUSTER, without=(f"{_SECURITY}*",)),
    _privilege("manage_connector", "cluster:admin/xpack/connector/*", since=(8, 15, 0), without=(_SECRETS,)),
    _privilege(
        "manage_inference",
        "cluster:admin/xpack/inference/*",
        f"{_DEPLOYMENT}start",
        f"{_DEPLOYMENT}stop",
        *_INFERENCE,
        since=(8, 14, 0),
    ),
    _privilege("manage_ml", "cluster:admin/xpack/ml/*", "cluster:monitor/xpack/ml/*"),
    _privilege("manage_data_frame_transforms", "cluster:admin/data_frame/*", "cluster:admin/transform/*", *_TRANSFORMS),
    _privilege("manage_transform", "cluster:admin/data_frame/*", "cluster:admin/transform/*", *_TRANSFORMS),
    _privilege("manage_token", f"{_SECURITY}token/*"),
    _privilege("manage_watcher", "cluster:admin/xpack/watcher/*", "cluster:monitor/xpack/watcher/*"),
    _privilege(
        "manage_index_templates",
        "indices:admin/template/*",
        "indices:admin/index_template/*",
        "cluster:admin/component_template/*",
    ),
    _privilege("manage_ingest_pipelines", "cluster:admin/ingest/pipeline/*"),
    _privilege("read_pipeline", "cluster:admin/ingest/pipeline/get", "cluster:admin/ingest/pipeline/simulate"),
    _privilege("transport_client", "cluster:monitor/nodes/liveness", _STATE),
    _privilege("manage_security", f"{_SECURITY}*", without=(_DELEGATE,)),
    _privilege("read_security", *_READ_SECURITY, since=(8, 6, 0)),
    _privilege(
        "manage_saml",
        f"{_SECURITY}saml/*",
        f"{_SECURITY}token/invalidate",
        f"{_SECURITY}token/refresh",
        "cluster:monitor/xpack/security/saml/metadata",
    ),
    _privilege("manage_oidc", f"{_SECURITY}oidc/*"),
    _privilege("manage_api_key", API_KEYS),
    _privilege("grant_api_key", f"{_SECURITY}api_key/grant*"),
    _privilege("clone_api_key", f"{_SECURITY}api_key/clone*", since=(9, 4, 0)),
    _privilege("manage_service_account", f"{_SECURITY}service_account/*"),
    _privilege("manage_user_profile", f"{_SECURITY}profile/*", since=(8, 2, 0)),
    _privilege("manage_pipeline", "cluster:admin/ingest/pipeline/*"),
    _privilege("manage_rollup", "cluster:admin/xpack/rollup/*", "cluster:monitor/xpack/rollup/*"),
    _privilege("manage_autoscaling", "cluster:admin/autoscaling/*"),
    _privilege("manage_ccr", "cluster:admin/xpack/ccr/*", _STATE, _HAS_PRIVILEGES),
    _privilege("read_ccr", _STATE, _HAS_PRIVILEGES),
    _privilege("create_snapshot", "cluster:admin/snapshot/create", *_SNAPSHOTS),
    _privilege("monitor_snapshot", *_SNAPSHOTS),
    _privilege("manage_ilm", "cluster:admin/ilm/*"),
    _privilege("read_ilm", "cluster:admin/ilm/get", "cluster:admin/ilm/operation_mode/get"),
    _privilege(
        "manage_slm",
        "cluster:admin/slm/*",
        "cluster:admin/ilm/start",
        "cluster:admin/ilm/stop",
        "cluster:admin/ilm/operation_mode/get",
    ),
    _privilege("read_slm", "cluster:admin/slm/status", "cluster:admin/slm/get", "cluster:admin/ilm/operation_mode/get"),
    _privilege("delegate_pki", _DELEGATE, f"{_SECURITY}token/invalidate"),
    ClusterPrivilege(OWN_API_KEYS, Names((API_KEYS,)), own_keys=True),
    _privilege("manage_enrich", "cluster:admin/xpack/enrich/*", "cluster:monitor/xpack/enrich/*"),
    _privilege("manage_logstash_pipelines", "cluster:admin/logstash/pipeline/*"),
    _privilege("read_fleet_secrets", "cluster:admin/fleet/secrets/get", since=(8, 9, 0)),
    _privilege(
        "write_fleet_secrets", "cluster:admin/fleet/secrets/post", "cluster:admin/fleet/secrets/delete", since=(8, 9, 0)
    ),
    _privilege("cancel_task", "cluster:admin/tasks/cancel*"),
    _privilege("manage_search_application", "cluster:admin/xpack/application/search_application/*", since=(8, 8, 0)),
    _privilege(
        "manage_search_synonyms",
        "cluster:admin/synonyms/*",
        "cluster:admin/synonyms_sets/*",
        "cluster:admin/synonym_rules/*",
        since=(8, 10, 0),
    ),
    _privilege("manage_behavioral_analytics", "cluster:admin/xpack/application/analytics/*", since=(8, 8, 0)),
    _privilege(
        "post_behavioral_analytics_event", "cluster:admin/xpack/application/analytics/post_event", since=(8, 8, 0)
    ),
    _privilege("manage_search_query_rules", "cluster:admin/xpack/query_rules/*", since=(8, 10, 0)),
    _privilege(
        "cross_cluster_search",
        *_REMOTE,
        "cluster:monitor/xpack/enrich/esql/resolve_policy",
        "cluster:internal:data/read/esql/open_exchange",
        "cluster:internal:data/read/esql/exchange",
        since=(8, 10, 0),
    ),
    _privilege("cross_cluster_replication", *_REMOTE, _STATE, since=(8, 10, 0)),
    _privilege("read_connector_secrets", "cluster:admin/xpack/connector/secret/get", since=(8, 13, 0)),
    _privilege(
        "write_connector_secrets",
        "cluster:admin/xpack/connector/secret/delete",
        "cluster:admin/xpack/connector/secret/post",
        "cluster:admin/xpack/connector/secret/put",
        since=(8, 13, 0),
    ),
    _privilege("monitor_data_stream_global_retention", since=(8, 14, 0)),
    _privilege("manage_data_stream_global_retention", since=(8, 14, 0)),
)


@functools.cache
def _by_access_level(number: str) -> dict[str, ClusterPrivilege]:
    """Return the privileges of a version, least first: by how many others each implies, then by name."""
    known = [each for each in _NAMED if features(number).at_least(each.since)]
    implied = {each.name: sum(each.implies(other) for other in known if other is not each) for each in known}
    return {each.name: each for each in sorted(known, key=lambda each: (implied[each.name], each.name))}


def named(version: Features) -> dict[str, ClusterPrivilege]:
    """Return the predefined privileges of a version, in the order in which the server lists them."""
    return _by_access_level(version.number)


def is_cluster_action(name: str) -> bool:
    """Return whether a text is an action (or a pattern over actions) and not the name of a privilege."""
    return Names(ALL_CLUSTER).has(name)


@functools.lru_cache(maxsize=4096)
def _resolved(name: str, number: str) -> ClusterPrivilege | None:
    if is_cluster_action(name):
        return ClusterPrivilege(name, Names((f"{name}*",)))
    return _by_access_level(number).get(name)


def find(name: str, version: Features) -> ClusterPrivilege | None:
    """Return a privilege by its name or by an action pattern."""
    return _resolved(name.lower(), version.number)


def resolve(name: str, version: Features) -> ClusterPrivilege:
    """Return a privilege; 400 if it does not exist (recorded: http:347)."""
    found = find(name, version)
    if found is None:
        listed = ",".join(named(version))
        raise errors.illegal_argument(
            f"unknown cluster privilege [{name.lower()}]. a privilege must be either one of the predefined cluster "
            f"privilege names [{listed}] or a pattern over one of the available cluster actions"
        )
    return found


def resolve_known(names: Iterable[str], version: Features) -> tuple[ClusterPrivilege, ...]:
    """Return those that exist in the version; a role keeps names of other versions without effect."""
    return tuple(each for each in (find(name, version) for name in names) if each is not None)


@functools.lru_cache(maxsize=4096)
def _granting(action: str, number: str, own: bool) -> tuple[str, ...]:
    privileges = _by_access_level(number).values()
    return tuple(each.name for each in privileges if each.actions.has(action) and (own or not each.own_keys))


def granting(action: str, version: Features, *, own: bool = False) -> list[str]:
    """Return the privileges that grant an action, least first.

    ``own``: the request is about the caller's own API keys.
    """
    return list(_granting(action, version.number, own))

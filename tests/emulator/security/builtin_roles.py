# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Define the roles that Elasticsearch ships.

Sources: the ``reserved_roles`` of the ``privileges`` records (cluster privileges, in their order); the documentation of
built-in roles and the server's public source for indices and applications. Grants on indices of features that are not
played are left out.
"""

from __future__ import annotations

import functools
from typing import Final

from ..state.versions import Features, features
from .roles import ApplicationGrant, IndexGrant, Role

_READ: Final = ("view_index_metadata", "read")
_WRITE: Final = ("view_index_metadata", "read", "write")
_BULK: Final = "cluster:admin/xpack/monitoring/bulk"
_ANY: Final = ("*",)
_DATA: Final = IndexGrant(("/~(([.]|ilm-history-).*)/",), ("read", "view_index_metadata"))
_ALERTS: Final = (".alerts*", ".internal.alerts*", ".preview.alerts*", ".lists*", ".items*", ".siem-signals*")


def _kibana(application: str, *privileges: str) -> tuple[ApplicationGrant, ...]:
    return (ApplicationGrant(application, privileges, _ANY),)


def _ml_roles() -> tuple[Role, ...]:
    annotations = IndexGrant((".ml-annotations*",), _WRITE)
    admin = (".ml-anomalies*", ".ml-notifications*", ".ml-state*", ".ml-meta*", ".ml-stats-*")
    return (
        Role(
            "machine_learning_user",
            ("monitor_ml",),
            (IndexGrant((".ml-anomalies*", ".ml-notifications*"), _READ), annotations),
            _kibana("kibana-*", "reserved_ml_user"),
        ),
        Role(
            "machine_learning_admin",
            ("manage_ml",),
            (IndexGrant(admin, _READ, restricted=True), annotations),
            _kibana("kibana-*", "reserved_ml_admin"),
        ),
    )


def _superuser() -> Role:
    return Role(
        "superuser",
        ("all",),
        (
            IndexGrant(_ANY, ("all",)),
            IndexGrant(_ANY, ("monitor", "read", "view_index_metadata", "read_cross_cluster"), restricted=True),
        ),
        (ApplicationGrant("*", _ANY, _ANY),),
        _ANY,
    )


def _kibana_system(version: Features) -> Role:
    gates = (
        ("monitor", (8, 0, 0)),
        ("manage_index_templates", (8, 0, 0)),
        ("manage_inference", (8, 16, 0)),
        (_BULK, (8, 0, 0)),
        ("manage_saml", (8, 0, 0)),
        ("manage_token", (8, 0, 0)),
        ("manage_oidc", (8, 0, 0)),
        ("manage_enrich", (8, 13, 0)),
        ("manage_pipeline", (8, 0, 0)),
        ("manage_ilm", (8, 0, 0)),
        ("monitor_connector", (8, 15, 0)),
        ("manage_transform", (8, 0, 0)),
        ("grant_api_key", (8, 0, 0)),
        ("clone_api_key", (9, 4, 0)),
        ("manage_own_api_key", (8, 0, 0)),
        ("cluster:admin/xpack/security/privilege/builtin/get", (8, 0, 0)),
        ("delegate_pki", (8, 0, 0)),
        ("cluster:admin/xpack/security/profile/get", (8, 2, 0)),
        ("cluster:admin/xpack/security/profile/has_privileges", (8, 2, 0)),
        ("write_fleet_secrets", (8, 9, 0)),
        ("manage_ml", (8, 0, 0)),
        ("cluster:admin/analyze", (8, 0, 0)),
        ("monitor_text_structure", (8, 0, 0)),
        ("cancel_task", (8, 0, 0)),
    )
    owned = IndexGrant((".kibana*", ".reporting-*"), ("all",), restricted=True)
    return Role("kibana_system", tuple(name for name, since in gates if version.at_least(since)), (owned,))


def _readers(version: Features) -> tuple[Role, ...]:
    # Recorded in 9.5.3, absent in 9.1.10; the versions between are [U].
    inference = ("monitor_inference",) if version.at_least((9, 2, 0)) else ()
    alerts = ("read", "view_index_metadata", "write", "maintenance")
    annotations = IndexGrant(("observability-annotations",), ("read", "view_index_metadata", "write"))
    return (
        Role(
            "viewer",
            inference,
            (_DATA, IndexGrant(_ALERTS, ("read", "view_index_metadata"))),
            _kibana("kibana-.kibana", "read"),
        ),
        Role("editor", inference, (_DATA, annotations, IndexGrant(_ALERTS, alerts)), _kibana("kibana-.kibana", "all")),
    )


def _monitoring() -> tuple[Role, ...]:
    beats = (IndexGrant((".monitoring-beats-*",), ("create_index", "create_doc")),)
    remote = ("read", "read_cross_cluster")
    watches = (
        "cluster:monitor/xpack/watcher/watch/get",
        "cluster:admin/xpack/watcher/watch/put",
        "cluster:admin/xpack/watcher/watch/delete",
    )
    return (
        Role("apm_system", ("monitor", _BULK), beats),
        Role("beats_system", ("monitor", _BULK), beats),
        Role("logstash_system", ("monitor", _BULK)),
        Role(
            "monitoring_user",
            ("cluster:monitor/main", "cluster:monitor/xpack/info", "cluster:monitor/remote/info"),
            (IndexGrant((".monitoring-*", "metricbeat-*"), remote),),
            _kibana("kibana-*", "reserved_monitoring"),
        ),
        Role(
            "remote_monitoring_agent",
            ("manage_index_templates", "manage_ingest_pipelines", "monitor", *watches),
            (IndexGrant((".monitoring-*",), ("all",)),),
        ),
        Role("remote_monitoring_collector", ("monitor",), (IndexGrant(_ANY, ("monitor",), restricted=True),)),
    )


def _others(version: Features) -> tuple[Role, ...]:
    enrich = ("manage_enrich", "manage_ingest_pipelines", "monitor")
    found = [
        Role("transport_client", ("transport_client",)),
        Role("kibana_admin", (), (), _kibana("kibana-.kibana", "all")),
        Role("kibana_user", (), (), _kibana("kibana-.kibana", "all")),
        Role("ingest_admin", ("manage_index_templates", "manage_pipeline")),
        Role("reporting_user"),
        Role("beats_admin", (), (IndexGrant((".management-beats",), ("all",)),)),
        Role("transform_admin", ("manage_transform",)),
        Role("transform_user", ("monitor_transform",)),
        Role("watcher_admin", ("manage_watcher",)),
        Role("watcher_user", ("monitor_watcher",)),
        Role("logstash_admin", ("manage_logstash_pipelines",)),
        Role("rollup_user", ("monitor_rollup",)),
        Role("rollup_admin", ("manage_rollup",)),
        Role("snapshot_user", ("create_snapshot", "cluster:admin/repository/get")),
        Role("enrich_user", enrich, (IndexGrant((".enrich-*",), ("read", "view_index_metadata", "manage", "write")),)),
    ]
    if version.major < 9:
        found += [
            Role("data_frame_transforms_admin", ("manage_data_frame_transforms",)),
            Role("data_frame_transforms_user", ("monitor_data_frame_transforms",)),
        ]
    if version.manage_inference:
        found += [Role("inference_admin", ("manage_inference",)), Role("inference_user", ("monitor_inference",))]
    return tuple(found)


@functools.cache
def _by_name(number: str) -> dict[str, Role]:
    version = features(number)
    found = (
        _superuser(),
        *_ml_roles(),
        *_readers(version),
        *_monitoring(),
        *_others(version),
        _kibana_system(version),
    )
    return {
        each.name: Role(each.name, each.cluster, each.indices, each.applications, each.run_as, reserved=True)
        for each in sorted(found, key=lambda role: role.name)
    }


def builtin(version: Features) -> dict[str, Role]:
    """Return the built-in roles of a version, by name."""
    return _by_name(version.number)

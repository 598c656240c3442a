# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Draw events at any moment of a run: lost or failed answers, and acts of other clients and of nodes."""

from __future__ import annotations

import typing as t

from hypothesis import strategies as st

Json = dict[str, t.Any]

BUSY = {"type": "answer", "status": 503, "body": {"error": {"type": "busy", "reason": "busy"}, "status": 503}}
BROKEN = {
    "type": "answer",
    "status": 500,
    "body": {"error": {"type": "exception", "reason": "it broke"}, "status": 500},
}

FAULTS_OF_ALL: tuple[Json, ...] = (
    {"type": "drop"},
    {"type": "hang"},
    {"type": "reset"},
    {"type": "garbage"},
    {"type": "empty"},
    {"type": "truncate"},
    {"type": "overrun"},
    {"type": "content_type"},
    {"type": "no_product"},
    {"type": "broken_gzip"},
    {"type": "no_master"},
    *(
        {"type": kind, "by": by}
        for kind in ("bad_gateway", "service_unavailable", "gateway_timeout")
        for by in ("nginx", "envoy")
    ),
    BUSY,
    BROKEN,
)
"""Faults of any request. A slow body needs no fault of its own: the client limits the whole request, so it is late."""
FAULTS_ON_THE_WAY: tuple[Json, ...] = (
    {"type": "redirect", "location": "http://elsewhere.invalid/"},
    {"type": "too_many_requests"},
)
"""Answers of something in between that does not pass the request on."""
FAULTS_OF_WRITES: tuple[tuple[str, Json], ...] = (
    ("any_write", {"type": "conflict"}),
    ("any_write", {"type": "master_timeout"}),
    ("start", {"type": "timeout"}),
    ("start", {"type": "route_failed"}),
    ("start", {"type": "capacity"}),
    ("update", {"type": "capacity"}),
)
"""Faults of writes, as Elasticsearch itself answers them."""


@st.composite
def faults(draw: st.DrawFn) -> Json:
    """Draw a fault of one of the next requests."""
    if draw(st.booleans()):
        operation, do = draw(st.sampled_from(FAULTS_OF_WRITES))
        when = "before"
    else:
        operation = draw(st.sampled_from(("any_write", "any_write", "any", "stats")))
        do = draw(st.sampled_from(FAULTS_OF_ALL + FAULTS_ON_THE_WAY))
        when = "before" if do in FAULTS_ON_THE_WAY else draw(st.sampled_from(("before", "after")))
    return {"operation": operation, "do": do, "when": when, "times": draw(st.sampled_from((1, 1, 1, 2, 4)))}


def delays() -> st.SearchStrategy[Json]:
    """Return requests, answers or sleeps that take longer: time passes, and the nodes go on meanwhile."""
    return st.fixed_dictionaries({"do": st.just("delay"), "seconds": st.sampled_from((1.0, 5.0, 30.0))})


def node_events() -> st.SearchStrategy[Json]:
    """Return events of nodes and of the master, without writes of other clients."""
    return st.sampled_from(
        (
            {"do": "remove_node", "node_id": "id-n1"},
            {"do": "set_node", "node_id": "id-n1", "jobs_memory": "15gb"},
            {"do": "set_node", "node_id": "id-n1", "load_error": "planted"},
            {"do": "shut_down_node", "node_id": "id-n1", "type": "restart"},
            {"do": "shut_down_node", "node_id": "id-n1", "type": "remove"},
            {"do": "lose_master"},
            {"do": "elect_master"},
            {"do": "fail_next_load", "reason": "planted"},
            {"do": "lose_state"},
            {"do": "recover_state"},
        )
    )


@st.composite
def client_events(draw: st.DrawFn, names: t.Sequence[str], *, adaptive: bool) -> Json:
    """Draw an act of another client, of adaptive allocations or of a node on a deployment, or a new consumer of it."""
    name, number = draw(st.sampled_from(names)), st.integers(1, 6)
    started: Json = {
        "do": "start_deployment",
        "model_id": name if name in ("m", "other") else "m",
        "number_of_allocations": 2,
    }
    adaptive_settings = [{"do": "set_adaptive", "adaptive_allocations": draw(st.sampled_from((None, *ADAPTIVE)))}]
    event = draw(
        st.sampled_from(
            (
                {"do": "stop_deployment"},
                {"do": "remove_deployment"},
                {"do": "set_number", "number_of_allocations": draw(number)},
                {"do": "set_number", "number_of_allocations": draw(number)},
                *(adaptive_settings if adaptive else ()),
                {"do": "put_pipeline_reference", "pipeline": "late", "model_id": name},
                {"do": "fail_route", "reason": "planted"},
                {"do": "hold"},
                {"do": "release"},
                started,
                {**started, "queue_capacity": 77},
            )
        )
    )
    return {**event, "deployment_id": name}


ADAPTIVE: tuple[Json, ...] = ({"enabled": True, "min_number_of_allocations": 1}, {"enabled": False})
"""Adaptive allocations that another client may set."""
RECOVERY: tuple[Json, ...] = (
    {"do": "recover_state"},
    {"do": "elect_master"},
    {"do": "add_node", "node_id": "id-n1", "processors": 8, "memory": "16gb"},
    {"do": "keep_node", "node_id": "id-n1"},
    {"do": "set_node", "node_id": "id-n1", "jobs_memory": 0, "load_error": None},
)
"""Effects that end every lasting fault. Held deployments are released one by one besides."""

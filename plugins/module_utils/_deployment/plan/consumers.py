# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What may be stopped, and by whom a deployment is changed, when others use it. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._consumers.records import CONSUMER_KINDS, ConsumerKind, Consumers, Endpoint, UsedBy
from ..._core.errors import Refusal
from ..._core.server import Server
from ..._ml.adaptive import OFF, AdaptivePatch
from ..._ml.deployment import Deployment
from ..records.desired import Desired
from ..records.step import Step
from .diff import allocation_changes, immutable_differences
from .plan import Plan


class _Word(t.NamedTuple):
    one: str
    many: str
    privilege: str


_WORDS: t.Mapping[ConsumerKind, _Word] = {
    "inference_endpoints": _Word("inference endpoint", "inference endpoints", "monitor_inference or monitor"),
    "ingest_pipelines": _Word("ingest pipeline", "ingest pipelines", "read_pipeline"),
    "model_aliases": _Word("model alias", "model aliases", "monitor_ml"),
}


def names_the_model(deployment: Deployment, consumers: Consumers) -> bool:
    """Whether anybody names the model of *deployment*, or an alias of it, instead of the deployment.

    Then it matters whether another deployment has the model's own id: that one is what is meant.
    """
    model_id = deployment.model_id
    if model_id == deployment.deployment_id:
        return False
    names = {model_id, *(consumers.aliases or {}).get(model_id, ())}
    named = frozenset[str]().union(*(consumers.pipelines or {}).values())
    return len(names) > 1 or bool(names & named)


def used_by(deployment: Deployment, consumers: Consumers, *, model_has_this_id: bool = False) -> UsedBy:
    """Who uses *deployment*. *model_has_this_id*: another deployment has the id of its model, and answers for it."""
    name, model_id = deployment.deployment_id, deployment.model_id
    aliases = () if model_has_this_id else (consumers.aliases or {}).get(model_id, ())
    endpoints = tuple(sorted(each.inference_id for each in consumers.endpoints or () if each.deployment_id == name))
    names = {name, *endpoints, *aliases, *(() if model_has_this_id else (model_id,))}
    pipelines = tuple(sorted(each for each, named in (consumers.pipelines or {}).items() if names & named))
    return UsedBy(
        None if consumers.endpoints is None else endpoints,
        None if consumers.pipelines is None else pipelines,
        None if consumers.aliases is None else aliases,
    )


def allow_stop(desired: Desired, plan: Plan, used_by: UsedBy, server: Server) -> Plan:
    """The *plan*, which stops something, with force where the task allows it.

    :raises Refusal: somebody uses the deployment, or that cannot be known and the server would not mind.
    """
    named, unread = _listed(used_by), [kind for kind in CONSUMER_KINDS if used_by.of(kind) is None]
    if desired.on_referenced == "force":
        return _forced(plan, named, unread) if named or unread else plan
    if named:
        raise Refusal(
            "deployment_in_use",
            f"Deployment '{desired.deployment_id}' is used by {named}, and would have to be stopped",
            hint="Take it out of use first, or set on_referenced to force.",
        )
    for kind in unread:
        _refuse_unchecked(desired, kind, server)
    return dataclasses.replace(plan, consumer_warnings=tuple(map(_left_to_server, unread)))


def _forced(plan: Plan, named: str, unread: t.Sequence[ConsumerKind]) -> Plan:
    stopped = t.cast("Deployment", plan.before)  # a plan that stops something has it
    warnings: tuple[str, ...] = ()
    if named:
        warnings += (f"Deployment '{stopped.deployment_id}' is stopped by force although it is used by {named}.",)
    if plan.after and plan.after.model_id != stopped.model_id and named and plan.operation != "rollback":
        warnings += (
            f"Those that name model '{stopped.model_id}' do not find it in '{stopped.deployment_id}' "
            f"as long as that runs '{plan.after.model_id}'.",
        )
    warnings += tuple(
        f"W{_unknown(kind)}. The stop is sent with force, as on_referenced says, and breaks any there are."
        for kind in unread
    )
    steps = tuple(
        dataclasses.replace(step, settings={**step.settings, "force": True}) if step.kind == "stop" else step
        for step in plan.steps
    )
    return dataclasses.replace(plan, steps=steps, consumer_warnings=warnings)


def _listed(used_by: UsedBy) -> str:
    """The users in words; empty if there are none."""
    parts = []
    for kind in CONSUMER_KINDS:
        found, word = used_by.of(kind) or (), _WORDS[kind]
        if found:
            parts.append(f"{word.one if len(found) == 1 else word.many} " + ", ".join(f"'{each}'" for each in found))
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def _refuse_unchecked(desired: Desired, kind: ConsumerKind, server: Server) -> None:
    if not _server_checks(server, kind):
        raise Refusal(
            "consumers_unreadable",
            f"Deployment '{desired.deployment_id}' is not stopped: w{_unknown(kind)}, and Elasticsearch "
            f"{server.version} stops a deployment without looking for them",
            hint="Grant the privilege, or set on_referenced to force.",
        )


def _server_checks(server: Server, kind: ConsumerKind) -> bool:
    """Whether a stop without force is refused by the server itself (server-behaviour.md 3.3).

    Endpoints since elastic/elasticsearch pull request 129325, which 9.0 did not get. Aliases only where a pipeline
    names them.
    """
    if kind == "inference_endpoints":
        return server.serverless or (server.has(8, 19) and server.version_tuple[:2] != (9, 0))
    return kind == "ingest_pipelines"


def _left_to_server(kind: ConsumerKind) -> str:
    return (
        f"W{_unknown(kind)}. The stop is sent without force, "
        "so Elasticsearch refuses it if one names the deployment itself."
    )


def _unknown(kind: ConsumerKind) -> str:
    word = _WORDS[kind]
    return f"hich {word.many} use deployments cannot be read (that needs the cluster privilege {word.privilege})"


# --- deployments of endpoints ---


def may_update_owned(plan: Plan, server: Server) -> bool:
    """Whether the deployment that *plan* updates can belong to an endpoint."""
    return any(step.kind == "update" for step in plan.steps) and _can_be_owned(plan.before, server)


def may_restart_owned(plan: Plan, server: Server) -> bool:
    """Whether *plan* starts again what can belong to an endpoint."""
    again = plan.operation in ("restart", "replace", "recover") or plan.resumed_from is not None
    return again and plan.start is not None and _can_be_owned(plan.baseline, server)


def _can_be_owned(deployment: Deployment | None, server: Server) -> bool:
    """Endpoints came with 8.11, and have no id of a model."""
    return deployment is not None and deployment.deployment_id != deployment.model_id and server.has(8, 11)


def update_through_owner(desired: Desired, plan: Plan, endpoints: tuple[Endpoint, ...] | None, server: Server) -> Plan:
    """The *plan*, which updates something, by way of the inference endpoint that made the deployment, if one did.

    :raises Refusal: the task or the server does not allow it.
    """
    asked = desired.on_endpoint_owned == "update_endpoint"
    if endpoints is None:
        if asked:
            raise Refusal(
                "consumers_unreadable",
                f"Whether deployment '{desired.deployment_id}' belongs to an inference endpoint cannot be read",
                hint=f"Grant the cluster privilege {_WORDS['inference_endpoints'].privilege}.",
            )
        return plan
    owner = _owner_of(desired, endpoints)
    if owner is None:
        return plan
    if not asked:
        raise _bypasses_owner(desired, "Set on_endpoint_owned to update_endpoint, which changes both.")
    _refuse_before(server, (9, 2) if _sets_adaptive(plan) else (8, 19), owner)
    return through_endpoint(plan, owner.task_type)


def warn_of_unread_owner(plan: Plan, server: Server) -> Plan:
    """The *plan*, which updates something past the inference endpoint that may have made it, and nobody may see.

    It is not refused: who may manage deployments alone must be able to scale those that are no endpoint's.
    """
    made = f"If one made deployment '{plan.steps[0].deployment_id}'"
    # A check of the server since 9.2 (server-behaviour.md 3.2 row 5).
    if server.has(9, 2):
        follows = f"{made}, Elasticsearch refuses this update."
    else:
        follows = f"{made}, it keeps its old settings, and the two disagree from this update on."
    message = f"W{_unknown('inference_endpoints')}. {follows}"
    return dataclasses.replace(plan, warnings=(*plan.warnings, message))


def check_owner(desired: Desired, plan: Plan, endpoints: tuple[Endpoint, ...]) -> Plan:
    """The *plan*, which starts something again, if what its inference endpoint has of it stays true.

    An endpoint is told of another count, or other bounds, by an update alone; of what is fixed at the start never.

    :raises Refusal: the endpoint would have another count, or other bounds.
    """
    if _owner_of(desired, endpoints) is None:
        return plan
    before, after = t.cast("Deployment", plan.baseline), t.cast("Deployment", plan.after)
    if allocation_changes(after, before):
        raise _bypasses_owner(
            desired, "Change them by a task of its own, which only updates: on_endpoint_owned says how."
        )
    stale = immutable_differences(desired, before, after.model_id)
    if not stale:
        return plan
    message = f"Inference endpoint '{desired.deployment_id}' still has the old settings: "
    named = "; ".join(f"{each.name} {each.current} instead of {each.desired}" for each in stale)
    return dataclasses.replace(plan, warnings=(*plan.warnings, f"{message}{named}."))


def _owner_of(desired: Desired, endpoints: tuple[Endpoint, ...]) -> Endpoint | None:
    return next(
        (each for each in endpoints if each.owns_deployment and each.deployment_id == desired.deployment_id), None
    )


def _bypasses_owner(desired: Desired, hint: str) -> Refusal:
    return Refusal(
        "owned_by_endpoint",
        f"Deployment '{desired.deployment_id}' belongs to the inference endpoint of that name, "
        "which would still have the old settings",
        hint=hint,
    )


def through_endpoint(plan: Plan, task_type: str) -> Plan:
    """The *plan* with its updates by way of the inference endpoint that has the deployment's id."""
    steps = tuple(
        dataclasses.replace(step, settings=_whole_adaptive(plan, step), endpoint_type=task_type) for step in plan.steps
    )
    return dataclasses.replace(plan, steps=steps)


def _whole_adaptive(plan: Plan, step: Step) -> t.Mapping[str, t.Any]:
    """An endpoint has its object replaced, not merged: what is sent of the scaler is all of it."""
    sent = step.settings.get("adaptive_allocations")
    if sent is None:
        return step.settings
    after = t.cast("Deployment", plan.after).adaptive_allocations or OFF
    kept = {name: value for name, value in after.as_result().items() if value is not None}
    return {**step.settings, "adaptive_allocations": {**sent, **kept}}


def _sets_adaptive(plan: Plan) -> bool:
    return any("adaptive_allocations" in step.settings for step in plan.steps)


def _refuse_before(server: Server, since: tuple[int, int], owner: Endpoint) -> None:
    if not server.has(*since):
        changes = "the adaptive allocations" if since == (9, 2) else "the allocations"
        raise Refusal(
            "unsupported_version",
            f"Elasticsearch {server.version} cannot change {changes} of inference endpoint '{owner.inference_id}'",
            hint=f"It needs {'.'.join(map(str, since))} or newer.",
        )


def endpoint_of_lost(desired: Desired, endpoints: t.Iterable[Endpoint]) -> Endpoint | None:
    """The endpoint whose deployment the task names and nothing runs under: its own first, else one attached to it."""
    found = [each for each in endpoints if each.deployment_id == desired.deployment_id and each.model_id]
    return min(found, key=lambda each: (not each.owns_deployment, each.inference_id), default=None)


def with_endpoint_settings(desired: Desired, endpoint: Endpoint) -> Desired:
    """What is *desired*, and where the task says nothing, what the *endpoint* says of its deployment."""
    scaled = desired.number_of_allocations or desired.initial_number_of_allocations or desired.adaptive_allocations
    adaptive, number = endpoint.adaptive_allocations, endpoint.number_of_allocations
    if scaled:
        adaptive, number = None, None
    return dataclasses.replace(
        desired,
        model_id=endpoint.model_id,
        threads_per_allocation=desired.threads_per_allocation or endpoint.threads_per_allocation,
        adaptive_allocations=AdaptivePatch(**adaptive.as_result()) if adaptive else desired.adaptive_allocations,
        initial_number_of_allocations=desired.initial_number_of_allocations
        if adaptive and adaptive.enabled
        else desired.initial_number_of_allocations or number,
    )

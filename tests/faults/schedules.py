# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Draw random schedules: a cluster, a task, and events at moments of it. Every schedule is JSON."""

from __future__ import annotations

import typing as t

from hypothesis import strategies as st

from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options.deployment import (
    DEPLOYMENT,
    PREFLIGHT,
    WAIT,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options.fleet import ITEM, SPEC
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options.guard import GUARD
from faults.consumers import ALIAS, alias, consumers, owned
from faults.events import client_events, delays, faults, node_events

Json = dict[str, t.Any]

VERSIONS = ("8.3.3", "8.9.2", "8.15.3", "8.16.0", "8.19.21", "9.5.3")
SERVERLESS = "9.5.3"
"""The version that serverless is played with; serverless itself reports another one."""
PRIVILEGES = (["all"], ["manage_ml", "monitor", "read_pipeline"], ["manage_ml"])
"""``all`` means no security. Without ``monitor`` the user cannot know that a cluster is serverless."""
MODELS = ("m", "other")
MOMENTS = 24
"""Events and kills come at one of so many moments; most runs have fewer."""

number = st.integers(1, 6)
BOUNDS = st.fixed_dictionaries(
    {},
    optional={
        "enabled": st.booleans(),
        "min_number_of_allocations": st.integers(-1, 3),
        "max_number_of_allocations": st.sampled_from((-1, 3, 6)),
    },
)
VALUES: dict[str, st.SearchStrategy[t.Any]] = {
    "number_of_allocations": number,
    "initial_number_of_allocations": number,
    "adaptive_allocations": BOUNDS,
    "threads_per_allocation": st.sampled_from((1, 2, 4)),
    "queue_capacity": st.sampled_from((100, 1000)),
    "cache_size": st.sampled_from(("0", "1mb", "1536kb")),
    "wait_timeout": st.sampled_from((20.0, 8.0, 30.0, 0.0)),
    "wait_sleep": st.sampled_from((0.5, 2.0)),
    "wait_docs": st.sampled_from(({"input": "a"}, [{"input": "a"}])),
    "recovery_file": st.just("FOLDER/ID.json"),
    "min": st.integers(0, 2),
    "max": st.integers(2, 6),
    "max_step": st.integers(0, 3),
    "max_total_step": st.integers(0, 5),
}
"""For options that are neither a choice nor a flag."""
ALWAYS = ("deployment_id", "model_id")
"""The deployment and its model are drawn apart from the other options."""
NOT_VARIED = ("server_timeout",)
"""It only limits the wait in a queue of Elasticsearch that the emulator does not have."""


def values(name: str, option: Json) -> st.SearchStrategy[t.Any]:
    """Return values for an option, taken from its specification.

    :raises KeyError: the specification does not say enough, and ``VALUES`` has nothing.
    """
    if name in VALUES:
        return VALUES[name]
    if "choices" in option:
        return st.sampled_from(option["choices"])
    if option["type"] == "bool":
        return st.booleans()
    if name == "guard":
        within = {each: values(each, known) for each, known in option["options"].items()}
        return st.lists(st.sampled_from(sorted(within)), unique=True, min_size=1, max_size=3).flatmap(
            lambda chosen: st.fixed_dictionaries({each: within[each] for each in chosen})
        )
    raise KeyError(f"tests/faults/schedules.py has no values for option {name}")


def _options(names: t.Mapping[str, Json], exclusive: t.Iterable[t.Collection[str]]) -> st.SearchStrategy[Json]:
    """Return a few options of a specification at a time, without those that exclude each other."""
    known = {name: values(name, option) for name, option in names.items() if name not in ALWAYS + NOT_VARIED}

    def allowed(chosen: frozenset[str]) -> bool:
        return all(len(chosen & set(group)) <= 1 for group in exclusive)

    few = st.frozensets(st.sampled_from(sorted(known)), max_size=4).filter(allowed)
    return few.flatmap(lambda chosen: st.fixed_dictionaries({name: known[name] for name in sorted(chosen)}))


EXCLUSIVE = tuple(map(tuple, DEPLOYMENT.mutually_exclusive))
ONE = _options(DEPLOYMENT.argument_spec | GUARD.argument_spec | PREFLIGHT.argument_spec | WAIT.argument_spec, EXCLUSIVE)
ITEMS = _options(ITEM.argument_spec, EXCLUSIVE)
LIST = _options(
    {
        name: option
        for name, option in SPEC.argument_spec.items()
        if name in ("guard", "preflight", *WAIT.argument_spec)
    },
    (),
)
OFTEN = ("on_unsatisfied", "recovery_file", "guard", "on_referenced", "on_endpoint_owned", "wait_timeout")
"""Options that decide what a task may do, or restore: a third of all items has each of them."""


@st.composite
def intents(draw: st.DrawFn, version: str) -> Json:
    """Draw the intent of a task, so that most tasks change something."""
    since = {"update": (8, 6), "scale": (8, 16), "override": (8, 16)}
    kinds = ("any", "update", "scale", "override", "replace", "restart", "stop", "recover")
    kind = draw(st.sampled_from([each for each in kinds if _release(version) >= since.get(each, (8, 0))]))
    if kind == "scale":
        return {"adaptive_allocations": draw(BOUNDS)}
    if kind == "replace":
        names = st.sampled_from(("threads_per_allocation", "queue_capacity"))
        name = draw(names)
        return {name: draw(VALUES[name]), "replace": "stop_start"}
    fixed = {"number_of_allocations": draw(number)}
    settings: dict[str, Json] = {
        "any": {},
        "update": fixed,
        "override": {**fixed, "on_adaptive": "override"},
        "restart": {"state": "restarted"},
        "stop": {"state": "stopped"},
        "recover": {"on_failed": "recover"},
    }
    return settings[kind]


@st.composite
def desired_settings(draw: st.DrawFn, version: str, few: st.SearchStrategy[Json]) -> Json:
    """Draw an intent, options that often go with one, and a *few* others."""
    desired = draw(intents(version))
    for name in OFTEN:
        if draw(st.integers(0, 2)) == 0:
            desired[name] = draw(values(name, ITEM.argument_spec[name]))
    for name, value in draw(few).items():
        rivals = {each for group in EXCLUSIVE if name in group for each in group}
        if not rivals & desired.keys():
            desired.setdefault(name, value)
    return desired


def names(version: str) -> tuple[str, ...]:
    """Return ids of deployments. Before 8.8 a deployment has the id of its model."""
    return MODELS if _release(version) < (8, 8) else ("d", "e", "m")


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


@st.composite
def running(draw: st.DrawFn, version: str, name: str) -> list[Json]:
    """Draw the effects and requests that make a deployment, in any of its states."""
    if name not in MODELS and _release(version) >= (8, 15) and draw(st.integers(0, 4)) == 0:
        return [owned(name, draw(_endpoint_allocations(version))), *draw(_acts_on(name))]
    start: Json = {"do": "start_deployment", "deployment_id": name}
    start["model_id"] = name if name in MODELS else draw(st.sampled_from(("m", "m", "m", "other")))
    form = draw(st.sampled_from(("plain", "plain", "fixed", "low", "adaptive")))
    if form == "low" and _release(version) >= (8, 6):
        start["priority"] = "low"
    elif form == "adaptive" and _release(version) >= (8, 16):
        start["adaptive_allocations"] = {"enabled": draw(st.booleans()), "min_number_of_allocations": draw(number)}
    else:
        start["number_of_allocations"] = draw(number)
        if form == "fixed":
            start |= {"threads_per_allocation": draw(st.sampled_from((1, 2))), "queue_capacity": 500}
    settled: list[Json] = [] if draw(st.integers(0, 5)) == 0 else [{"do": "settle"}]
    return [start, *settled, *draw(_acts_on(name))]


def _endpoint_allocations(version: str) -> st.SearchStrategy[Json]:
    """Return settings for the allocations of an inference endpoint."""
    fixed = st.fixed_dictionaries({"num_allocations": number})
    if _release(version) < (8, 16):
        return fixed
    bounds = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 4}
    return fixed | st.just({"adaptive_allocations": bounds})


def _acts_on(name: str) -> st.SearchStrategy[list[Json]]:
    """Return effects on a deployment once it is there, mostly none."""
    effect = st.sampled_from((None, None, None, "stop_deployment", "fail_route", "hold"))
    return effect.map(lambda do: [{"do": do, "deployment_id": name}] if do else [])


class Beginning(t.NamedTuple):
    """The cluster before a task: names of deployments, and whether model ``m`` has an alias."""

    version: str
    there: t.Collection[str]
    alias: bool


@st.composite
def tasks(draw: st.DrawFn, beginning: Beginning) -> Json:
    """Draw the options of one of the two modules."""
    version = beginning.version
    ids = names(version)
    if draw(st.booleans()):
        name = draw(st.sampled_from(ids))
        return {
            "deployments": None,
            "options": {**_model_of(draw, name, beginning), **draw(desired_settings(version, ONE))},
        }
    chosen = draw(st.lists(st.sampled_from(ids), unique=True, min_size=1, max_size=3))
    options = draw(LIST)
    if draw(st.integers(0, 3)) == 0:
        options["guard"] = {**options.get("guard", {}), "max_total_step": draw(VALUES["max_total_step"])}
    if draw(st.integers(0, 4)) == 0:
        options |= {"stop_unlisted": True, "unlisted_except": draw(st.sampled_from(([], ["m"])))}
    items = [{**_model_of(draw, name, beginning), **draw(desired_settings(version, ITEMS))} for name in chosen]
    return {"deployments": items, "options": options}


def _model_of(draw: st.DrawFn, name: str, beginning: Beginning) -> Json:
    """Draw the deployment id, and mostly a model: the one it has, another, or an alias."""
    if name in MODELS:
        return {"deployment_id": name, **draw(st.sampled_from(({}, {"model_id": name})))}
    models = ["m", "m", "m", "m", "other", *([ALIAS, ALIAS] if beginning.alias else [])]
    if name in beginning.there and draw(st.booleans()):
        return {"deployment_id": name}
    return {"deployment_id": name, "model_id": draw(st.sampled_from(models))}


At = int | str
"""A moment: requests, answers and sleeps are counted from the beginning, or after the first write (``write+N``)."""


@st.composite
def moments(draw: st.DrawFn) -> list[At]:
    """Draw the moments of events: spread over the run, or shortly after each other, as trouble comes."""
    spread = draw(st.lists(st.integers(0, MOMENTS - 1), unique=True, max_size=6))
    first, gaps = draw(st.integers(0, MOMENTS - 1)), draw(st.lists(st.integers(1, 3), max_size=4))
    burst = [first + sum(gaps[:place]) for place in range(len(gaps) + 1)]
    after_write = [f"write+{place - first + first % 4}" for place in burst]
    return draw(st.sampled_from((burst, sorted(spread), after_write)))


def kills() -> st.SearchStrategy[At | None]:
    """Return moments at which the process dies, often none."""
    return st.none() | st.integers(0, MOMENTS - 1) | st.integers(0, 5).map("write+{}".format)


@st.composite
def schedules(draw: st.DrawFn) -> Json:
    """Draw a cluster, a task, perhaps a second one at the same time, and events.

    In a third of the schedules no other client acts, so that more of the laws apply.
    """
    serverless = draw(st.integers(0, 7)) == 0
    version = SERVERLESS if serverless else draw(st.sampled_from(VERSIONS))
    ids = names(version)
    there = [name for name in ids if draw(st.integers(0, 3))]
    kind = draw(st.sampled_from(("faults", "other clients", "two runs")))
    changes = client_events(ids, adaptive=_release(version) >= (8, 16))
    event = faults() | delays() | (node_events() if kind == "faults" else changes)
    events = [{"at": at, "what": draw(event)} for at in draw(moments())]
    beginning = Beginning(version, there, draw(st.integers(0, 4)) == 0)
    second = draw(tasks(beginning)) if kind == "two runs" else None
    return {
        "version": version,
        "flavor": "serverless" if serverless else "default",
        "nodes": draw(st.sampled_from((["n1=4,16gb", "n2=4,16gb"], ["n1=8,16gb"], ["n1=8,2gb,a", "n2=2,16gb,b"]))),
        "privileges": draw(st.sampled_from(PRIVILEGES[: 2 if serverless else 3])),
        "running": [effect for name in there for effect in draw(running(version, name))],
        "consumers": [alias()] * beginning.alias + [request for name in there for request in draw(consumers(name))],
        "task": draw(tasks(beginning)),
        "second": second,
        "switches": draw(st.lists(st.booleans(), max_size=MOMENTS)) if second else [],
        "events": events,
        "killed": draw(kills()),
    }

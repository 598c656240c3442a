# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Set up deployments on an emulator, let other clients act meanwhile, and read results."""

from __future__ import annotations

import typing as t

from support.emulated_cluster import Answer, Emulator

Json = dict[str, t.Any]
Forward = t.Callable[[], Answer]


def started(emulator: Emulator, **numbers: int) -> None:
    """Start deployments of model ``m``, id to number of allocations, and let all become ready."""
    for name, number in numbers.items():
        emulator.effect("start_deployment", model_id="m", deployment_id=name, number_of_allocations=number)
    emulator.settle()
    emulator.forget()


def launched(emulator: Emulator, name: str = "d", **options: t.Any) -> Json:
    """Start a deployment of model ``m`` with *options*, and return its settings once it is ready."""
    emulator.effect("start_deployment", model_id="m", deployment_id=name, **options)
    emulator.settle()
    emulator.forget()
    return task(emulator, name)


def hide_nodes(emulator: Emulator) -> None:
    """Hide what decides about room: that there is none shows only when Elasticsearch refuses a write."""
    for operation in ("nodes", "settings"):
        emulator.fault(operation, {"type": "answer", "status": 404, "body": None}, times=-1)


def owned(emulator: Emulator) -> None:
    """Make an inference endpoint ``ep``, which owns the deployment of that id."""
    settings = {"model_id": "m", "num_threads": 1, "num_allocations": 1}
    body = {"service": "elasticsearch", "service_settings": settings}
    emulator.send({"method": "PUT", "path": "/_inference/sparse_embedding/ep", "query": {}, "body": body})
    emulator.settle()
    emulator.forget()


def between(emulator: Emulator, act: t.Callable[[str, Forward], Answer]) -> None:
    """Let *act* answer each request: it gets the path, and a function that sends the request on."""
    request = emulator.request

    def among(method: str, target: str, *rest: t.Any) -> Answer:
        return act(target.partition("?")[0], lambda: request(method, target, *rest))

    emulator.request = among  # type: ignore[method-assign,assignment]


def meanwhile(emulator: Emulator, path: str, act: t.Callable[[], object], after: bool = False, nth: int = 1) -> None:
    """Let another client *act* at the first, or *nth*, request whose path has *path*: before it, or *after* it."""
    done: list[str] = []

    def at(asked: str, forward: Forward) -> Answer:
        done.extend([asked] if path in asked else [])
        hit = path in asked and len(done) == nth
        if hit and not after:
            act()
        answer = forward()
        if hit and after:
            act()
        return answer

    between(emulator, at)


def at_tick(emulator: Emulator, number: int, act: t.Callable[[], object]) -> None:
    """Let another client *act* when time passes for the *number*-th time."""
    ticks, passing = [0], emulator.pass_time

    def pass_time() -> None:
        ticks[0] += 1
        if ticks[0] == number:
            act()
        passing()

    emulator.pass_time = pass_time  # type: ignore[method-assign]
    emulator.clock._tick = pass_time


def task(emulator: Emulator, name: str = "d") -> Json:
    """Return the settings of a deployment, by none of the collection's code."""
    return t.cast("Json", emulator.deployments()[name]["task_parameters"])


def verbs(result: Json) -> list[str]:
    """Return the last part of the path of each write that a result lists."""
    return [call["path"].rpartition("/")[2] for call in result["api_calls"]]


def written(emulator: Emulator) -> list[str]:
    """Return the last part of the path of each write that arrived."""
    return [entry["path"].rpartition("/")[2] for entry in emulator.journal()]


def item(result: Json, name: str) -> Json:
    """Return the item of one deployment in the result of a list."""
    [found] = [each for each in result["deployments"] if each["deployment_id"] == name]
    return t.cast("Json", found)

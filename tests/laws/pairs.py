# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""List the states of a deployment, and the states that tasks can desire: the two sides of every pair of the laws."""

from __future__ import annotations

import typing as t

from support.emulated_cluster import Emulator
from support.random_search import has_turn

Json = dict[str, t.Any]

VERSIONS = ("8.0.1", "8.3.3", "8.5.3", "8.9.2", "8.15.3", "8.16.0", "8.19.21", "9.1.10", "9.5.3")
ACCESS = {"full": ("manage_ml", "monitor", "read_pipeline"), "stats": ("manage_ml", "read_pipeline")}
"""Cluster privileges: with and without the one that shows the cluster state."""


def deployment_id(emulator: Emulator) -> str:
    """Return an id of its own if the version has those, else the id of the model."""
    return "d" if emulator.has(8, 8) else "m"


def start(emulator: Emulator, settle: bool = True, **options: t.Any) -> None:
    emulator.effect("start_deployment", model_id="m", deployment_id=deployment_id(emulator), **options)
    if settle:
        emulator.settle()


def _adaptive(emulator: Emulator, enabled: bool = True, low: int = 1, high: int = 4) -> None:
    start(
        emulator,
        adaptive_allocations={
            "enabled": enabled,
            "min_number_of_allocations": low,
            "max_number_of_allocations": high,
        },
    )


def _asleep(emulator: Emulator) -> None:
    _adaptive(emulator, low=0)
    emulator.effect("set_number", deployment_id=deployment_id(emulator), number_of_allocations=0)
    emulator.settle()


def _frozen(emulator: Emulator) -> None:
    _asleep(emulator)
    emulator.effect("set_adaptive", deployment_id=deployment_id(emulator), adaptive_allocations={"enabled": False})
    emulator.settle()


def _stopping(emulator: Emulator) -> None:
    start(emulator, number_of_allocations=2)
    emulator.effect("stop_deployment", deployment_id=deployment_id(emulator))


def _failed(emulator: Emulator) -> None:
    start(emulator, number_of_allocations=2)
    emulator.effect("fail_route", deployment_id=deployment_id(emulator), reason="planted")


def _half_failed(emulator: Emulator) -> None:
    start(emulator, number_of_allocations=6)
    emulator.effect("fail_route", deployment_id=deployment_id(emulator), reason="planted")


class State(t.NamedTuple):
    """A state of a deployment: the function that makes it, and the version that first has it."""

    make: t.Callable[[Emulator], object]
    since: tuple[int, int] = (8, 0)


STATES = {
    "nothing": State(lambda emulator: None),
    "one": State(lambda emulator: start(emulator, number_of_allocations=1)),
    "two": State(lambda emulator: start(emulator, number_of_allocations=2)),
    "five on two nodes": State(lambda emulator: start(emulator, number_of_allocations=5)),
    "two threads": State(lambda emulator: start(emulator, number_of_allocations=2, threads_per_allocation=2)),
    "cache and queue": State(lambda emulator: start(emulator, cache_size="1536kb", queue_capacity=500)),
    "low": State(lambda emulator: start(emulator, priority="low"), (8, 6)),
    "adaptive": State(_adaptive, (8, 16)),
    "adaptive off": State(lambda emulator: _adaptive(emulator, enabled=False, low=2), (8, 16)),
    "asleep": State(_asleep, (8, 16)),
    "frozen": State(_frozen, (8, 16)),
    "starting": State(lambda emulator: start(emulator, settle=False, number_of_allocations=2)),
    "stopping": State(_stopping),
    "failed": State(_failed),
    "half failed": State(_half_failed),
}

BOUNDS = {"enabled": True, "min_number_of_allocations": 1, "max_number_of_allocations": 4}

DESIRED_STATES: dict[str, Json] = {
    "started": {},
    "two": {"number_of_allocations": 2},
    "five": {"number_of_allocations": 5},
    "more than fit": {"number_of_allocations": 9},
    "initial three": {"initial_number_of_allocations": 3},
    "two threads": {"threads_per_allocation": 2},
    "two threads, replacing": {"threads_per_allocation": 2, "replace": "stop_start"},
    "queue, replacing": {"queue_capacity": 700, "number_of_allocations": 1, "replace": "stop_start"},
    "two, replacing": {"number_of_allocations": 2, "replace": "stop_start"},
    "cache": {"cache_size": "1536kb"},
    "normal": {"priority": "normal"},
    "low": {"priority": "low"},
    "low, replacing": {"priority": "low", "number_of_allocations": 1, "replace": "stop_start"},
    "adaptive": {"adaptive_allocations": BOUNDS},
    "adaptive to six": {"adaptive_allocations": {"max_number_of_allocations": 6}},
    "adaptive unbound": {"adaptive_allocations": {"enabled": True, "max_number_of_allocations": -1}},
    "adaptive off": {"adaptive_allocations": {"enabled": False}},
    "adaptive off, two": {"adaptive_allocations": {"enabled": False}, "number_of_allocations": 2},
    "two, overriding": {"number_of_allocations": 2, "on_adaptive": "override"},
    "two, skipping": {"number_of_allocations": 2, "on_adaptive": "skip"},
    "two, guarded": {"number_of_allocations": 2, "guard": {"number_of_allocations": 1, "max": 3}},
    "five, guarded": {"number_of_allocations": 5, "guard": {"min": 1, "max_step": 3, "on_violation": "skip"}},
    "zero is fine": {"allow_zero": True},
    "only if there": {"number_of_allocations": 3, "on_missing": "skip"},
    "must be there": {"number_of_allocations": 3, "on_missing": "fail"},
    "steady": {"number_of_allocations": 3, "wait_for": "steady"},
    "answering": {"number_of_allocations": 2, "wait_for": "answering"},
    "just started": {"number_of_allocations": 3, "wait_for": "started"},
    "without a wait": {"number_of_allocations": 3, "wait": False},
    "other model": {"model_id": "other"},
    "other model, replacing": {"model_id": "other", "replace": "stop_start"},
    "by alias": {"model_id": "alias"},
    "unknown model": {"model_id": "unknown", "replace": "stop_start"},
    "restarted": {"state": "restarted"},
    "restarted with three": {"state": "restarted", "number_of_allocations": 3, "on_adaptive": "override"},
    "recovered": {"on_failed": "recover"},
    "recovered with three": {"on_failed": "recover", "number_of_allocations": 3},
    "kept": {"on_unsatisfied": "keep"},
    "replaced or rolled back": {
        "threads_per_allocation": 4,
        "number_of_allocations": 3,
        "replace": "stop_start",
        "on_unsatisfied": "rollback",
    },
    "stopped": {"state": "stopped"},
    "stopped without a wait": {"state": "stopped", "wait": False},
    "stopped if there": {"state": "stopped", "on_missing": "fail"},
}


def states(version: str) -> list[str]:
    release = tuple(int(part) for part in version.split("."))
    return [name for name, state in STATES.items() if release >= state.since]


def desired_states(version: str, state: str, share: int) -> list[str]:
    """Return one of *share* desired states for a state on a version, or all of them with ``make laws``.

    Each version meets each state and each desired state. A pair that one version leaves out is another version's.
    """
    turn = VERSIONS.index(version) + list(STATES).index(state)
    return [desired for number, desired in enumerate(DESIRED_STATES) if has_turn(turn + number, share)]


def prepared(version: str, state: str, access: str, desired: str = "") -> Emulator:
    """Return a new cluster in *state* with an empty journal. The model has an alias if the desired state uses it."""
    emulator = Emulator(version)
    if desired == "by alias":
        assert emulator.api("PUT", "/_ml/trained_models/m/model_aliases/alias") == 200
    STATES[state].make(emulator)
    emulator.forget()
    inference = ["monitor_inference"] if access == "stats" and emulator.has(8, 14) else []
    emulator.allow(*ACCESS[access], *inference)
    return emulator


def named(emulator: Emulator, desired: str) -> Json:
    """Return the options of a desired state for the deployment of the laws."""
    return {
        "deployment_id": deployment_id(emulator),
        **({"model_id": "m"} if emulator.has(8, 8) else {}),
        **DESIRED_STATES[desired],
    }

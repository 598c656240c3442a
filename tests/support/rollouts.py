# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Play the steps of the role model_rollout on an emulator in the test's own process, with clients that never rest.

The role itself is YAML; ``integration/test_role_model_rollout.py`` runs it. Here its steps take milliseconds.
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.plan import plan
from support.emulated_cluster import Answer, Emulator

Json = dict[str, t.Any]
NOW = "2026-12-01T09:00:00Z"


class Failed(Exception):
    """A step of a rollout failed."""


class Client:
    """A client that infers before each request of others, after its answer, and whenever time passes."""

    def __init__(self, emulator: Emulator, *paths: str) -> None:
        self.paths = paths
        self.answers: list[tuple[str, int, str]] = []
        """Path, status and text of each answer."""
        self._emulator = emulator
        self._sent: t.Callable[..., Answer] = emulator._inner.request
        request, passing = emulator.request, emulator.pass_time

        def among(*arguments: t.Any) -> Answer:
            self.ask()
            answer = request(*arguments)
            self.ask()
            return answer

        def pass_time() -> None:
            passing()
            self.ask()

        emulator.request = among  # type: ignore[method-assign,assignment]
        emulator.pass_time = pass_time  # type: ignore[method-assign]
        emulator.clock._tick = pass_time

    def ask(self) -> None:
        for path in self.paths:
            body = {"input": "a"} if "_inference" in path else {"docs": [{"input": "a"}]}
            headers = {"Content-Type": "application/json"}
            status, _headers, text = self._sent("POST", path, headers, json.dumps(body).encode())
            self.answers.append((path, status, text.decode()))

    @property
    def failures(self) -> list[tuple[str, int, str]]:
        return [answer for answer in self.answers if answer[1] != 200]


class Rollout:
    """The role on an emulator. ``file`` is the text of its state file, which outlives a kill."""

    def __init__(self, emulator: Emulator, **given: t.Any) -> None:
        self.emulator = emulator
        self.given: Json = {"watch": {"seconds": 0}, "state_file": "/state", "drain_seconds": 0, **given}
        self.file = ""
        self.before_step: t.Callable[[Json], object] = lambda step: None

    def seen(self, state: str) -> Json:
        return {
            "folder": {"isdir": True, "writeable": True},
            "deployments": self.emulator.info(gather=["routing", "references"]),
            "models": self.emulator.models(),
            "endpoints": {} if "model_alias" in self.given else self.emulator.endpoints(),
            "state": state,
            "now": NOW,
        }

    def plan(self, **more: t.Any) -> Json:
        return plan({**self.given, **more}, self.seen(self.file))

    def run(self, **more: t.Any) -> Json:
        """Take all steps; if one fails, go back. Return the plan.

        :raises Failed: the role fails.
        """
        found = self.plan(**more)
        if found["refused"]:
            raise Failed(" ".join(found["refused"]))
        for step in found["steps"]:
            failure = self._take(step)
            if failure and step["undo"] and found["action"] == "rollout":
                self._undo(found)
                raise Failed(f"{failure} taken back")
            if failure:
                raise Failed(failure)
        if found["ends_failed"]:
            raise Failed("taken back")
        return found

    def _undo(self, found: Json) -> None:
        back = plan(self.given, self.seen(""), undo=found["state"])
        assert back["refused"] == []
        for step in back["steps"]:
            assert not self._take(step), step

    def _take(self, step: Json) -> str:
        """Take a step, and return why it failed."""
        self.before_step(step)
        arguments = {name: value for name, value in step["arguments"].items() if value != {}}
        if step["do"] == "note":
            self.file = json.dumps(step["state"])
            return ""
        if step["do"] == "alias":
            there = {
                alias: each["model_id"] for each in self.emulator.models()["models"] for alias in each["model_aliases"]
            }
            if there.get(arguments["model_alias"]) not in step["expected"]:
                return "another client has changed it"
        run: t.Mapping[str, t.Callable[..., Json]] = {
            "deploy": self.emulator.run,
            "stop": self.emulator.run,
            "try": self.emulator.infer,
            "alias": self.emulator.run_alias,
            "endpoint": self.emulator.run_endpoint,
            "watch": lambda deployment_id, **more: self.emulator.watch(*deployment_id, **more),
            "drain": lambda **_given: {},
        }
        result = run[step["do"]](**arguments)
        return str(result["msg"]) if result.get("failed") else ""

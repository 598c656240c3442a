# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Play one schedule, and judge it by the laws."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import tempfile
import typing as t
from pathlib import Path

from emulator.inprocess import ConnectionDropped
from faults import judge
from faults.consumers import Consumers
from faults.events import RECOVERY
from faults.judge import Run
from faults.schedules import At
from faults.states import shown_states
from faults.writes import Item
from support.emulated_cluster import Answer
from support.interleaving import Moment, Relay, SharedEmulator

Json = dict[str, t.Any]


REQUESTS = 2000
"""Ten times as many as any schedule needed."""


class Killed(BaseException):
    """The end of the process, as by SIGKILL."""


class Endless(BaseException):
    """A run that would never end."""


@dataclasses.dataclass
class Tally:
    """Numbers of all that was played."""

    schedules: int = 0
    requests: int = 0
    faults: int = 0
    events: int = 0
    kills: int = 0
    processes: int = 0

    def add(self, other: Tally) -> None:
        """Add the numbers of another batch."""
        for field in dataclasses.fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


def play(schedule: Json, tally: Tally) -> list[str]:
    """Play *schedule*, and return a sentence for each law that broke."""
    with (
        tempfile.TemporaryDirectory(prefix="faults-") as folder,
        _ScheduledEmulator(schedule, Path(folder), tally) as emulator,
    ):
        broken = emulator.predict()
        emulator.apply()
        broken += emulator.judge_runs()
        emulator.recover()
        broken += emulator.apply_again()
    tally.schedules += 1
    tally.requests += len(emulator.requests)
    return broken + (shown_states(emulator.task_runs) if broken else [])


class _ScheduledEmulator(SharedEmulator):
    """The cluster of a schedule, its tasks, and the events at each moment."""

    def __init__(self, schedule: Json, folder: Path, tally: Tally) -> None:
        super().__init__(schedule["version"], schedule["nodes"], flavor=schedule["flavor"])
        self._schedule = schedule
        self._folder = folder
        self._tally = tally
        self._moments = 0
        self._written: int | None = None
        """The moment after the first write."""
        self._results: dict[str, Json | None] = {}
        self._predicted: Json = {}
        self._consumers = self._prepare()
        self._before = self.assignments()

    def _prepare(self) -> Consumers:
        """Set the cluster up as the schedule says, and return the consumers."""
        for step in self._schedule["running"]:
            (self._ask if "method" in step else self._act)(step)
        for request in self._schedule["consumers"]:
            self._ask(request)
        privileges = self._schedule["privileges"]
        if privileges != ["all"]:
            self.allow(*privileges)
        self.forget()
        late = any(act["do"] == "put_pipeline_reference" for act in self._acts)
        return Consumers.of(self, readable=self._can_read, late=late)

    @property
    def _can_read(self) -> bool:
        """Return whether the tasks may read the consumers of deployments."""
        return any(each in self._schedule["privileges"] for each in ("all", "read_pipeline"))

    def _ask(self, request: Json) -> None:
        """Send a request of another client, which this version may not know."""
        body = None if request["body"] is None else json.dumps(request["body"]).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        with contextlib.suppress(ConnectionDropped):
            self._inner.request(request["method"], request["path"], headers, body)

    def _act(self, effect: Json) -> None:
        """Play an effect; one without a target does nothing."""
        if effect["do"] == "settle":
            self.settle()
        elif effect["do"] == "delay":
            self.clock.sleep(effect["seconds"])
        else:
            with contextlib.suppress(ValueError):
                self.control("POST", "/effects", effect)

    # --- the runs ---

    def request(self, *given: t.Any) -> Answer:
        if len(self.requests) == REQUESTS:
            raise Endless(f"no end after {REQUESTS} requests")
        if self._written is None and given[1].partition("?")[0].endswith(judge.WRITES):
            self._written = self._moments + 1
        return super().request(*given)

    def _play(self, task: Json, check_mode: bool = False) -> Json:
        """Return the result of a task; that of one deployment as a list of one."""
        placed = self._placed(task)
        if placed["deployments"] is not None:
            return self.run_many(placed["deployments"], check_mode, **placed["options"])
        result = self.run(check_mode, **placed["options"])
        return {**result, "deployments": [{**result, "deployment_id": placed["options"]["deployment_id"]}]}

    def _placed(self, task: Json) -> Json:
        """Return the task with a recovery file of its own for each deployment that asks for one."""
        placed: Json = json.loads(json.dumps(task))
        for item in placed["deployments"] or [placed["options"]]:
            if "recovery_file" in item:
                item["recovery_file"] = str(self._folder / f"{item['deployment_id']}.json")
        return placed

    def _items(self, task: Json) -> list[Item]:
        """Return the options of each deployment, with those that it takes from the list."""
        if task["deployments"] is None:
            return [Item(task["options"]["deployment_id"], task["options"])]
        return [Item(each["deployment_id"], {**task["options"], **each}) for each in task["deployments"]]

    def predict(self) -> list[str]:
        """Run check mode, which law 2 needs, and judge it by law 1."""
        self.control("POST", "/read_only", {"enabled": True})
        self._predicted = self._play(self._schedule["task"], check_mode=True)
        broken = ["check mode sent a write"] if self.journal() else []
        broken += ["check mode changed a deployment"] if self.assignments() != self._before else []
        broken += [f"check mode left the file {path.name}" for path in self._folder.iterdir()]
        self.control("POST", "/read_only", {"enabled": False})
        self.forget()
        self.requests.clear()
        return broken

    def apply(self) -> None:
        """Run the task, in turns with the second one, while the events take place."""
        tasks = {"first": self._schedule["task"]}
        if self._schedule["second"]:
            tasks["second"] = self._schedule["second"]
        relay = Relay(self, self._schedule["switches"])

        def between(moment: Moment) -> None:
            self._play_events()
            relay.pause(moment)

        self.between = between
        self._results = dict(relay.race({name: self._mortal(task) for name, task in tasks.items()}))
        self.between = lambda moment: None

    def _mortal(self, task: Json) -> t.Callable[[], Json | None]:
        def run() -> Json | None:
            try:
                return self._play(task)
            except Killed:
                self._tally.kills += 1
                return None

        return run

    def _play_events(self) -> None:
        """Play the events of this moment."""
        now: list[At] = [self._moments]
        now += [] if self._written is None else [f"write+{self._moments - self._written}"]
        self._moments += 1
        for event in self._schedule["events"]:
            if event["at"] in now:
                self._tally.events += 1
                if "operation" in event["what"]:
                    self.control("POST", "/faults", event["what"])
                else:
                    self._act(event["what"])
        if self._schedule["killed"] in now:
            raise Killed

    # --- the laws ---

    @property
    def _acts(self) -> list[Json]:
        return [each["what"] for each in self._schedule["events"] if "do" in each["what"]]

    @property
    def _alone(self) -> bool:
        """Return whether no other client and no node changes deployments."""
        changing = [each for each in self._schedule["events"] if judge.changes_deployments(each["what"])]
        return not self._schedule["second"] and not changing

    @property
    def _undisturbed(self) -> bool:
        return self._alone and not self._schedule["events"] and self._schedule["killed"] is None

    def judge_runs(self) -> list[str]:
        """Return the laws that the runs broke."""
        broken: list[str] = []
        for name, result in self._results.items():
            task = self._schedule["task" if name == "first" else "second"]
            run = Run(self, self.of_run(name), self._items(task), result, self._alone)
            broken += judge.broken(run, self._consumers, task["options"])
        if self._undisturbed:
            broken += judge.unpredicted(self._predicted, self._results["first"] or {})
        return broken

    def recover(self) -> None:
        """End every fault."""
        faults = self.control("GET", "/faults")
        self._tally.faults += sum(each["fired"] for each in faults)
        self.control("DELETE", "/faults")
        self._inner.cluster.load_failures.clear()  # of loads that no node has tried yet
        for effect in RECOVERY:
            self._act(effect)
        for name in self.control("GET", "/state")["held"]:  # also deployments that are not there now
            self._act({"do": "release", "deployment_id": name})
        self.settle()

    def apply_again(self) -> list[str]:
        """Apply law 6: a run without faults reaches the desired state, or fails and says why, as check mode does."""
        task, consumers = self._schedule["task"], Consumers.of(self, readable=self._can_read)
        predicted = self._play(task, check_mode=True)
        self.requests.append(judge.BREAK)
        results = Relay(self, ()).race({"first": lambda: self._play(task)})
        result = results["first"]
        items = self._items(task)
        requests = self.of_run("first")[self.of_run("first").index(judge.BREAK) + 1 :]
        run = Run(self, requests, items, result, True)
        broken = [f"after the faults: {each}" for each in judge.broken(run, consumers, task["options"])]
        broken += [f"after the faults: {each}" for each in judge.unpredicted(predicted, result) + judge.outdated(run)]
        if self._alone:
            broken += judge.repeated(self.of_run("first"))
        if result.get("failed"):
            return broken
        broken += judge.lost_settings(self._before, self.assignments(), self._kept())
        broken += [f"the task left the recovery file of '{item.name}'" for item in items if self._left_file(item)]
        return broken + self._third(task, items)

    def _left_file(self, item: Item) -> bool:
        """Return whether the recovery file that the task names for this deployment is there."""
        return "recovery_file" in item.options and (self._folder / f"{item.name}.json").exists()

    def _kept(self) -> list[Item]:
        """Return the deployments of which the task promises to keep every setting that it does not name."""
        whole = self._results["first"] is not None and not self._results["first"].get("failed")
        items = self._items(self._schedule["task"])
        return [item for item in items if self._alone and (whole or "recovery_file" in item.options)]

    def _third(self, task: Json, items: list[Item]) -> list[str]:
        if any(item.options.get("state") == "restarted" or not item.options.get("wait", True) for item in items):
            return []
        self.forget()
        third = self._play(task)
        broken = [f"a second run without faults changed {third['diff']}"] if third["changed"] else []
        return broken + [f"a second run without faults sent {each['path']}" for each in self.journal()]

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bases of the action plugins that follow a dry run, and of those that change something: their facts grow."""

from __future__ import annotations

import typing as t

from ansible import constants as C

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.warning import WarningText
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.action import Json, MlAction, untagged
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.facts import (
    Key,
    entries_of_run,
    fact_in,
    merge_facts,
    next_order,
    other_cluster_warning,
    other_kind,
    predictions,
    run_id,
    would_hide,
)
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.run_scope import is_rehearsal


class FollowingAction(MlAction):
    """A task that sees what earlier tasks of a dry run would have made."""

    def more_arguments(self, given: Json, task_vars: Json) -> Json:
        """Hand on what earlier tasks of the dry run would have made, unless the user does so."""
        if not self._task.check_mode or "predictions" in given:
            return {}
        owner = self._owner_of(task_vars)
        found = predictions(self._key(owner), run_id(str(self._task._uuid)), self._facts_of(owner, task_vars))
        return {"predictions": untagged(found, "predictions")} if found else {}

    def _key(self, owner: str, name: str = "") -> Key:
        return str(self._task._uuid), owner, name

    def _owner_of(self, task_vars: Json) -> str:
        """Return the host that gets the facts of this task."""
        delegated = self._task.delegate_to and self._task.delegate_facts
        return str(self._task.delegate_to if delegated else task_vars.get("inventory_hostname"))

    def _facts_of(self, host: str, task_vars: Json) -> t.Mapping[str, t.Any]:
        return t.cast(Json, self._variables_of(host, task_vars).get("ansible_facts") or {})

    def _variables_of(self, host: str, task_vars: Json) -> t.Mapping[str, t.Any]:
        """Return the variables of a host before this task, those of another one without being templated."""
        if host == task_vars.get("inventory_hostname"):
            return task_vars
        hosts = task_vars.get("hostvars")
        return t.cast(Json, hosts.raw_get(host)) if hosts is not None and host in hosts else {}


class FactsAction(FollowingAction):
    """``KIND``: that of the resource, among those from whose predicted state later tasks plan."""

    KIND: str

    def refuse(self, params: Json, task_vars: Json) -> None:
        """Refuse to set a fact that would hide a variable of the user: facts beat inventory variables in silence."""
        name = params["fact_name"]
        known = fact_in(self._variables_of(self._owner_of(task_vars), task_vars), name)
        if other := other_kind(self.KIND, known):
            raise Refusal(
                "invalid_value",
                f"fact_name is {name}, which is the fact of {other}",
                hint=f"Give it another name in tasks on {self.KIND}.",
            )
        if not name or self._task.async_val or not C.config.get_config_value("INJECT_FACTS_AS_VARS"):
            return
        hosts = [
            host
            for host in self._hosts_of_fact(task_vars)
            if would_hide(self._key(host, name), self._variables_of(host, task_vars))
        ]
        if hosts:
            have = f" and {len(hosts) - 1} more have" if len(hosts) > 1 else " has"
            raise Refusal(
                "fact_shadows_variable",
                f"Host {hosts[0]}{have} a variable {name} that is not a fact of this collection, and the fact of that "
                "name would hide it: facts beat variables of the inventory and defaults of roles",
                hint="Rename the variable, or set fact_name to another name, or to an empty text for no fact.",
            )

    def finished(self, params: Json, outcome: Json, task_vars: Json) -> Json:
        name, new = params["fact_name"], outcome.get("ansible_facts")
        if self._task.async_val:
            return self.with_warnings(outcome, *self._not_followed("it is async"))
        if not name and outcome.get("changed"):
            return self.with_warnings(outcome, *self._not_followed("fact_name is empty"))
        if not isinstance(new, dict) or name not in new:
            return outcome
        owner, run = self._owner_of(task_vars), run_id(str(self._task._uuid))
        key = self._key(owner, name)
        known = untagged(entries_of_run(key, run, fact_in(self._variables_of(owner, task_vars), name)), name)
        order = next_order(key, run, self._facts_of(owner, task_vars))
        facts = merge_facts(key, run, known, new[name], order)
        result = {**outcome, "ansible_facts": {name: facts}}
        return self.with_warnings(result, *other_cluster_warning(name, known, new[name]))

    def _not_followed(self, condition: str) -> tuple[WarningText, ...]:
        """Return the warning that later tasks of a dry run do not see what this one would change."""
        if not self._task.check_mode or is_rehearsal(self._task):
            return ()
        return (WarningText(f"Later tasks of this dry run do not see what this task would change: {condition}."),)

    def _hosts_of_fact(self, task_vars: Json) -> list[str]:
        """Return the hosts that get the facts of this task: with run_once the batch, unless they are delegated."""
        owner = self._owner_of(task_vars)
        if not self._task.run_once or owner != task_vars.get("inventory_hostname"):
            return [owner]
        return sorted({owner, *task_vars.get("ansible_play_batch", ())})

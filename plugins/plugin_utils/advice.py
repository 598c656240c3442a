# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Messages for who called a module: advice names only options that a playbook or a role offers, as it calls them.

The code of the modules writes its advice for a task. A playbook that fixes options has the names of those it offers in
the variable ``__offered_options``; the role deployments puts its own name before the options of a list.
"""

from __future__ import annotations

import re
import typing as t

from ansible.playbook.task import Task

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.connection import CONNECTION
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options.deployment import (
    SPEC as OF_DEPLOYMENT,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options.fleet import ITEM
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options.fleet import SPEC as OF_LIST

OFFERED = "__offered_options"
ROLE_OF_LIST = "mlops.elasticsearch.deployments"
"""The role with a variable for each option of a list. Others hand on options under their own names."""

Json = dict[str, t.Any]


def _names(arguments: t.Mapping[str, t.Any]) -> set[str]:
    return set(arguments).union(*(_names(each.get("options") or {}) for each in arguments.values()))


OPTIONS = (_names(OF_DEPLOYMENT.argument_spec) | _names(OF_LIST.argument_spec)) - set(CONNECTION.argument_spec)
"""All names that advice may have, those of the connection apart: these have variables of the environment, too."""
OF_LIST_ALONE = set(OF_LIST.argument_spec) - {*ITEM.argument_spec, *CONNECTION.argument_spec, "predictions"}
"""Options of a list that its items do not have, apart from the one that the action plugin sets."""
OF_TASK = set(OF_LIST.argument_spec) - {*CONNECTION.argument_spec, "predictions"}
_WORDS = {"deployments", "detail"}
"""Options whose names are words of any sentence."""

_NAME = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b|\b[a-z]+(?= to\b|: )")
"""A name with an underscore; or a word where advice says what to set it to."""
_SENTENCES = re.compile(r"(?<=[.?!]) (?=[A-Z])")
_ADVICE = re.compile(
    r"(?:Add|Ask|Change|Check|Choose|Give|Grant|Leave|List|Put|Rename|Repeat|Run|Set|Stop|Take|To|Use|With|Write)\b"
)
_ALTERNATIVES = re.compile(
    r",? or (?=(?:add|change|choose|give|grant|leave|list|put|remove|rename|repeat|run|set|stop|take|use)\b)"
)
_ASIDE = re.compile(r"; (\w+) accepts that")


def options_in(text: str) -> set[str]:
    """Return the options that *text* names."""
    return set(_NAME.findall(text)) & OPTIONS


def with_offered(message: str, offered: t.Collection[str]) -> str:
    """Return *message* without advice that needs other options than those *offered*."""
    message = _ASIDE.sub(lambda aside: aside[0] if aside[1] in offered else "", message)
    sentences = (_offered_part(sentence, set(offered)) for sentence in _SENTENCES.split(message))
    return " ".join(filter(None, sentences))


def _offered_part(sentence: str, offered: set[str]) -> str:
    if not _ADVICE.match(sentence) or options_in(sentence) <= offered:
        return sentence
    kept = [part for part in _ALTERNATIVES.split(sentence.rstrip(".")) if options_in(part) <= offered]
    advice = ", or ".join(kept)
    return f"{advice[:1].upper()}{advice[1:]}." if advice else ""


def of_role(message: str, role: str) -> str:
    """Return *message* with the variables of *role* in place of options of the list, but not of its items.

    A sentence that begins with an option is about the list: those about items begin with the item.
    """
    message = re.sub(rf"\b(?<!{role}_){_alternatives(OF_LIST_ALONE - _WORDS)}\b", rf"{role}_\1", message)
    message = re.sub(rf"(?:^|(?<=[.?!] ))(value of )?{_alternatives(OF_TASK)}(?=[ .[])", rf"\1{role}_\2", message)
    return re.sub(rf"\b{role}_deployments\b|(?<!['\w])deployments(?=\[\d)", f"{role}_list", message)


def _alternatives(names: t.Collection[str]) -> str:
    return f"({'|'.join(sorted(names, key=len, reverse=True))})"


def of_task(result: Json, task: Task, task_vars: Json) -> Json:
    """Return *result* with messages that name what the role or the playbook of the *task* offers."""
    role = getattr(task, "_role", None)
    return for_caller(result, task_vars.get(OFFERED), role.get_name(include_role_fqcn=True) if role else "")


def for_caller(result: Json, offered: t.Collection[str] | None, role: str) -> Json:
    """Return *result* with its warnings, and the messages of a failed one, as :func:`text_for` says."""
    if offered is None and role != ROLE_OF_LIST:
        return result

    def adapted(each: Json) -> Json:
        return {**each, "msg": text_for(str(each["msg"]), offered, role)} if "msg" in each else each

    if result.get("warnings"):
        adapted_warnings = (_warning_for(warning, offered, role) for warning in result["warnings"])
        result = {**result, "warnings": [warning for warning in adapted_warnings if warning]}
    if not result.get("failed"):
        return result
    items = result.get("deployments")
    if isinstance(items, list):
        result = {**result, "deployments": [adapted(each) for each in items]}
    return adapted(result)


def _warning_for(warning: t.Any, offered: t.Collection[str] | None, role: str) -> t.Any:
    """Return *warning*, a text or what ansible-core from 2.19 on makes of one that a module returns."""
    text = str(getattr(getattr(warning, "event", None), "msg", warning))
    adapted = text_for(text, offered, role)
    return warning if adapted == text else adapted


def text_for(text: str, offered: t.Collection[str] | None, role: str) -> str:
    """Return *text* for a playbook that offers only some options, or for a *role* of ours."""
    text = text if offered is None else with_offered(text, offered)
    return of_role(text, role.rpartition(".")[2]) if role == ROLE_OF_LIST else text

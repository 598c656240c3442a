# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a task on a field that uses an inference endpoint."""

from __future__ import annotations

import dataclasses
import typing as t

from .._core.http.schema import ANY
from .._core.run.clock import Clock
from .._core.run.cluster import Connect
from .._core.run.resource import empty_result as empty_result_of
from .._core.run.resource import run_without_fact
from .._core.run.resource_kind import Resource
from .._core.run.result import Json, Outcome
from .._core.warning import WarningText
from .api import PLURAL, FieldCluster, to_request
from .options import desired
from .plan import decide
from .records import Desired, Field, Situation

_UNSEEN = WarningText("Later tasks of this dry run do not see the index that this task would create.")


def settings(field: Field | None) -> Json:
    """Return the field as ``before`` and ``after`` show it."""
    names = [each.name for each in dataclasses.fields(Field)]
    found: Json = {name: getattr(field, name, None) for name in names}
    return {**found, "state": "present" if field else "absent"}


def state_of(current: Situation) -> Field | None:
    """Return the first field that was found."""
    return next((field for field in current.fields.values() if field), None)


FIELD: Resource[FieldCluster, Desired, Situation, Field] = Resource(
    noun="index",
    plural=PLURAL,
    kind="fields",
    key="field",
    entry=ANY,
    desired=desired,
    name_of=lambda desired: desired.index,
    follow=lambda _cluster, _params: None,
    read=FieldCluster.read,
    state_of=state_of,
    plan=decide,
    request=to_request,
    settings=settings,
    result=lambda _desired, _current: {},
)


def run(
    params: t.Mapping[str, t.Any],
    check_mode: bool,
    *,
    connect: Connect[FieldCluster] = FieldCluster.connected,
    clock: Clock | None = None,
) -> Outcome:
    """Let a field use an inference endpoint as validated *params* ask for. Return errors as a failed result."""
    return run_without_fact(FIELD, params, check_mode, connect, clock, unseen=_UNSEEN)


def empty_result() -> Json:
    """Return the result if nothing was read."""
    return empty_result_of(FIELD)

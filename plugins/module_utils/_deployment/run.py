# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One deployment: the list of one."""

from __future__ import annotations

import functools
import typing as t

from .._core.errors import Failure
from .._core.options.connection import connection
from .._core.run.clock import Clock, SystemClock
from .._core.run.internal_error import Unexpected
from .._core.run.progress import Tell, silent
from .._core.run.result import Json, Outcome
from .api.cluster import Api, Connect
from .api.version_checks import refuse_old_server, refuse_unsupported
from .apply.deployment_run import Job, carry_out
from .apply.run_state import Report
from .options import deployment as options


def run(
    params: t.Mapping[str, t.Any],
    check_mode: bool,
    *,
    connect: Connect = Api.connected,
    clock: Clock | None = None,
    tell: Tell = silent,
) -> Outcome:
    """Bring one deployment into the state that validated *params* want. Known errors come back as a failed result.

    *tell* is told of the progress of a long wait.
    """
    clock = clock or SystemClock()
    report = Report(params.get("deployment_id") or params.get("model_id") or "", params["fact_name"])
    try:
        job = Job(options.wanted(params), options.waiting(params), report)
        server_timeout = options.server_timeout(params)
        report.fact_name = options.fact_name(params)
        api = connect(connection(params), clock.sleep)
        try:
            report.server = api.server
            refuse_old_server(api.server)
            refuse_unsupported(api.server, job.wanted)
            look = functools.partial(api.look, job.wanted.deployment_id)
            job.decide(api, look())
            job.tell_of_file()
            if check_mode and not job.error:
                job.foretell(api, server_timeout)
            elif not job.error:
                carry_out(api, [job], look, server_timeout, clock, tell)
        finally:
            api.close()
    except Failure as exc:
        return report.failed(exc)
    except Exception as exc:
        return report.failed(Unexpected(exc))
    return report.failed(job.error) if job.error else report.succeeded()


def blank() -> Json:
    """The result when nothing was read."""
    return Report("", "").as_result()

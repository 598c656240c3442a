# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the collection's code on real sockets, without a playbook around it."""

from __future__ import annotations

import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.http.client import Client
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.connection import CONNECTION, connection
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.environment import with_environment
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.spec import Spec
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment import run as deployment
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options import deployment as options

Json = dict[str, t.Any]


def read(path: str, environ: dict[str, str] | None = None, **given: t.Any) -> t.Any:
    """Return the JSON object at *path* of the cluster that connection options and variables name.

    :raises Refusal: or ``ApiError``, as the modules meet them.
    """
    client = Client(connection(_validated(CONNECTION, {"request_retries": 0, **given}, environ)))
    try:
        return client.read("look", path)
    finally:
        client.close()


def run(environ: dict[str, str] | None = None, **given: t.Any) -> Json:
    """Return the result of the module ``trained_model_deployment``; ``warnings`` beside it."""
    outcome = deployment.run(_validated(options.SPEC, {"wait_sleep": 0.05, **given}, environ), False)
    return {**outcome.result, "warnings": list(outcome.warnings)}


def _validated(spec: Spec, given: Json, environ: dict[str, str] | None) -> t.Any:
    checked = ArgumentSpecValidator(**spec.to_kwargs()).validate(with_environment(given, environ or {}))
    assert not checked.error_messages, checked.error_messages
    return checked.validated_parameters

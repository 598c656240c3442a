# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lead a short life over TLS for each way to authenticate, with elasticsearch-py; or note what it raises.

Usage: secured.py, with a JSON list of cases on standard input: ``name``, ``url``, and any of ``ca``, ``fingerprint``,
``certificate`` with ``key``, ``user`` with ``password``, ``api_key``, ``bearer``. Prints one JSON object: client, and
what came of each. ``secured.mjs`` does the same in JavaScript.
"""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

import elasticsearch

warnings.simplefilter("ignore")
OPTIONS = {
    "ca": "ca_certs",
    "fingerprint": "ssl_assert_fingerprint",
    "certificate": "client_cert",
    "key": "client_key",
    "api_key": "api_key",
    "bearer": "bearer_auth",
}


def life(client: Any, name: str) -> dict[str, Any]:
    """Start, statistics, update, stop, and who did it."""
    ml = client.ml
    ml.start_trained_model_deployment(model_id="m", deployment_id=name, wait_for="started")
    row = ml.get_trained_models_stats(model_id=name)["trained_model_stats"][0]["deployment_stats"]
    updated = ml.update_trained_model_deployment(model_id=name, number_of_allocations=2)
    stopped = ml.stop_trained_model_deployment(model_id=name)
    return {
        "state": row["state"],
        "allocations": updated["assignment"]["task_parameters"]["number_of_allocations"],
        "stopped": stopped["stopped"],
        "username": client.security.authenticate()["username"],
    }


def causes(error: BaseException | None) -> list[str]:
    """Return the texts of an error and its causes: the client's own text is just "TLS error"."""
    return [] if error is None else [str(error), *causes(error.__cause__ or error.__context__)]


def outcome(case: dict[str, Any]) -> dict[str, Any]:
    """Return the outcome of one case."""
    options = {mine: case[name] for name, mine in OPTIONS.items() if name in case}
    if "user" in case:
        options["basic_auth"] = (case["user"], case["password"])
    client = elasticsearch.Elasticsearch(case["url"], max_retries=0, request_timeout=30, **options)
    try:
        return life(client, case["name"])
    except elasticsearch.ApiError as error:
        return {"exception": type(error).__name__, "status": error.status_code, "body": error.body}
    except elasticsearch.TransportError as error:
        return {"exception": type(error).__name__, "message": "; ".join(causes(error))}
    finally:
        client.close()


if __name__ == "__main__":
    version = ".".join(map(str, elasticsearch.__version__[:3]))
    print(json.dumps({"client": version, "cases": {case["name"]: outcome(case) for case in json.load(sys.stdin)}}))

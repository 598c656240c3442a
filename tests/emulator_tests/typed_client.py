# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person does with the typed methods of elasticsearch-py; run by test_clients.py with one of its releases.

Prints one JSON object: what came back.
"""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

import elasticsearch
from elasticsearch import ApiError, Elasticsearch

warnings.simplefilter("ignore")
# Clients before 8.10 cannot name a deployment: it has the model's id.
NAMED = elasticsearch.__version__ >= (8, 10)
NAME = "d" if NAMED else "m"


def refusal(call: Any, **arguments: Any) -> list[Any]:
    """Status and exception name of a call that should fail."""
    try:
        call(**arguments)
    except ApiError as error:
        return [error.status_code, type(error).__name__]
    return []


def lifecycle(client: Any) -> dict[str, Any]:
    """Start, read, update, read, stop."""
    ml = client.ml
    started = ml.start_trained_model_deployment(
        model_id="m",
        number_of_allocations=2,
        wait_for="fully_allocated",
        cache_size="1mb",
        **({"deployment_id": NAME} if NAMED else {}),
    )
    stats = ml.get_trained_models_stats(model_id=NAME)
    updated = update(ml, 5)
    state = client.cluster.state(metric="metadata", filter_path="metadata.trained_model_assignment.*.task_parameters")
    stopped = ml.stop_trained_model_deployment(model_id=NAME, force=True, allow_no_match=False)
    gone = ml.stop_trained_model_deployment(model_id=NAME)
    return {
        "started": started["assignment"]["task_parameters"],
        "stats": stats["trained_model_stats"][0]["deployment_stats"]["state"],
        "updated": updated["assignment"]["task_parameters"]["number_of_allocations"],
        "state": state["metadata"]["trained_model_assignment"][NAME]["task_parameters"]["number_of_allocations"],
        "stopped": [stopped["stopped"], gone["stopped"]],
    }


def update(ml: Any, number: int) -> Any:
    """The typed method came in 8.13; before, people send the request themselves."""
    if hasattr(ml, "update_trained_model_deployment"):
        return ml.update_trained_model_deployment(model_id=NAME, number_of_allocations=number)
    return ml.perform_request(
        "POST",
        f"/_ml/trained_models/{NAME}/deployment/_update",
        headers={
            "accept": "application/vnd.elasticsearch+json; compatible-with=8",
            "content-type": "application/vnd.elasticsearch+json; compatible-with=8",
        },
        body={"number_of_allocations": number},
    )


def models(client: Any) -> dict[str, Any]:
    """A model of one's own, from its configuration to its end."""
    ml = client.ml
    config: dict[str, Any] = {"text_embedding": {"tokenization": {"bert": {}}}}
    ml.put_trained_model(model_id="own", model_type="pytorch", inference_config=config)
    ml.put_trained_model_vocabulary(model_id="own", vocabulary=["a"])
    ml.put_trained_model_definition_part(
        model_id="own", part=0, definition="eA==", total_definition_length=1, total_parts=1
    )
    ml.put_trained_model_alias(model_id="own", model_alias="nick")
    found = ml.get_trained_models(model_id="nick", include="definition_status")["trained_model_configs"][0]
    deleted = ml.delete_trained_model(model_id="own")
    return {"found": [found["model_id"], found["fully_defined"]], "deleted": deleted["acknowledged"]}


def refusals(client: Any) -> dict[str, Any]:
    """Errors become the client's exceptions."""
    ml = client.ml
    return {
        "missing": refusal(ml.start_trained_model_deployment, model_id="none"),
        "invalid": refusal(ml.start_trained_model_deployment, model_id="m", threads_per_allocation=3),
        "full": refusal(ml.start_trained_model_deployment, model_id="m", number_of_allocations=999),
        "unknown": refusal(ml.stop_trained_model_deployment, model_id="none", allow_no_match=False),
    }


def main() -> None:
    """The address is the only argument."""
    client = Elasticsearch(sys.argv[1], max_retries=0, request_timeout=30)
    try:
        body: dict[str, Any] = {"number": client.info()["version"]["number"]}
    except ApiError as error:
        print(json.dumps({"status": error.status_code, "body": error.body}))
        return
    body |= {"client": list(elasticsearch.__version__[:2]), "lifecycle": lifecycle(client), "models": models(client)}
    print(json.dumps(body | {"refusals": refusals(client)}))


if __name__ == "__main__":
    main()

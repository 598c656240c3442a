# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Go through the steps of ``life_cycle.json`` with the typed methods of elasticsearch-py, any release.

Usage: life_cycle.py URL SERVER_VERSION [async]. Prints one JSON object: what came back. ``life_cycle.mjs`` does the
same in JavaScript. Python 3 and elasticsearch-py are all this needs.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import elasticsearch

warnings.simplefilter("ignore")
ERRORS = {
    400: "BadRequestError",
    401: "AuthenticationException",
    403: "AuthorizationException",
    404: "NotFoundError",
    409: "ConflictError",
}


def filled(value: Any, names: dict[str, str]) -> Any:
    """Return a step with its names filled in."""
    text = json.dumps(value)
    for name, meant in names.items():
        text = text.replace(name, meant)
    return json.loads(text)


def at(body: Any, path: str) -> Any:
    """Return the value at a dotted path; ``length`` counts a list."""
    for key in path.split(".") if path else []:
        if isinstance(body, dict):
            body = body.get(key)
        elif isinstance(body, list):
            body = len(body) if key == "length" else body[int(key)]
    return body


def numbers(version: str) -> tuple[int, ...]:
    """Return a version to compare."""
    return tuple(map(int, version.split(".")))


async def settled(answer: Any) -> Any:
    """Return the result of a client of either kind."""
    return await answer if inspect.isawaitable(answer) else answer


def reason(body: Any) -> str:
    """Return an error's text."""
    error = body.get("error") if isinstance(body, dict) else body
    return str(error.get("reason") if isinstance(error, dict) else error)


class LifeCycle:
    """One client going through the steps."""

    def __init__(self, client: Any, server: str) -> None:
        self.client = client
        self.server = numbers(server)
        start = inspect.signature(client.ml.start_trained_model_deployment).parameters
        # Clients before 8.10 cannot name a deployment: it has the model's id.
        self.names = {"$deployment": "d" if "deployment_id" in start else "m", "$version": server}
        self.typed = 0
        self.missing: set[str] = set()
        self.dropped: set[str] = set()
        self.wrong: list[Any] = []

    async def go(self, steps: list[dict[str, Any]]) -> None:
        """Take all steps that this server version has."""
        for raw in steps:
            step = filled(raw, self.names)
            if numbers(step.get("server", "8.0.0")) <= self.server < numbers(step.get("until", "99.0.0")):
                await self.step(step)

    async def step(self, step: dict[str, Any]) -> None:
        """Make one call and compare its result."""
        status, body, exception = await self.call(step)
        if status is None:
            return
        expected = step.get("status", 200)
        fine = status == expected and exception == (ERRORS.get(status, "ApiError") if status >= 400 else None)
        if fine and "error" in step:
            fine = step["error"] in reason(body)
        if not fine:
            self.wrong.append([step, status, exception, body])
            return
        for path, value in step.get("see", {}).items():
            if at(body, path) != value:
                self.wrong.append([step, path, at(body, path)])

    async def call(self, step: dict[str, Any]) -> tuple[int | None, Any, str | None]:
        """Return status, body and exception; no status if there is no such method."""
        method: Any = self.client
        for part in step["call"].split("."):
            method = getattr(method, part, None)
        arguments = step.get("with", {})
        if method is None:
            self.missing.add(step["call"])
            if "otherwise" not in step:
                return None, None, None
            method, arguments = self.client.perform_request, self.untyped(step["otherwise"])
        else:
            self.typed += 1
            arguments = self.known(step["call"], method, arguments)
        try:
            answer = await settled(method(**arguments))
        except elasticsearch.ApiError as error:
            return error.status_code, error.body, type(error).__name__
        return 200, getattr(answer, "body", answer), None

    def known(self, name: str, method: Any, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments this release has."""
        there = inspect.signature(method).parameters
        self.dropped |= {f"{name} {argument}" for argument in arguments if argument not in there}
        return {argument: value for argument, value in arguments.items() if argument in there}

    def untyped(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send what a user sends whose client has no typed method."""
        media = f"application/vnd.elasticsearch+json; compatible-with={elasticsearch.__version__[0]}"
        headers = {"accept": media, "content-type": media, "x-opaque-id": "untyped"}
        return {**request, "headers": headers}


async def main() -> None:
    """Run with address, server version and kind of client as arguments."""
    url, server, *kind = sys.argv[1:]
    build = elasticsearch.AsyncElasticsearch if kind == ["async"] else elasticsearch.Elasticsearch
    client: Any = build(url, max_retries=0, request_timeout=30)
    found: dict[str, Any] = {"client": ".".join(map(str, elasticsearch.__version__[:3]))}
    try:
        await settled(client.info())
        cycle = LifeCycle(client, server)
        await cycle.go(json.loads(Path(__file__).with_suffix(".json").read_text("utf-8")))
        found |= {"typed": cycle.typed, "missing": sorted(cycle.missing), "dropped": sorted(cycle.dropped)}
        found["wrong"] = cycle.wrong
    except elasticsearch.ApiError as error:
        found["refused"] = {"status": error.status_code, "exception": type(error).__name__, "body": error.body}
    finally:
        await settled(client.close())
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main())

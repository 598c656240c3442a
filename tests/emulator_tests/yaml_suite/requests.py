# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Turn an API's name and parameters into a request.

With a folder of rest-api-spec JSON files the request is what they say. Without one elasticsearch-py sends it with its
typed method of that name; its media types are lowered to what the server speaks.
"""

from __future__ import annotations

import dataclasses
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import quote

import elasticsearch
from elastic_transport import HttpHeaders, Urllib3HttpNode
from elastic_transport.client_utils import DEFAULT, DefaultType

_PLAIN: Final = {"accept": "application/json", "content-type": "application/json"}


@dataclasses.dataclass(frozen=True)
class Response:
    """An answer; ``body`` is JSON, a text, or a truth value for HEAD."""

    status: int
    body: Any
    warnings: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Return the body as a reader of logs would see it."""
        return self.body if isinstance(self.body, str) else json.dumps(self.body, ensure_ascii=False)


class NoSuchApi(Exception):
    """The name or a parameter is not known here."""


class Requests(Protocol):
    """Sends requests by the API's name."""

    def send(self, api: str, arguments: Mapping[str, Any], headers: Mapping[str, str]) -> Response:
        """Return the answer, whatever its status."""


class Typed:
    """Through elasticsearch-py's typed methods."""

    def __init__(self, url: str) -> None:
        self._client = elasticsearch.Elasticsearch(url, node_class=PlainNode, max_retries=0, request_timeout=60)

    def send(self, api: str, arguments: Mapping[str, Any], headers: Mapping[str, str]) -> Response:
        """Return the answer, whatever its status."""
        client = self._client.options(headers=dict(headers)) if headers else self._client
        method: Any = client
        for part in api.split("."):
            method = getattr(method, part, None)
        if method is None:
            raise NoSuchApi(f"elasticsearch-py has no method {api}")
        named = {"from_" if name == "from" else name: value for name, value in arguments.items() if name != "ignore"}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                answer = method(**named)
            except elasticsearch.ApiError as error:
                return Response(error.meta.status, error.body, _warnings(error.meta.headers))
            except (TypeError, ValueError) as error:
                raise NoSuchApi(f"{api}: {error}") from None
        if isinstance(answer, bool):  # ping tells no more
            return Response(200 if answer else 404, answer)
        return Response(answer.meta.status, answer.body, _warnings(answer.meta.headers))


class PlainNode(Urllib3HttpNode):
    """Asks for JSON of no version: tests are about the server's own version."""

    def perform_request(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: HttpHeaders | None = None,
        request_timeout: DefaultType | float | None = DEFAULT,
    ) -> Any:
        """Send one request."""
        sent = HttpHeaders(headers or {})
        for name in ("accept", "content-type"):
            kind, _semicolon, _version = str(sent.get(name, "")).partition(";")
            if kind.startswith("application/vnd.elasticsearch+"):
                sent[name] = kind.replace("vnd.elasticsearch+", "")
        return super().perform_request(method, target, body, sent, request_timeout)


class Specified:
    """By the rest-api-spec JSON files of a folder."""

    def __init__(self, url: str, folder: Path) -> None:
        self._client = elasticsearch.Elasticsearch(url, node_class=PlainNode, max_retries=0, request_timeout=60)
        self._folder = folder

    def send(self, api: str, arguments: Mapping[str, Any], headers: Mapping[str, str]) -> Response:
        """Return the answer, whatever its status."""
        given = {name: value for name, value in arguments.items() if name not in ("body", "ignore")}
        body = arguments.get("body")
        method, path, parts = _route(self._spec(api), given, has_body=body is not None)
        query = {name: _plain(value) for name, value in given.items() if name not in parts}
        lines = isinstance(body, (list, str))
        media = {**_PLAIN, **({"content-type": "application/x-ndjson"} if lines else {})}
        if body is None:
            del media["content-type"]
        try:
            answer: Any = self._client.perform_request(
                method, path, params=query, headers={**media, **headers}, body=body
            )
        except elasticsearch.ApiError as error:
            return Response(error.meta.status, error.body, _warnings(error.meta.headers))
        found = answer.meta.status < 300 if method == "HEAD" else answer.body
        return Response(answer.meta.status, found, _warnings(answer.meta.headers))

    def _spec(self, api: str) -> dict[str, Any]:
        path = self._folder / f"{api}.json"
        if not path.is_file():
            raise NoSuchApi(f"{self._folder} has no {path.name}")
        spec: dict[str, Any] = json.loads(path.read_text("utf-8"))[api]
        return spec


def _route(spec: dict[str, Any], given: Mapping[str, Any], *, has_body: bool) -> tuple[str, str, set[str]]:
    """Return method, path and the names that went into the path: of the paths that can be filled, the longest."""
    fitting = [path for path in spec["url"]["paths"] if set(path.get("parts", {})) <= given.keys()]
    if not fitting:
        raise NoSuchApi("no path for these parameters")
    chosen = max(fitting, key=lambda path: len(path.get("parts", {})))
    parts = set(chosen.get("parts", {}))
    path = chosen["path"]
    for name in parts:
        path = path.replace(f"{{{name}}}", quote(_plain(given[name]), safe=",*"))
    methods = chosen["methods"]
    return ("POST" if has_body and "POST" in methods else methods[0]), path, parts


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(_plain, value)) if isinstance(value, list) else str(value)


def _warnings(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return the texts of ``Warning`` headers, which the transport joins with commas."""
    parts = headers.get("warning", "").split('"')
    return tuple(parts[1::2])

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API port as an ASGI application: from bytes to an answer, in the server's order of checks.

Order (server behaviour notes, section 0): media types [U], credentials, path, content type, parameters and body,
unknown parameters and unused body, validation, privilege, then the work.
"""

from __future__ import annotations

import asyncio
import functools
import gzip
import importlib
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from ..api import admin as admin_api
from ..api import cluster_info as cluster_api
from ..api import deployments as deployment_api
from ..api import models as model_api
from ..control.faults import Fault
from ..double import Double
from ..security import accounts as security
from ..state.clock import WaitsForever
from . import errors, media, render
from .call import Call, Reply, decode
from .router import Route, Router, refusal

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

ROUTER: Final = Router([*cluster_api.ROUTES, *admin_api.ROUTES, *model_api.ROUTES, *deployment_api.ROUTES])
READ_ONLY: Final = "the double is read-only: a check-mode run tried to write"
TRANSPORT: Final = "double.transport"
"""The scope extension through which a connection can be dropped."""


class Api:
    """The application. It holds a double and nothing else."""

    def __init__(self, double: Double) -> None:
        self.double = double

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] != "http":
            return
        call = await _read(scope, receive)
        reply = await self._answer(call)
        if reply is None:
            scope["extensions"][TRANSPORT].abort()
            await receive()  # until the connection is lost, or the server would answer for us
            return
        await _write(call, reply, send)

    async def _answer(self, call: Call) -> Reply | None:
        """The answer with faults and journal; ``None`` drops the connection."""
        double = self.double
        early = _decoded(call)
        route, methods = ROUTER.find(call, double.cluster.version) if early is None else (None, [])
        noted = double.journal.begin(call)
        firing = double.faults.take(route.operation if route else None, write=call.method not in ("GET", "HEAD"))
        reply: Reply | None = None
        try:
            reply = early or await self._with_faults(call, route, methods, firing)
        except WaitsForever:
            reply = None
        finally:
            double.journal.end(noted, reply.status if reply else None, committed=call.committed)
        return reply

    async def _with_faults(
        self, call: Call, route: Route | None, methods: list[str], firing: list[Fault]
    ) -> Reply | None:
        await self._besides(firing, "before")
        decisive = next((fault for fault in firing if fault.kind not in ("delay", "effect")), None)
        if decisive is not None and decisive.kind == "timeout":
            call.time_out_at_once = True
        early = decisive is not None and decisive.when == "before"
        if early and decisive is not None and decisive.kind in ("drop", "answer"):
            return _decided(decisive)
        reply: Reply | None = await self._respond(call, route, methods)
        await self._besides(firing, "after")
        if decisive is None or decisive.kind == "timeout" or reply is None:
            return reply
        return _truncated(call, reply) if decisive.kind == "truncate" else _decided(decisive)

    async def _besides(self, firing: list[Fault], when: str) -> None:
        for fault in firing:
            if fault.when != when:
                continue
            if fault.kind == "delay":
                await asyncio.sleep(float(fault.do["seconds"]))
            elif fault.kind == "effect":
                self.double.apply(fault)

    async def _respond(self, call: Call, route: Route | None, methods: list[str]) -> Reply:
        try:
            return await self._work(call, route, methods)
        except errors.ApiError as error:
            return _refused(error)
        except errors.PlainError as error:
            return Reply(error.status, error.body(), list(error.headers), filterable=False)

    async def _work(self, call: Call, route: Route | None, methods: list[str]) -> Reply:
        double = self.double
        version = double.cluster.version
        if double.read_only and call.method not in ("GET", "HEAD", "OPTIONS"):
            raise errors.PlainError(403, READ_ONLY)
        media_first = double.cluster.choices["media_type_and_credentials"] == "before"
        if not media_first:
            security.authenticate(call, double.user, version)
        call.media = media.negotiate(
            call.headers.get("accept"), call.headers.get("content-type"), bool(call.body), version
        )
        if media_first:
            security.authenticate(call, double.user, version)
        if route is None:
            return refusal(call, methods)
        if double.cluster.flavor == "serverless" and not route.serverless:
            raise cluster_api.not_on_serverless(call, double.cluster)
        _check_content_type(call)
        prepared = route.handler(double, call)
        call.check_unused()
        for name in ("pretty", "human", "error_trace"):
            call.flag(name)
        if prepared.complaints:
            raise errors.validation(prepared.complaints)
        security.authorize(prepared.action, double.user, version, by_api_key=call.by_api_key)
        reply = await prepared.run()
        reply.headers += [
            ("Warning", f'299 Elasticsearch-{version.number}-{"0" * 40} "{text}"') for text in call.warnings
        ]
        return reply


def _decoded(call: Call) -> Reply | None:
    """Decodes the query, looks at the path; a refusal if an escape is wrong."""
    try:
        decode(call.path, plus=False)
        call.decode_query()
    except errors.ApiError as error:
        return _refused(error)
    return None


def _refused(error: errors.ApiError) -> Reply:
    return Reply(error.status, error.body(), list(error.headers), product=error.product, filterable=False)


def _check_content_type(call: Call) -> None:
    if not call.body or call.media is None:
        return
    sent = call.media.content_type
    if sent is None or sent.format is None:
        raise errors.PlainError(406, f"Content-Type header [{call.headers.get('content-type', '')}] is not supported")
    if sent.format == media.YAML:
        call.body = _json_of_yaml(call.body)


def _json_of_yaml(body: bytes) -> bytes:
    """YAML is read through JSON; places in complaints are then those of the JSON."""
    try:
        loaded = importlib.import_module("yaml").safe_load(body)
    except ImportError:
        raise errors.illegal_argument("the double reads YAML only where PyYAML is installed") from None
    return json.dumps(loaded).encode()


def _decided(fault: Fault) -> Reply | None:
    """The answer of a gateway, or none."""
    if fault.kind == "drop":
        return None
    do = fault.do
    body = do.get("body")
    kind = "application/json" if isinstance(body, (dict, list)) else "text/html"
    headers = {str(name): str(value) for name, value in dict(do.get("headers", {})).items()}
    named = next((headers.pop(name) for name in list(headers) if name.lower() == "content-type"), kind)
    raw = body.encode() if isinstance(body, str) else (b"" if body is None else render.compact(body))
    return Reply(
        int(do["status"]), raw, list(headers.items()), product=bool(do.get("product", True)), content_type=named
    )


def _truncated(call: Call, reply: Reply) -> Reply:
    """Half of the real answer, with a length that fits the half."""
    whole, content_type = _rendered(call, reply)
    return Reply(
        reply.status, whole[: len(whole) // 2], reply.headers, product=reply.product, content_type=content_type
    )


# --- bytes ---


async def _read(scope: Scope, receive: Receive) -> Call:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    if body and headers.get("content-encoding", "").lower() == "gzip":
        body = gzip.decompress(body)
    return Call(
        scope["method"], scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1"), headers, body
    )


def _rendered(call: Call, reply: Reply) -> tuple[bytes, str]:
    if isinstance(reply.body, bytes) or reply.body is None:
        return reply.body or b"", reply.content_type or "application/json"
    wanted, content_type = media.JSON, "application/json"
    if call.media is not None:
        wanted, content_type = call.media.response_format, call.media.response_type
    if call.parameters.get("format") == media.YAML:
        wanted, content_type = media.YAML, "application/yaml"
    body = reply.body
    if reply.filterable and reply.status < 400 and call.parameters.get("filter_path"):
        body = render.filtered(body, call.parameters["filter_path"])
    if wanted == media.YAML:
        return render.yaml(body), content_type
    if call.parameters.get("pretty", "false") in ("", "true"):
        return render.pretty(body), content_type
    return render.compact(body), content_type


async def _write(call: Call, reply: Reply, send: Send) -> None:
    raw, content_type = _rendered(call, reply)
    headers = [_header(name, value) for name, value in reply.headers]
    if "x-opaque-id" in call.headers:
        headers.append(_header("X-Opaque-Id", call.headers["x-opaque-id"]))
    if reply.product:
        headers.append(_header("X-elastic-product", "Elasticsearch"))
    headers.append(_header("content-type", content_type))
    if raw and "gzip" in call.headers.get("accept-encoding", ""):
        raw = gzip.compress(raw)
        headers.append(_header("content-encoding", "gzip"))
    headers.append((b"content-length", str(len(raw)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if call.method == "HEAD" else raw})


@functools.lru_cache(maxsize=1024)
def _header(name: str, value: str) -> tuple[bytes, bytes]:
    return name.encode("latin-1"), value.encode("latin-1")

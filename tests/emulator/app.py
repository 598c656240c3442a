# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve the API port as an ASGI application: from bytes to an answer, in the server's order of checks.

Order (server-behaviour.md 0): media types [U], credentials, path, content type, parameters and body,
unknown parameters and unused body, validation, privilege, then the work.
"""

from __future__ import annotations

import asyncio
import functools
import gzip
import importlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from .api import admin as admin_api
from .api import aliases as alias_api
from .api import availability, security_routes
from .api import cat as cat_api
from .api import cluster_info as cluster_api
from .api import deployments as deployment_api
from .api import endpoint_inference as endpoint_infer_api
from .api import indices as index_api
from .api import infer as infer_api
from .api import inference_endpoints as endpoint_api
from .api import ingest as ingest_api
from .api import licence as licence_api
from .api import memory as memory_api
from .api import models as model_api
from .api import nodes as node_api
from .api import region_policy as region_api
from .api import search as search_api
from .api import tasks as task_api
from .api import uploads as upload_api
from .control import delivery, effects, fault_kinds
from .control.delivery import Written
from .control.faults import Asked, Fault, decisive
from .control.journal import is_dry_run
from .emulator import Emulator
from .state import upgrade_mode
from .state.clock import WaitsForever
from .wire import content, errors, media, render
from .wire.call import BODY_COMPLETE, CERTIFICATE, TRANSPORT, Call, Reply, decode
from .wire.router import Route, Router, refusal
from .wire.sieve import Sieve

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

ROUTER: Final = Router(
    [
        *cluster_api.ROUTES,
        *admin_api.ROUTES,
        *model_api.ROUTES,
        *upload_api.ROUTES,
        *alias_api.ROUTES,
        *deployment_api.ROUTES,
        *infer_api.ROUTES,
        *memory_api.ROUTES,
        *node_api.ROUTES,
        *task_api.ROUTES,
        *cat_api.ROUTES,
        *index_api.ROUTES,
        *search_api.ROUTES,
        *region_api.ROUTES,
        *endpoint_api.ROUTES,
        *endpoint_infer_api.ROUTES,
        *ingest_api.ROUTES,
        *security_routes.ROUTES,
        *licence_api.ROUTES,
    ]
)
READ_ONLY: Final = "the double is read-only: a check-mode run tried to write"
_LOOK: Final = 0.005


class Api:
    """The application of the API port, around one emulator."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self._others: set[asyncio.Future[Reply]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            return
        call = _begun(scope)
        if (_is_whole(scope) or self._admitted(call)) and not await _read_body(call, receive):
            return  # the client has gone before its request was whole
        transport = scope["extensions"][TRANSPORT]
        clock = self.emulator.clock
        plain = content.decompressed(call.body, call.headers.get("content-encoding", ""))
        if plain is None and self.emulator.cluster.choices["broken_compression"] == "drop":
            await delivery.end(None, transport, receive, clock)
            return
        call.broken, call.body = plain is None, plain or b""
        reply, fault = await self._answer(call)
        if reply is None:
            await delivery.end(fault, transport, receive, clock)
            return
        written = _written(call, reply, fault)
        self.emulator.journal.counters["bytes_sent"] += len(written.body)
        try:
            await delivery.deliver(written, fault, transport, receive, send, clock)
        except WaitsForever:
            await delivery.end(None, transport, receive, clock)

    def _admitted(self, call: Call) -> bool:
        """Return whether to read the body: credentials are checked before it has come (recorded)."""
        try:
            self._authenticate(call)
        except errors.ApiError:
            return False
        return True

    async def _answer(self, call: Call) -> tuple[Reply | None, Fault | None]:
        """Return the answer after faults and journal, and the fault that decides.

        Without a reply the connection gets none.
        """
        emulator = self.emulator
        early = _decoded(call)
        cluster = emulator.cluster
        found = (None, []) if early else ROUTER.find(call, cluster.version, cluster.without)
        route, methods = found
        noted = emulator.journal.begin(call)
        reply: Reply | None = None
        fault: Fault | None = None
        try:
            work = functools.partial(self._answered, call, route, methods, early)
            if emulator.faults.planted:
                firing = emulator.faults.take(Asked(call.method, call.path, route.operation if route else None))
                fault = decisive(firing)
                reply = await self._with_faults(call, route, firing, work)
            else:
                reply = await work()
        except WaitsForever:
            pass
        finally:
            emulator.temporary.request_ended()
            emulator.journal.end(noted, reply.status if reply else None, committed=call.committed)
        return reply, fault

    async def _answered(self, call: Call, route: Route | None, methods: list[str], early: Reply | None) -> Reply:
        return early or await self._respond(call, route, methods)

    async def _with_faults(
        self, call: Call, route: Route | None, firing: list[Fault], work: Callable[[], Awaitable[Reply]]
    ) -> Reply | None:
        await self._besides(firing, "before")
        fault = decisive(firing)
        if fault is not None and fault.kind.role == fault_kinds.WITHIN:
            _fail_within(call, fault)
        replaced = fault is not None and fault.kind.role == fault_kinds.INSTEAD
        reply: Reply | None = None
        if fault is None or not replaced or fault.when == "after":
            reply = await work()
            await self._besides(firing, "after")
        if fault is None or not replaced:
            return reply
        return delivery.instead(fault, call, route.operation if route else None, self.emulator.cluster.version)

    async def _besides(self, firing: list[Fault], when: str) -> None:
        for fault in firing:
            if fault.when != when:
                continue
            if fault.type == "delay":
                await self.emulator.clock.pause(float(fault.do["seconds"]))
            elif fault.type == "request":
                fault.results.append(await self._another_client(fault.do))
            elif fault.kind.role == fault_kinds.BESIDES:
                fault.results.append(self._applied(fault))

    def _applied(self, fault: Fault) -> Any:
        """Return what an effect did; one whose target is gone does nothing and says so in its results."""
        try:
            return self.emulator.apply(fault)
        except effects.IMPOSSIBLE as error:
            return {"applied": False, "reason": str(error)}

    async def _another_client(self, do: Mapping[str, Any]) -> dict[str, Any]:
        """Play a request of another client, not journaled and not hit by faults; wait until it changes something."""
        body = do.get("body")
        raw = b"" if body is None else (body.encode() if isinstance(body, str) else render.compact(body))
        path, _mark, query = str(do["path"]).partition("?")
        headers = {str(name).lower(): str(value) for name, value in do.get("headers", {}).items()}
        if raw:
            headers.setdefault("content-type", "application/json")
        call = Call(str(do["method"]), path, query, headers, raw)
        early = _decoded(call)
        if early is not None:
            return {"status": early.status}
        task = asyncio.ensure_future(
            self._respond(call, *ROUTER.find(call, self.emulator.cluster.version, self.emulator.cluster.without))
        )
        self._others.add(task)
        task.add_done_callback(self._others.discard)
        while not task.done() and not call.committed:
            await asyncio.wait({task}, timeout=_LOOK)
        return {"status": task.result().status if task.done() else None, "committed": call.committed}

    async def _respond(self, call: Call, route: Route | None, methods: list[str]) -> Reply:
        try:
            return await self._work(call, route, methods)
        except errors.ApiError as error:
            return _refused(error, trace=call.traced)
        except errors.PlainError as error:
            return Reply(error.status, error.body(), list(error.headers), filterable=False)

    async def _work(self, call: Call, route: Route | None, methods: list[str]) -> Reply:
        emulator = self.emulator
        version = emulator.cluster.version
        if emulator.read_only and call.method not in ("GET", "HEAD", "OPTIONS") and not is_dry_run(call):
            raise errors.PlainError(403, READ_ONLY)
        media_first = emulator.cluster.choices["media_type_and_credentials"] == "before"
        if not media_first:
            self._authenticate(call)
        call.media = media.negotiate(
            call.headers.get("accept"), call.headers.get("content-type"), bool(call.body), version
        )
        if media_first:
            self._authenticate(call)
        security = emulator.cluster.security
        if route is None:
            return refusal(call, methods)
        if emulator.cluster.flavor == "serverless" and not route.serverless:
            raise cluster_api.not_on_serverless(call, emulator.cluster)
        _check_content_type(call)
        prepared = route.handler(emulator, call)
        call.check_unused()
        for name in ("pretty", "human", "error_trace"):
            call.flag(name)
        if prepared.complaints:
            raise errors.validation(prepared.complaints)
        if security is not None and call.identity is not None:
            _late("authorization").authorize(prepared, call.identity, security)
        upgrade_mode.check(emulator.cluster, prepared.action)
        await availability.admit(emulator, prepared, call)
        reply = await prepared.run()
        reply.headers += [
            ("Warning", f'299 Elasticsearch-{version.number}-{"0" * 40} "{text}"') for text in call.warnings
        ]
        return reply

    def _authenticate(self, call: Call) -> None:
        security = self.emulator.cluster.security
        if security is not None:
            call.identity = _late("authentication").authenticate(call, security)


def _late(module: str) -> Any:
    """Import a module of security, which is needed only where security is on."""
    return importlib.import_module(f"emulator.security.{module}")


def _decoded(call: Call) -> Reply | None:
    """Decode the query and check the path; return a refusal if an escape is wrong."""
    try:
        if call.broken:
            raise errors.illegal_argument("the body cannot be decompressed")
        decode(call.path, plus=False)
        call.decode_query()
    except errors.ApiError as error:
        return _refused(error)
    return None


def _refused(error: errors.ApiError, *, trace: bool = False) -> Reply:
    return Reply(error.status, error.body(trace=trace), list(error.headers), product=error.product, filterable=False)


def _check_content_type(call: Call) -> None:
    if not call.body or call.media is None:
        return
    sent = call.media.content_type
    if sent is None or sent.format is None:
        raise errors.PlainError(406, f"Content-Type header [{call.headers.get('content-type', '')}] is not supported")
    if sent.format == media.YAML:
        call.body = content.json_of_yaml(call.body)


def _fail_within(call: Call, fault: Fault) -> None:
    if fault.type == "timeout":
        call.time_out_at_once = True
    else:
        call.failing_route = (fault.do.get("node_id"), str(fault.do.get("reason", "failed by a fault")))


# --- bytes ---


def _begun(scope: Scope) -> Call:
    """Return a request without its body."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    call = Call(
        scope["method"], scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1"), headers, b""
    )
    call.certificate = scope["extensions"].get(CERTIFICATE)
    return call


def _is_whole(scope: Scope) -> bool:
    said = scope["extensions"].get(BODY_COMPLETE)
    return said is None or bool(said())


async def _read_body(call: Call, receive: Receive) -> bool:
    """Read the body; return whether all of it came."""
    # A definition comes in megabytes of base64, of which nothing is needed but their number.
    if call.method == "PUT" and "/definition/" in call.path and "content-encoding" not in call.headers:
        call.sieve = Sieve()
    parts: list[bytes] = []
    take = parts.append if call.sieve is None else call.sieve.feed
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return False
        take(message.get("body", b""))
        if not message.get("more_body"):
            break
    call.body = b"".join(parts) if call.sieve is None else call.sieve.body
    return True


def _rendered(call: Call, reply: Reply) -> tuple[bytes, str]:
    if isinstance(reply.body, bytes) or reply.body is None:
        return reply.body or b"", reply.content_type or "application/json"
    desired, content_type = media.JSON, "application/json"
    if call.media is not None:
        desired, content_type = call.media.response_format, call.media.response_type
    if call.parameters.get("format") == media.YAML:
        desired, content_type = media.YAML, "application/yaml"
    body = reply.body
    if reply.filterable and reply.status < 400 and call.parameters.get("filter_path"):
        body = render.filtered(body, call.parameters["filter_path"])
    if desired == media.YAML:
        return render.yaml(body), content_type
    if call.parameters.get("pretty", "false") in ("", "true"):
        return render.pretty(body), content_type
    return render.compact(body), content_type


def _written(call: Call, reply: Reply, fault: Fault | None) -> Written:
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
    written = Written(reply.status, headers, raw, call.method == "HEAD")
    if fault is not None and fault.kind.role == fault_kinds.ALTERED:
        delivery.spoil(fault, written)
    return written


@functools.lru_cache(maxsize=1024)
def _header(name: str, value: str) -> tuple[bytes, bytes]:
    return name.encode("latin-1"), value.encode("latin-1")

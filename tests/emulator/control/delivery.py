# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deliver what a fault decides: an answer that no handler gave, a spoilt answer, or the end of the connection."""

from __future__ import annotations

import asyncio
import dataclasses
import email.utils
import socket
import struct
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from ..state.clock import Clock
from ..state.versions import Features
from ..wire import errors, render
from ..wire.call import Call, Reply
from . import gateways, refusals
from .faults import Fault

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
_GARBAGE: Final = "\x15\x03\x01\x00\x02\x02\x16"
"""A TLS alert: what comes back if TLS is spoken by one side only."""
_RESET: Final = struct.pack("ii", 1, 0)


@dataclasses.dataclass
class Written:
    """An answer as bytes; ``silent`` is one to a HEAD request, so without its body."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    silent: bool


# --- instead of the real answer ---


def instead(fault: Fault, call: Call, operation: str | None, version: Features) -> Reply | None:
    """Return the answer of a fault; ``None`` if the connection gets none."""
    do = fault.do
    if fault.type == "answer":
        return _answer(do)
    if fault.type == "empty":
        return Reply(int(do.get("status", 200)), b"")
    if fault.type == "redirect":
        return Reply(int(do.get("status", 307)), b"", [("Location", str(do["location"]))], product=False)
    if fault.type in gateways.STATUSES:
        reply = gateways.answer(gateways.STATUSES[fault.type], str(do.get("by", "nginx")))
        if "retry_after" in do:
            reply.headers.append(("Retry-After", _retry_after(float(do["retry_after"]), bool(do.get("as_date")))))
        return reply
    error = _refusal(fault, call, operation or "", version)
    if error is None:
        return None
    return Reply(error.status, error.body(), list(error.headers), product=error.product, filterable=False)


def _refusal(fault: Fault, call: Call, operation: str, version: Features) -> errors.ApiError | None:
    if fault.type == "conflict":
        named = call.parameters.get("deployment_id") if operation == "start" else None
        return refusals.conflict(operation, named or call.path_parameters.get("model_id", ""))
    if fault.type == "capacity":
        return refusals.capacity(operation, some_fit=bool(fault.do.get("some_fit", False)))
    if fault.type == "master_timeout":
        return refusals.master_timeout(version)
    return refusals.no_master() if fault.type == "no_master" else None


def _retry_after(seconds: float, as_date: bool) -> str:
    """Return one of the two forms of RFC 9110, section 10.2.3."""
    if as_date:
        return email.utils.formatdate(time.time() + seconds, usegmt=True)
    return str(round(seconds))


def _answer(do: Any) -> Reply:
    body = do.get("body")
    kind = "application/json" if isinstance(body, (dict, list)) else "text/html"
    headers = {str(name): str(value) for name, value in dict(do.get("headers", {})).items()}
    named = next((headers.pop(name) for name in list(headers) if name.lower() == "content-type"), kind)
    raw = body.encode() if isinstance(body, str) else (b"" if body is None else render.compact(body))
    product = bool(do.get("product", True))
    return Reply(int(do["status"]), raw, list(headers.items()), product=product, content_type=named)


# --- the real answer, spoilt ---


def spoil(fault: Fault, written: Written) -> None:
    """Spoil the answer itself; ``deliver`` spoils how it travels."""
    if fault.type == "truncate" and not fault.do.get("cut"):
        written.body = written.body[: len(written.body) // 2]
        _set(written, b"content-length", str(len(written.body)).encode())
    elif fault.type == "content_type":
        _set(written, b"content-type", str(fault.do.get("value", "text/html")).encode("latin-1"))
    elif fault.type == "no_product":
        written.headers = [each for each in written.headers if each[0].lower() != b"x-elastic-product"]
    elif fault.type == "broken_gzip":
        _set(written, b"content-encoding", b"gzip")
    elif fault.type == "overrun":
        _set(written, b"content-length", str(len(written.body) // 2).encode())
    elif fault.type == "slow_body" and fault.do.get("chunked"):
        written.headers = [each for each in written.headers if each[0].lower() != b"content-length"]


def _set(written: Written, name: bytes, value: bytes) -> None:
    written.headers = [*(each for each in written.headers if each[0].lower() != name), (name, value)]


async def deliver(
    written: Written, fault: Fault | None, transport: Any, receive: Receive, send: Send, clock: Clock
) -> None:
    """Send an answer as a fault demands; raise ``WaitsForever`` if the emulator is reset meanwhile."""
    body = b"" if written.silent else written.body
    await send({"type": "http.response.start", "status": written.status, "headers": written.headers})
    if fault is None or not body or fault.type not in ("truncate", "overrun", "slow_body"):
        await send({"type": "http.response.body", "body": body})
    elif fault.type == "slow_body":
        await _slowly(body, int(fault.do.get("pieces", 4)), float(fault.do.get("seconds", 0.1)), send, clock)
    elif fault.type == "overrun":
        # What is more than the length says comes where the client looks for its next answer.
        await send({"type": "http.response.body", "body": body[: len(body) // 2]})
        transport.write(body[len(body) // 2 :])
    elif fault.do.get("cut"):
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        transport.close()
        await _until_gone(receive)
    else:
        await send({"type": "http.response.body", "body": body})


async def _slowly(body: bytes, pieces: int, seconds: float, send: Send, clock: Clock) -> None:
    size = max(1, -(-len(body) // pieces))
    for start in range(0, len(body), size):
        await clock.pause(seconds)
        await send({"type": "http.response.body", "body": body[start : start + size], "more_body": True})
    await send({"type": "http.response.body", "body": b""})


# --- no answer ---


async def end(fault: Fault | None, transport: Any, receive: Receive, clock: Clock) -> None:
    """End a connection that gets no answer; without a fault, one that would wait for ever."""
    how = fault.type if fault is not None else "drop"
    if how == "reset":
        # A reset instead of an orderly end: what was not sent yet is thrown away.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()
    elif how == "garbage":
        transport.write(str(fault.do.get("text", _GARBAGE) if fault else _GARBAGE).encode("latin-1", "replace"))
        transport.close()
    elif how != "hang":
        transport.abort()
    else:
        await _hang(transport, receive, clock)
        return
    # The server would answer for us before the connection is gone.
    await _until_gone(receive)


async def _hang(transport: Any, receive: Receive, clock: Clock) -> None:
    """Send nothing until the client goes, or until the emulator is reset."""
    gone, closing = asyncio.ensure_future(_until_gone(receive)), asyncio.ensure_future(clock.closing())
    done, waiting = await asyncio.wait({gone, closing}, return_when=asyncio.FIRST_COMPLETED)
    for each in waiting:
        each.cancel()
    if gone not in done:
        transport.abort()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve the control port: show and steer the emulator. It is never journaled, and no part of the API that is played."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from .. import app
from ..emulator import Emulator
from ..state import catch_up, scaler
from ..state.clock import MODES
from ..state.models import Model, Part
from ..state.unknowns import Choices
from . import effect_targets, effects, faults

if TYPE_CHECKING:
    from starlette.applications import Starlette

Body = Mapping[str, Any]


class BadRequest(ValueError):
    """A control request that is refused with 400."""


def get_state(emulator: Emulator, body: Body) -> Any:
    """Return everything."""
    clock = {**_clock(emulator), "ticks": emulator.cluster.ticks}
    shown = {
        **emulator.cluster.as_json(),
        "clock": clock,
        "counters": dict(emulator.journal.counters),
        "read_only": emulator.read_only,
    }
    return {**shown, "journal": emulator.journal.as_json()}


def get_journal(emulator: Emulator, body: Body) -> Any:
    """Return the writes on the API."""
    return emulator.journal.as_json()


def get_counters(emulator: Emulator, body: Body) -> Any:
    """Return the numbers of requests, reads and writes, and the bytes of all bodies sent."""
    return dict(emulator.journal.counters)


def clear_journal(emulator: Emulator, body: Body) -> Any:
    """Forget journal, request log and audit records."""
    emulator.journal.clear()
    emulator.cluster.audit.clear()
    return {}


def get_requests(emulator: Emulator, body: Body) -> Any:
    """Return all requests on the API."""
    return [dataclasses.asdict(line) for line in emulator.journal.requests]


def get_audit(emulator: Emulator, body: Body) -> Any:
    """Return the audit records."""
    emulator.cluster.settle_downloads()
    return list(emulator.cluster.audit)


def _clock(emulator: Emulator) -> dict[str, Any]:
    clock, now = emulator.clock, emulator.cluster.now
    return {
        "mode": clock.mode,
        "interval": clock.interval,
        "scaler_interval": clock.scaler_interval,
        "frozen": now.frozen,
        "now": now.millis,
    }


def _seconds(body: Body, name: str, default: float) -> float:
    found = float(body.get(name, default))
    if not (math.isfinite(found) and found >= 0):
        raise BadRequest(f"{name} must be a number of seconds, 0 or more")
    return found


def _count(body: Body, name: str) -> int:
    found = int(body.get(name, 1))
    if found < 0:
        raise BadRequest(f"{name} must be 0 or more")
    return found


def _flag(body: Body, name: str, *, default: bool) -> bool:
    found = body.get(name, default)
    if not isinstance(found, bool):
        raise BadRequest(f"{name} must be true or false")
    return found


def set_clock(emulator: Emulator, body: Body) -> Any:
    """Set mode and intervals; freeze or advance the emulator's own time."""
    clock = emulator.clock
    mode = body.get("mode", clock.mode)
    if mode not in MODES:
        raise BadRequest(f"mode must be one of {', '.join(MODES)}")
    interval = _seconds(body, "interval", clock.interval)
    if interval == 0:
        raise BadRequest("interval must be more than 0")
    scaler_interval, advance = _seconds(body, "scaler_interval", clock.scaler_interval), _seconds(body, "advance", 0)
    frozen = _flag(body, "frozen", default=emulator.cluster.now.frozen)
    clock.mode, clock.interval, clock.scaler_interval = mode, interval, scaler_interval
    emulator.cluster.now.freeze(frozen)
    emulator.cluster.pass_time(advance)
    return _clock(emulator)


def tick_scaler(emulator: Emulator, body: Body) -> Any:
    """Run the adaptive allocations scaler; before each run the emulator's time advances."""
    scaler.run(emulator.cluster, _count(body, "ticks"), _seconds(body, "seconds", scaler.INTERVAL))
    return {key: each.params.number_of_allocations for key, each in emulator.cluster.assignments.items()}


def tick(emulator: Emulator, body: Body) -> Any:
    """Run a number of rounds."""
    changed = [catch_up.tick(emulator.cluster) for _step in range(_count(body, "steps"))]
    return {"changed": any(changed), "ticks": emulator.cluster.ticks}


def settle(emulator: Emulator, body: Body) -> Any:
    """Run rounds until nothing changes."""
    return {"rounds": catch_up.settle(emulator.cluster), "ticks": emulator.cluster.ticks}


def get_faults(emulator: Emulator, body: Body) -> Any:
    """Return all faults, with how often they have fired."""
    return [fault.as_json() for fault in emulator.faults.planted]


def add_fault(emulator: Emulator, body: Body) -> Any:
    """Add a fault."""
    fault = faults.from_json(body, app.ROUTER.operations)
    if fault.type == "node_lost":
        effect_targets.node(emulator.cluster, fault.do)  # may still go before the fault fires; then its results say so
    emulator.faults.planted.append(fault)
    return emulator.faults.planted[-1].as_json()


def clear_faults(emulator: Emulator, body: Body) -> Any:
    """Remove all faults."""
    emulator.faults.planted.clear()
    return {}


def apply_effect(emulator: Emulator, body: Body) -> Any:
    """Apply an effect at once."""
    return effects.apply(emulator.cluster, body)


def set_read_only(emulator: Emulator, body: Body) -> Any:
    """Set whether writes are refused."""
    emulator.read_only = _flag(body, "enabled", default=True)
    return {"enabled": emulator.read_only}


def set_privileges(emulator: Emulator, body: Body) -> Any:
    """Set the one user and its privileges, or switch security off."""
    cluster = emulator.cluster
    cluster.security = None
    if body.get("privileges") is not None:
        from ..security.file import one_user

        cluster.secure(one_user(body, cluster.version))
    return {"security": cluster.security is not None}


def get_unknowns(emulator: Emulator, body: Body) -> Any:
    """Return what is played where the server is unknown."""
    return emulator.cluster.choices.as_json()


def set_unknowns(emulator: Emulator, body: Body) -> Any:
    """Choose other possibilities."""
    for choices in (Choices(), emulator.cluster.choices):  # tried first: all of them, or none
        for name, possibility in body.items():
            choices.choose(name, str(possibility))
    return emulator.cluster.choices.as_json()


def reset(emulator: Emulator, body: Body) -> Any:
    """Return to the beginning."""
    emulator.reset()
    return {}


def get_uploads(emulator: Emulator, body: Body) -> Any:
    """Return what is kept of the parts that were uploaded."""
    uploads = {model.id: model for model in emulator.cluster.models.values() if model.parts}
    return {
        name: {
            "total_parts": model.total_parts,
            "parts": {
                str(number): {"bytes": part.bytes, "crc32": part.crc32} for number, part in sorted(model.parts.items())
            },
        }
        for name, model in uploads.items()
    }


def get_secrets(emulator: Emulator, body: Body) -> Any:
    """Return the secrets that arrived for each endpoint, which the API never shows."""
    return {name: dict(endpoint.secrets) for name, endpoint in emulator.cluster.endpoints.items() if endpoint.secrets}


def add_model(emulator: Emulator, body: Body) -> Any:
    """Add a model without an upload."""
    cluster = emulator.cluster
    missing = body.get("missing_parts")
    complete = _flag(body, "fully_defined", default=True) and not missing
    model = Model(
        str(body["model_id"]),
        int(body.get("bytes", 100 << 20)),
        str(body.get("model_type", "pytorch")),
        has_location=_flag(body, "has_location", default=True),
        downloading=_flag(body, "downloading", default=False),
        parts={} if complete or missing == "all" else {0: Part(1)},
        complete=complete,
        part_bytes=int(body.get("stored_bytes", 0)),
        create_time=cluster.now() // 1_000_000,
    )
    cluster.models[model.id] = model
    return model.as_json(cluster.version, definition_status=True)


HANDLERS: Final[Mapping[tuple[str, str], Callable[[Emulator, Body], Any]]] = {
    ("GET", "/state"): get_state,
    ("GET", "/counters"): get_counters,
    ("GET", "/journal"): get_journal,
    ("DELETE", "/journal"): clear_journal,
    ("GET", "/requests"): get_requests,
    ("GET", "/audit"): get_audit,
    ("POST", "/clock"): set_clock,
    ("POST", "/tick"): tick,
    ("POST", "/settle"): settle,
    ("POST", "/scaler"): tick_scaler,
    ("GET", "/faults"): get_faults,
    ("POST", "/faults"): add_fault,
    ("DELETE", "/faults"): clear_faults,
    ("POST", "/effects"): apply_effect,
    ("POST", "/read_only"): set_read_only,
    ("POST", "/privileges"): set_privileges,
    ("GET", "/unknowns"): get_unknowns,
    ("POST", "/unknowns"): set_unknowns,
    ("POST", "/reset"): reset,
    ("POST", "/models"): add_model,
    ("GET", "/uploads"): get_uploads,
    ("GET", "/secrets"): get_secrets,
}
_NAMES: Final[Mapping[str, str]] = {
    "/clock": "mode interval scaler_interval frozen advance",
    "/tick": "steps",
    "/scaler": "ticks seconds",
    "/read_only": "enabled",
    "/privileges": "username password api_key bearer_token roles privileges indices",
    "/models": "model_id bytes model_type fully_defined missing_parts has_location downloading stored_bytes",
}
"""The possible keys of a body; effects, faults and unknowns check their own."""
_OWN_NAMES: Final = ("/effects", "/faults", "/unknowns")


def _checked(path: str, body: Any) -> Body:
    """Return the body of a control request; refuse a misspelt name."""
    if body is None:
        return {}
    if not isinstance(body, Mapping):
        raise BadRequest("a body must be an object")
    known = _NAMES.get(path, "").split()
    if path not in _OWN_NAMES and (strange := sorted(set(body) - set(known))):
        raise BadRequest(f"{path} does not know {', '.join(strange)}; known: {', '.join(known) or 'nothing'}")
    return body


def handle(emulator: Emulator, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Answer one control request with status and JSON."""
    handler = HANDLERS.get((method, path))
    if handler is None:
        return 404, {"error": f"no such control: {method} {path}"}
    try:
        return 200, handler(emulator, _checked(path, body))
    except effects.IMPOSSIBLE as error:
        return 400, {"error": f"{type(error).__name__}: {error}"}


def application(emulator: Emulator) -> Starlette:
    """Return the control port as an ASGI application."""
    # Late: in process no port is needed.
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def answer(request: Request) -> JSONResponse:
        try:
            body = await request.json() if await request.body() else None
            status, found = handle(emulator, request.method, request.url.path, body)
        except (ValueError, RecursionError) as error:
            status, found = 400, {"error": str(error)}
        return JSONResponse(found, status)

    return Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST", "PUT", "DELETE"])])

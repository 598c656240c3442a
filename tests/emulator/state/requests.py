# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse the bodies of start, update and stop: defaults and validation.

Source: server-behaviour.md 1.1 to 1.3, 3.1, 3.2, 3.3 and 10; ``start_request``, ``update_request`` and
``stop_request`` records. Query parameters are laid over a parsed request by the handlers.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Final

from ..wire import errors, object_parser, values, xcontent
from ..wire.object_parser import Field, ObjectParser
from ..wire.values import ByteSize, TimeValue
from ..wire.xcontent import Parser
from . import adaptive
from .adaptive import AdaptiveSettings
from .versions import Features, features

START: Final = "cluster:admin/xpack/ml/trained_models/deployment/start"
UPDATE: Final = "cluster:admin/xpack/ml/trained_models/deployment/update"
STOP: Final = "cluster:admin/xpack/ml/trained_models/deployment/stop"

_ASSIGNMENT: Final = "org.elasticsearch.xpack.core.ml.inference.assignment"
WAIT_STATES: Final = ("starting", "started", "fully_allocated")
PRIORITIES: Final = ("low", "normal")
MAX_THREADS: Final = 32
DEFAULT_TIMEOUT: Final = TimeValue(30 * 10**9, "30s")


def wait_state(text: str) -> str:
    """Read ``wait_for``: case does not matter, blanks do."""
    return _constant(text, WAIT_STATES, "AllocationStatus.State")


def priority(text: str) -> str:
    """Read ``priority``: case does not matter, blanks do."""
    return _constant(text, PRIORITIES, "Priority")


def _constant(text: str, known: tuple[str, ...], enum: str) -> str:
    if text.lower() in known:
        return text.lower()
    raise errors.illegal_argument(f"No enum constant {_ASSIGNMENT}.{enum}.{text.upper()}")


@dataclasses.dataclass
class StartRequest:
    """A start; ``number_of_allocations`` ``None`` means not given."""

    model_id: str
    deployment_id: str | None
    version: Features
    number_of_allocations: int | None = None
    adaptive: AdaptiveSettings | None = None
    threads_per_allocation: int = 1
    queue_capacity: int = 1024
    cache_size: ByteSize | None = None
    priority: str = "normal"
    wait_for: str = "started"
    timeout: TimeValue = DEFAULT_TIMEOUT
    warnings: list[str] = dataclasses.field(default_factory=list)

    @property
    def computed_number(self) -> int:
        """Return the number a new deployment gets.

        As given, else the lower bound of adaptive allocations unless it is 0, else 1.
        """
        if self.number_of_allocations is not None:
            return self.number_of_allocations
        if self.adaptive is None or self.adaptive.minimum in (None, 0):
            return 1
        return int(self.adaptive.minimum or 1)

    def complaints(self) -> list[str]:
        """Return the messages of validation in the server's order."""
        found = self._number_complaints()
        found += self._thread_complaints()
        if self.queue_capacity < 1:
            found.append("[queue_capacity] must be a positive integer")
        if self.queue_capacity > self.version.max_queue_capacity:
            found.append(f"[queue_capacity] must be less than {self.version.max_queue_capacity}")
        if self.timeout.nanos <= 0:
            found.append("[timeout] must be positive")
        if self.priority == "low":
            found += self._low_priority_complaints()
        if self.adaptive is not None:
            found += self.adaptive.complaints()
        return found

    def _number_complaints(self) -> list[str]:
        found = []
        if self.number_of_allocations is not None:
            if self.number_of_allocations < 1:
                found.append("[number_of_allocations] must be a positive integer")
            if self.adaptive is not None and self.adaptive.is_enabled:
                found.append("[number_of_allocations] cannot be set if adaptive allocations is enabled")
        return found

    def _thread_complaints(self) -> list[str]:
        threads, found = self.threads_per_allocation, []
        if threads < 1:
            found.append("[threads_per_allocation] must be a positive integer")
        if threads > MAX_THREADS or threads.bit_count() != 1 or threads < 1:
            found.append("[threads_per_allocation] must be a power of 2 less than or equal to 32")
        return found

    def _low_priority_complaints(self) -> list[str]:
        found = []
        if (self.number_of_allocations or 1) > 1:
            found.append("[number_of_allocations] must be 1 when [priority] is low")
        if self.threads_per_allocation > 1:
            found.append("[threads_per_allocation] must be 1 when [priority] is low")
        if self.version.low_priority_adaptive and self.adaptive is not None and (self.adaptive.maximum or 0) > 1:
            found.append("[max_number_of_allocations] must be 1 when [priority] is low")
        return found


@dataclasses.dataclass
class UpdateRequest:
    """An update; ``None`` means not given. Before 8.16 a missing number reads as 0."""

    deployment_id: str
    number_of_allocations: int | None = None
    adaptive: AdaptiveSettings | None = None
    timeout: TimeValue = DEFAULT_TIMEOUT
    internal: bool = False
    """Set by the scaler, which may set 0 and may set a number while adaptive allocations are enabled."""
    by_endpoint: bool = False
    """Set by the update of the inference endpoint that owns the deployment."""

    def complaints(self) -> list[str]:
        """Return the messages of validation in the server's order."""
        found, number = [], self.number_of_allocations
        if number is not None and not self.internal:
            if number < 1:
                found.append("[number_of_allocations] must be a positive integer")
            if self.adaptive is not None and self.adaptive.is_enabled:
                found.append("[number_of_allocations] cannot be set if adaptive allocations is enabled")
        if self.adaptive is not None:
            found += self.adaptive.complaints()
        return found


@dataclasses.dataclass
class StopRequest:
    """A stop."""

    deployment_id: str
    allow_no_match: bool = True
    force: bool = False
    finish_pending_work: bool = False


def new_start(model_id: str, deployment_id: str | None, version: Features) -> StartRequest:
    """Return a start with nothing but defaults."""
    return StartRequest(model_id, deployment_id, version, queue_capacity=version.default_queue_capacity)


def parse_start(body: bytes, model_id: str | None, deployment_id: str | None, version: Features) -> StartRequest:
    """Read a start from its body; the query's ``deployment_id`` wins over the body's (server-behaviour.md 1.1)."""
    if not body:
        raise errors.parse_failure("request body or source parameter is required")
    parsed = _start_parser(version.number).parse(Parser(body, version))
    given = parsed.values
    check_same_model(given.get("model_id"), model_id, as_status=True)
    deployment = deployment_id if deployment_id is not None else given.get("deployment_id")
    request = new_start(model_id if model_id is not None else given.get("model_id", ""), deployment, version)
    for name in (
        "number_of_allocations",
        "threads_per_allocation",
        "queue_capacity",
        "cache_size",
        "priority",
        "wait_for",
        "timeout",
    ):
        if name in given:
            setattr(request, name, given[name])
    request.adaptive = given.get("adaptive_allocations")
    request.warnings = parsed.warnings
    return request


def parse_update(body: bytes | None, deployment_id: str, version: Features) -> UpdateRequest:
    """Read an update from its body, which is required."""
    if not body:
        raise errors.parse_failure("request body is required")
    given = _update_parser(version.number).parse(Parser(body, version)).values
    check_same_model(given.get("model_id"), deployment_id, as_status=True)
    request = UpdateRequest(deployment_id, None if version.adaptive else 0)
    if "number_of_allocations" in given:
        request.number_of_allocations = given["number_of_allocations"]
    request.adaptive = given.get("adaptive_allocations")
    request.timeout = given.get("timeout", request.timeout)
    return request


def parse_stop(body: bytes, deployment_id: str, version: Features) -> StopRequest:
    """Read a stop from its body."""
    given = _stop_parser(version.number).parse(Parser(body, version)).values
    check_same_model(given.pop("model_id", None), deployment_id, as_status=False)
    return StopRequest(deployment_id, **given)


def fractional_warning(request: StartRequest) -> str | None:
    """Return the deprecation warning about a cache size such as ``1.5gb``; gone in 9.x."""
    if request.cache_size is None or not request.cache_size.fractional or request.version.major > 8:
        return None
    advice = "Fractional bytes values are deprecated. Use non-fractional bytes values instead"
    return f"{advice}: [{request.cache_size.given}] found for setting [cache_size]"


def check_same_model(in_body: str | None, in_path: str | None, *, as_status: bool) -> None:
    """Refuse a ``model_id`` in the body that differs from the path's."""
    if in_body is None or in_path is None or in_body == in_path:
        return
    reason = (
        f"Inconsistent model_id; '{in_body}' specified in the body differs from '{in_path}' specified as a URL argument"
    )
    raise errors.status(400, reason) if as_status else errors.illegal_argument(reason)


def _cache_size(version: Features) -> Field:
    def read(parser: Parser) -> ByteSize:
        if parser.token == xcontent.VALUE_NULL:
            line, column = parser.location
            if version.at_least((8, 14, 0)):
                raise errors.illegal_argument(f"Expected text at {line}:{column} but found VALUE_NULL")
            raise errors.ApiError(400, "illegal_state_exception", f"Can't get text on a VALUE_NULL at {line}:{column}")
        return values.parse_bytes(parser.text, "cache_size")

    return object_parser.any_value("cache_size", read)


def _adaptive_or(null: AdaptiveSettings | None) -> Field:
    def read(parser: Parser) -> AdaptiveSettings | None:
        return null if parser.token == xcontent.VALUE_NULL else adaptive.read(parser)

    return object_parser.nested("adaptive_allocations", read)


def _timeout(name: str) -> Field:
    return object_parser.converted(name, lambda text: values.parse_time(text, name))


@functools.cache
def _start_parser(number: str) -> ObjectParser:
    version = features(number)
    fields = [
        object_parser.text("model_id"),
        _timeout("timeout"),
        object_parser.converted("wait_for", wait_state),
        object_parser.integer("threads_per_allocation", ("inference_threads",)),
        object_parser.integer("number_of_allocations", ("model_threads",)),
        object_parser.integer("queue_capacity"),
    ]
    if version.deployment_id:
        fields.append(object_parser.text("deployment_id"))
    if version.cache_size:
        fields.append(_cache_size(version))
    if version.priority:
        fields.append(object_parser.converted("priority", priority))
    if version.adaptive:
        fields.append(_adaptive_or(None))
    return ObjectParser(START, fields)


@functools.cache
def _update_parser(number: str) -> ObjectParser:
    fields = [object_parser.text("model_id"), object_parser.integer("number_of_allocations"), _timeout("timeout")]
    if features(number).adaptive:
        fields.append(_adaptive_or(adaptive.RESET))
    return ObjectParser(UPDATE, fields)


@functools.cache
def _stop_parser(number: str) -> ObjectParser:
    fields = [object_parser.text("model_id"), object_parser.boolean("allow_no_match"), object_parser.boolean("force")]
    if features(number).finish_pending_work:
        fields.append(object_parser.boolean("finish_pending_work"))
    return ObjectParser(STOP, fields)

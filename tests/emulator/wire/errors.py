# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Render errors as Elasticsearch does: the envelope, its root cause, and the few shapes outside of it.

Source: server-behaviour.md 3 and the ``errors`` records.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Final

Json = dict[str, Any]

_PLAIN_JAVA = frozenset(
    {
        "illegal_argument_exception",
        "illegal_state_exception",
        "number_format_exception",
        "input_coercion_exception",
        "marked_y_a_m_l_exception",
        "stream_constraints_exception",
        "json_parse_exception",
        "json_e_o_f_exception",
        "runtime_exception",
        "media_type_header_exception",
        "bad_parameter_exception",
    }
)


_UNNAMED: Final = "org.elasticsearch.ElasticsearchException$1"
_FRAME: Final = "org.elasticsearch.double.Frames.areNotPlayed(Unknown Source)"
_PACKAGES: Final = {
    "illegal_argument_exception": "java.lang.",
    "illegal_state_exception": "java.lang.",
    "number_format_exception": "java.lang.",
    "runtime_exception": "java.lang.",
    "json_parse_exception": "com.fasterxml.jackson.core.",
    "json_e_o_f_exception": "com.fasterxml.jackson.core.io.",
    "input_coercion_exception": "com.fasterxml.jackson.core.exc.",
    "marked_y_a_m_l_exception": "com.fasterxml.jackson.dataformat.yaml.snakeyaml.error.",
    "stream_constraints_exception": "com.fasterxml.jackson.core.exc.",
    "x_content_parse_exception": "org.elasticsearch.xcontent.",
    "x_content_e_o_f_exception": "org.elasticsearch.xcontent.",
    "action_request_validation_exception": "org.elasticsearch.action.",
    "validation_exception": "org.elasticsearch.common.",
    "media_type_header_exception": "org.elasticsearch.rest.",
    "bad_parameter_exception": "org.elasticsearch.rest.",
    "index_not_found_exception": "org.elasticsearch.index.",
    "invalid_index_name_exception": "org.elasticsearch.indices.",
}
"""Packages of exceptions; those that are not listed are in ``org.elasticsearch``."""
_PREFIXED: Final = frozenset({"exception", "status_exception", "security_exception", "parse_exception"})
"""The rendered name of these leaves out that they begin with Elasticsearch."""


def java_name(kind: str) -> str:
    """Return the class behind a rendered name."""
    simple = "".join(part.capitalize() for part in kind.split("_"))
    return _PACKAGES.get(kind, "org.elasticsearch.") + ("Elasticsearch" if kind in _PREFIXED else "") + simple


@dataclasses.dataclass(eq=False)
class ApiError(Exception):
    """One server-side exception.

    ``type`` is the rendered name (``status_exception``), ``extra`` are further keys of the error object (for instance
    ``header``), ``headers`` go out as HTTP headers, ``product`` false leaves the product header away (401, 403).
    """

    status: int
    type: str
    reason: str | None
    caused_by: ApiError | None = None
    extra: Json = dataclasses.field(default_factory=dict)
    headers: Sequence[tuple[str, str]] = ()
    product: bool = True

    def __post_init__(self) -> None:
        super().__init__(self.reason)

    def as_json(self, *, trace: bool = False) -> Json:
        """Return type, reason and causes, without root cause and status."""
        body: Json = {"type": self.type, "reason": self.reason}
        if self.caused_by is not None:
            body["caused_by"] = self.caused_by.as_json(trace=trace)
        body.update(self.extra)
        if trace:
            body["stack_trace"] = self.stack_trace()
        return body

    def stack_trace(self, wrapper: str | None = None) -> str:
        """Return what ``error_trace`` adds, to causes too [I]. The frames of a build are not played."""
        lines = [self._headline()]
        if wrapper is not None:
            lines = [f"{wrapper}: {self.reason}", f"Caused by: {lines[0]}"]
        cause = self.caused_by
        while cause is not None:
            lines.append(f"Caused by: {cause._headline()}")
            cause = cause.caused_by
        return "".join(f"{line}\n\tat {_FRAME}\n" for line in lines)

    def _headline(self) -> str:
        """Return an exception as Java prints it: its class, and its message if it has one."""
        return java_name(self.type) + ("" if self.reason is None else f": {self.reason}")

    def root(self) -> ApiError:
        """Return the exception that ``root_cause`` shows: the innermost one that is not a plain Java exception."""
        cause = self.caused_by
        if cause is None or cause.type in _PLAIN_JAVA or self.type in _PLAIN_JAVA:
            return self
        return cause.root()

    def error_object(self, *, trace: bool = False) -> Json:
        """Return the value of ``error``."""
        root = self.root()
        cause: Json = {"type": root.type, "reason": root.reason, **root.extra}
        if trace:
            # A plain Java exception becomes a root cause through a class without a name.
            cause["stack_trace"] = root.stack_trace(_UNNAMED if root.type in _PLAIN_JAVA else None)
        return {"root_cause": [cause], **self.as_json(trace=trace)}

    def body(self, *, trace: bool = False) -> Json:
        """Return the whole answer body."""
        return {"error": self.error_object(trace=trace), "status": self.status}


@dataclasses.dataclass(eq=False)
class PlainError(Exception):
    """An error whose ``error`` is a mere string: no handler, wrong method, unsupported content type."""

    status: int
    message: str
    with_status: bool = True
    headers: Sequence[tuple[str, str]] = ()

    def body(self) -> Json:
        """Return the whole answer body."""
        return {"error": self.message, "status": self.status} if self.with_status else {"error": self.message}


def status(code: int, reason: str, caused_by: ApiError | None = None) -> ApiError:
    """Return an ``ElasticsearchStatusException``."""
    return ApiError(code, "status_exception", reason, caused_by)


def illegal_argument(reason: str, caused_by: ApiError | None = None) -> ApiError:
    """Return a plain ``IllegalArgumentException``: 400."""
    return ApiError(400, "illegal_argument_exception", reason, caused_by)


def number_format(text: str) -> ApiError:
    """Return Java's complaint about a text that is not a number."""
    return ApiError(400, "number_format_exception", f'For input string: "{text}"')


def parse_failure(reason: str, caused_by: ApiError | None = None) -> ApiError:
    """Return an ``ElasticsearchParseException``: 400."""
    return ApiError(400, "parse_exception", reason, caused_by)


def not_found(reason: str) -> ApiError:
    """Return a ``ResourceNotFoundException``: 404."""
    return ApiError(404, "resource_not_found_exception", reason)


def validation(messages: Sequence[str], kind: str = "action_request_validation_exception") -> ApiError:
    """Return the refusal of validation: all complaints in one reason."""
    listed = "".join(f"{number}: {message};" for number, message in enumerate(messages, 1))
    return ApiError(400, kind, f"Validation Failed: {listed}")

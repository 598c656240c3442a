# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Failures, as values that every layer may use."""

from __future__ import annotations

import typing as t

from .reasons import Reason, each_once


class Difference(t.NamedTuple):
    """A setting that differs from the desired value. Both values are plain JSON types."""

    name: str
    current: t.Any
    desired: t.Any

    def __str__(self) -> str:
        return f"{self.name} is {shown(self.current)}, not {shown(self.desired)}"


class Failure(Exception):
    """A failure of a task, or of one of its deployments.

    ``code``: a short, stable word for the kind of failure, for playbooks to branch on. The message is for people.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


class Refusal(Failure):
    """A decision not to write, or not to write further, made from what was read.

    One that is made before the first write is the same in check mode and in a real run.

    ``of_list``: a mistake in the options, whatever is deployed; a list with one is not applied at all.
    """

    def __init__(
        self, code: str, reason: str, differences: t.Sequence[Difference] = (), hint: str = "", *, of_list: bool = False
    ) -> None:
        self.reason = reason
        self.of_list = of_list
        self.differences = tuple(differences)
        self.hint = hint
        super().__init__(code, self._message)

    def with_hint(self, hint: str) -> t.Self:
        """Return the same refusal with *hint* after its own."""
        hints = f"{self.hint} {hint}".strip()
        return type(self)(self.code, self.reason, self.differences, hints, of_list=self.of_list)

    @property
    def _message(self) -> str:
        """Return the reason, each difference and the hint as one text."""
        differences = ": " + "; ".join(map(str, self.differences)) if self.differences else ""
        text = f"{self.reason}{differences}"
        end = "" if text.endswith((".", "?")) else "."
        return text + end + (f" {self.hint}" if self.hint else "")


AS_A_WHOLE = "The list of deployments cannot be applied. "
"""The beginning of the message about a whole list."""


def refuse_together(reasons: t.Sequence[Reason]) -> None:
    """Refuse a list of deployments with all *reasons*; without any, do nothing."""
    if reasons:
        raise Refusal("invalid_list", f"{AS_A_WHOLE}{each_once(reasons)}")


ErrorKind = t.Literal[
    "connection",  # none, or it was lost
    "timeout",
    "tls",
    "credentials",  # not accepted, or none
    "privilege",  # the user lacks one
    "licence",
    "product",  # not Elasticsearch, or too old
    "redirect",
    "answer",  # it cannot be understood
    "upgrade_mode",  # machine learning is in it
    "versions",  # the nodes have several
    "capacity",  # none left on the machine learning nodes
    "unavailable",  # the cluster or a gateway before it
    "library",  # the Python package is missing or too old
    "server",  # any other refusal
]

CODES: t.Mapping[ErrorKind, str] = {
    "connection": "connection_failed",
    "timeout": "request_timeout",
    "tls": "tls_failed",
    "credentials": "not_authenticated",
    "privilege": "missing_privilege",
    "licence": "missing_licence",
    "product": "not_elasticsearch",
    "redirect": "redirected",
    "answer": "invalid_response",
    "upgrade_mode": "upgrade_mode",
    "versions": "mixed_versions",
    "capacity": "no_capacity",
    "unavailable": "cluster_unavailable",
    "library": "missing_library",
    "server": "request_rejected",
}


class ApiError(Failure):
    """A request that did not succeed.

    Its code is that of its kind, unless another is given. ``status`` is the HTTP status (``None`` if there was no
    answer), ``error_type`` and ``reason`` are the server's own. ``empty``: the answer is an empty JSON object, as when
    Elasticsearch finds nothing to list.
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        status: int | None = None,
        error_type: str | None = None,
        reason: str | None = None,
        empty: bool = False,
        code: str = "",
    ) -> None:
        self.kind: ErrorKind = kind
        self.status = status
        self.error_type = error_type
        self.reason = reason
        self.empty = empty
        super().__init__(code or CODES[kind], message)

    def with_hint(self, hint: str) -> ApiError:
        """Return the same error with *hint* at the end of its message."""
        return ApiError(
            self.kind,
            f"{self} {hint}",
            status=self.status,
            error_type=self.error_type,
            reason=self.reason,
            empty=self.empty,
            code=self.code,
        )

    def masked(self, mask: t.Callable[[str], str]) -> ApiError:
        """Return the same error with the texts that *mask* makes of its own."""
        return ApiError(
            self.kind,
            mask(str(self)),
            status=self.status,
            error_type=self.error_type,
            reason=self.reason and mask(self.reason),
            empty=self.empty,
            code=self.code,
        )

    @property
    def not_found(self) -> bool:
        """Return whether Elasticsearch does not have the requested resource; a 404 of a proxy does not count."""
        return self.status == 404 and self.error_type == "resource_not_found_exception"

    @property
    def hidden(self) -> bool:
        """Return whether the user may not read what was requested, or a flavor or a proxy has no such path.

        Proxies answer with any of these where they pass on only some paths.
        """
        return self.status in (403, 404, 405, 410)

    def as_result(self) -> dict[str, t.Any]:
        return {"kind": self.kind, "status": self.status, "type": self.error_type, "reason": self.reason}


def shown(value: t.Any) -> str:
    """Return a setting as YAML shows it; of an object, only what is set."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {shown(item)}" for name, item in value.items() if item is not None) + "}"
    if isinstance(value, bool) or value is None:
        return str(value).lower() if value is not None else "unset"
    return str(value)


class Unsatisfied(Failure):
    """The desired state was not reached, or the task does not know whether it was; the message says what is missing."""


class NotReached(Unsatisfied):
    """A wait that ran out of time, or that cannot succeed."""

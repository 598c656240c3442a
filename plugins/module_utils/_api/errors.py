# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From an answer that is an error to an :class:`ApiError` with a sentence a person can act on."""

from __future__ import annotations

import typing as t

from .._records.errors import ApiError

GATEWAY = (502, 503, 504)
_LICENCE = "non-compliant for [ml]"


class Answer(t.NamedTuple):
    """A response as far as errors need it. ``body``: parsed JSON, or text."""

    status: int
    body: t.Any


def from_answer(what: str, privilege: str, answer: Answer) -> ApiError:
    """The error of an HTTP answer. *what* completes "Cannot ...", *privilege* is what the request needs."""
    error_type, reason = _told(answer.body)
    kind, hint = _kind(answer, error_type, reason, privilege)
    told = _flat(reason or str(answer.body)[:200] if answer.body else "empty answer").rstrip(".")
    return ApiError(
        kind,
        f"Cannot {what}: Elasticsearch answered {answer.status}: {told}." + (f" {hint}" if hint else ""),
        status=answer.status,
        error_type=error_type,
        reason=reason,
    )


def not_understood(what: str, status: int | None, body: t.Any) -> ApiError:
    """An answer that should have been JSON of Elasticsearch, and is not."""
    shown = _flat(str(body))[:120] if body not in (None, "") else "nothing"
    return ApiError(
        "answer",
        f"Cannot {what}: the answer is not what Elasticsearch sends, but begins with: {shown}. "
        "Check that hosts is the address of Elasticsearch itself and that no proxy in between answers for it.",
        status=status,
    )


def _kind(answer: Answer, error_type: str | None, reason: str | None, privilege: str) -> tuple[str, str]:
    status = answer.status
    if status == 401:
        return "credentials", "Check api_key, username and password, or bearer_token."
    if status == 403 and reason and _LICENCE in reason:
        return "licence", "Machine learning needs a licence that includes it, or a trial."
    if status == 403 and reason and "is unauthorized" in reason:
        return "privilege", f"Grant the cluster privilege {privilege}."
    if status in GATEWAY or (status == 429 and (error_type != "status_exception" or _timed_out(answer.body))):
        return "unavailable", "Something between here and the cluster, or the cluster itself, is not ready."
    if status == 429:
        return "capacity", "Retrying does not help: add ML nodes, stop something, or ask for less."
    if not error_type and not isinstance(answer.body, dict):
        return "answer", "This does not look like Elasticsearch: check hosts and what answers there."
    return "server", ""


def _told(body: t.Any) -> tuple[str | None, str | None]:
    """Type and reason, with the innermost cause: the outer reason of a parse error hides what is wrong."""
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, str):
        return None, error
    if not isinstance(error, dict):
        return None, None
    reason, cause = error.get("reason"), error.get("caused_by")
    while isinstance(cause, dict):
        if cause.get("reason") and cause["reason"] not in (reason or ""):
            reason = f"{reason}: {cause['reason']}"
        cause = cause.get("caused_by")
    return error.get("type"), reason


def _timed_out(body: t.Any) -> bool:
    error = body.get("error") if isinstance(body, dict) else None
    return isinstance(error, dict) and bool(error.get("timed_out"))


def _flat(text: str) -> str:
    return " ".join(text.split())

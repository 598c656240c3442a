# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Translation of elasticsearch-py's exceptions to :class:`ApiError`, with a message a person can act on."""

from __future__ import annotations

from ..errors import ApiError
from .error_facts import Answer, AnswerFacts, NoAnswerFacts, RequestContext
from .error_table import ANOTHER_PRODUCT, ANSWERS, NO_ANSWER, TLS, TLS_OF_PROXY, UNREADABLE, problem
from .text import shorten


class Transient(Exception):
    """A transient error: a repetition may succeed. ``retry_after`` is the header's text."""

    def __init__(self, error: ApiError, retry_after: str | None = None) -> None:
        self.error = error
        self.retry_after = retry_after
        super().__init__(str(error))


def from_exception(context: RequestContext, exc: Exception) -> Exception:
    """Return the error to raise for *exc*, one of the library's own: :class:`Transient` or an :class:`ApiError`."""
    import elasticsearch

    if isinstance(exc, elasticsearch.UnsupportedProductError):
        return problem(ANOTHER_PRODUCT, AnswerFacts(context, Answer(None, exc.body))).error
    if isinstance(exc, elasticsearch.ApiError):
        headers = exc.meta.headers
        genuine = headers.get("x-elastic-product") == "Elasticsearch"
        answer = Answer(exc.meta.status, exc.body, genuine, headers.get("location") or "")
        found, retry_after = problem(ANSWERS, AnswerFacts(context, answer)), headers.get("retry-after")
    else:
        facts = NoAnswerFacts(context, exc)
        tls = TLS_OF_PROXY if facts.by_proxy else TLS
        found, retry_after = problem(tls if facts.is_tls else NO_ANSWER, facts), None
    return Transient(found.error, retry_after) if found.transient else found.error


def unreadable(context: RequestContext, answer: Answer, misfit: str = "") -> ApiError:
    """Return the error of an answer that is no JSON object of Elasticsearch. *misfit*: how its schema differs."""
    return problem(UNREADABLE, AnswerFacts(context, answer, misfit)).error


def unusable_address(context: RequestContext, exc: ValueError) -> ApiError:
    """Return the error of a request that could not be made.

    The message quotes *exc* only if it is about the address: otherwise its text may show a header.
    """
    from urllib3.exceptions import LocationValueError

    if isinstance(exc, LocationValueError):
        message = f"the address cannot be used: {shorten(str(exc), 200)}. Check hosts."
    else:
        message = "the request has a value that HTTP does not allow. Remove line breaks from credentials and headers."
    return ApiError("connection", f"Cannot {context.what}: {message}")

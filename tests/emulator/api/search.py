# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve searches, as far as clients read notifications of machine learning with them.

Form of request and answer: the public reference of the search API. Fields of a notification: the public class
``InferenceAuditMessage``. Analysis is not played: a text matches as a whole.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from ..emulator import Emulator
from ..state.cluster import Cluster
from ..wire import errors, xcontent
from ..wire.call import Call, Reply
from ..wire.router import Prepared, Route
from ..wire.values import TimeValue
from ..wire.xcontent import Parser
from .indices import no_such_index

Json = dict[str, Any]
Hit = tuple[str, str, Json]
"""Index, id and content of a document."""
_ACTION: Final = "indices:data/read/search"
NOTIFICATIONS: Final = ".ml-notifications-000002"
_TIMEOUT: Final = TimeValue(30 * 10**9, "30s")
_TEXTS: Final = ("expand_wildcards", "preference", "routing", "search_type", "q", "sort", "_source")
_FLAGS: Final = ("allow_no_indices", "ignore_unavailable", "rest_total_hits_as_int", "allow_partial_search_results")


def search(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET /{index}/_search`` and ``POST /{index}/_search``."""
    cluster, names = emulator.cluster, call.path_parameters["index"].split(",")
    for name in _TEXTS:
        call.text(name)
    for name in _FLAGS:
        call.boolean(name, name == "allow_no_indices")
    call.time("timeout", _TIMEOUT)
    raw = call.take_body()
    body = xcontent.read_map(Parser(raw, cluster.version)) if raw else {}
    size, first = call.integer("size", int(body.get("size", 10))), call.integer("from", int(body.get("from", 0)))

    def visible(index: str) -> bool:
        return index in names or call.identity is None or call.identity.rights.allows_on(_ACTION, index)

    async def run() -> Reply:
        found = [hit for hit in _documents(cluster, names) if visible(hit[0])]
        matches = _query(body.get("query", {"match_all": {}}))
        found = _sorted([hit for hit in found if matches(hit[2])], body.get("sort"))
        shown = [_shown(hit, body) for hit in found[first : first + size]]
        hits = {"total": {"value": len(found), "relation": "eq"}, "max_score": None, "hits": shown}
        shards = {"total": 1, "successful": 1, "skipped": 0, "failed": 0}
        return Reply(200, {"took": 1, "timed_out": False, "_shards": shards, "hits": hits})

    patterns = any("*" in name or name == "_all" for name in names)
    if patterns and call.identity is not None and call.identity.rights.allows_somewhere(_ACTION):
        return Prepared(_ACTION, run, same_user=True)
    return Prepared(_ACTION, run, indices=names)


def _documents(cluster: Cluster, names: Iterable[str]) -> list[Hit]:
    """Return the documents of the indices that names and patterns select; a name has to exist."""
    cluster.settle_downloads()
    indices: dict[str, dict[str, Json]] = {
        name: {each.id: each.source for each in index.documents.values()} for name, index in cluster.indices.items()
    }
    if cluster.audit:
        indices[NOTIFICATIONS] = {f"n{number}": _notification(line) for number, line in enumerate(cluster.audit)}
    selected: set[str] = set()
    for name in names:
        pattern = "*" if name == "_all" else name
        if "*" not in pattern and pattern not in indices:
            raise no_such_index(name)
        selected |= set(fnmatch.filter(indices, pattern))
    return [(index, key, source) for index in sorted(selected) for key, source in indices[index].items()]


def _notification(line: Mapping[str, Any]) -> Json:
    about = {} if line["model_id"] is None else {"job_id": line["model_id"]}
    return {
        **about,
        "message": line["message"],
        "level": line["level"],
        "timestamp": line["timestamp"],
        "node_name": "double",
        "job_type": "inference",
    }


# --- queries ---


def _query(query: Json) -> Callable[[Json], bool]:
    """Return whether a document matches; one kind of query, and its settings."""
    if len(query) != 1:
        raise errors.ApiError(400, "parsing_exception", "query malformed, one kind of query is needed")
    ((kind, given),) = query.items()
    if kind not in _KINDS:
        raise errors.ApiError(400, "parsing_exception", f"unknown query [{kind}]")
    return _KINDS[kind](given)


def _field(given: Json) -> tuple[str, Any]:
    ((name, value),) = given.items()
    if isinstance(value, dict):
        value = value.get("value", value.get("query"))
    return name, value


def _term(given: Json) -> Callable[[Json], bool]:
    name, desired = _field(given)
    return lambda source: bool(source.get(name) == desired)


def _terms(given: Json) -> Callable[[Json], bool]:
    ((name, desired),) = given.items()
    return lambda source: source.get(name) in desired


def _range(given: Json) -> Callable[[Json], bool]:
    ((name, bounds),) = given.items()
    least, most = bounds.get("gte", bounds.get("gt")), bounds.get("lte", bounds.get("lt"))

    def inside(source: Json) -> bool:
        value = source.get(name)
        if value is None or value in (bounds.get("gt"), bounds.get("lt")):
            return False
        return (least is None or value >= least) and (most is None or value <= most)

    return inside


def _bool(given: Json) -> Callable[[Json], bool]:
    parts = {name: _several(given.get(name, [])) for name in ("must", "filter", "should", "must_not")}
    needed = [*parts["must"], *parts["filter"]]
    least = int(given.get("minimum_should_match", 0 if needed else 1)) if parts["should"] else 0

    def matches(source: Json) -> bool:
        if not all(each(source) for each in needed) or any(each(source) for each in parts["must_not"]):
            return False
        return sum(each(source) for each in parts["should"]) >= least

    return matches


def _several(given: Any) -> list[Callable[[Json], bool]]:
    return [_query(each) for each in (given if isinstance(given, list) else [given])]


_KINDS: Final[Mapping[str, Callable[[Json], Callable[[Json], bool]]]] = {
    "match_all": lambda given: lambda source: True,
    "term": _term,
    "match": _term,
    "match_phrase": _term,
    "terms": _terms,
    "range": _range,
    "bool": _bool,
    "exists": lambda given: lambda source: source.get(given["field"]) is not None,
}


# --- the answer ---


def _sorted(found: list[Hit], given: Any) -> list[Hit]:
    """Return documents in order; the first of several fields decides first."""
    desired = given if isinstance(given, list) else [given] if given else []
    for each in reversed(desired):
        name, order = (each, "asc") if isinstance(each, str) else _field(each)
        if isinstance(each, dict) and isinstance(each[name], dict):
            order = each[name].get("order", "asc")
        found = sorted(found, key=lambda hit: str(hit[2].get(name, "")), reverse=order == "desc")
    return found


def _shown(hit: Hit, body: Json) -> Json:
    index, key, source = hit
    fields = body.get("_source", True)
    if isinstance(fields, dict):
        fields = fields.get("includes", True)
    shown: Json = {"_index": index, "_id": key, "_score": None if body.get("sort") else 1.0}
    if fields is False:
        return shown
    desired = ["*"] if fields is True else [fields] if isinstance(fields, str) else list(fields)
    kept = {name: value for name, value in source.items() if any(fnmatch.fnmatchcase(name, each) for each in desired)}
    return {**shown, "_source": kept}


ROUTES: Final = (
    Route("GET", "/{index}/_search", "search", search),
    Route("POST", "/{index}/_search", "search", search),
)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve indices: names, existence, mappings as they were given, single documents. There are no shards or searches.

What is no other path is a path of an index: ``GET /_nope`` asks for an index of that name (recorded-answers.md 1).
Answers to requests that succeed follow the public specification of the create, get, delete and document APIs.
"""

from __future__ import annotations

import fnmatch
from typing import Any, Final
from urllib.parse import quote

from ..emulator import Emulator
from ..state.cluster import Cluster
from ..state.indices import Document, Index, with_default_endpoint
from ..wire import errors, xcontent
from ..wire.call import Call, Reply
from ..wire.failures import version_conflict
from ..wire.router import Prepared, Route
from ..wire.values import TimeValue
from ..wire.xcontent import Parser

Json = dict[str, Any]
_TIMEOUT: Final = TimeValue(30 * 10**9, "30s")
_OPTIONS: Final = ("allow_no_indices", "ignore_unavailable", "expand_wildcards", "local", "flat_settings", "features")
_FORBIDDEN: Final = frozenset('\\/*?"<>| ,#:')
_GET_MAPPING: Final = "indices:admin/mappings/get"
_SHARDS: Final = {"total": 2, "successful": 1, "failed": 0}


def no_such_index(name: str) -> errors.ApiError:
    """Return the recorded 404."""
    extra = {"resource.type": "index_or_alias", "resource.id": name, "index_uuid": "_na_", "index": name}
    return errors.ApiError(404, "index_not_found_exception", f"no such index [{name}]", extra=extra)


def _invalid(name: str, why: str) -> errors.ApiError:
    extra = {"index_uuid": "_na_", "index": name}
    return errors.ApiError(400, "invalid_index_name_exception", f"Invalid index name [{name}], {why}", extra=extra)


def _resolved(cluster: Cluster, expression: str) -> list[Index]:
    """Return the indices that a comma-separated list names; what is not a pattern has to exist."""
    found: dict[str, Index] = {}
    for name in expression.split(","):
        if name == "_all" or "*" in name:
            pattern = "*" if name == "_all" else name
            found |= {each: index for each, index in cluster.indices.items() if fnmatch.fnmatchcase(each, pattern)}
        elif name.startswith("_"):
            raise _invalid(name, "must not start with '_'.")
        elif name not in cluster.indices:
            raise no_such_index(name)
        else:
            found[name] = cluster.indices[name]
    return list(found.values())


def _check_new(cluster: Cluster, name: str) -> None:
    """Check the name of a new index (public reference of the create index API)."""
    if name in cluster.indices:
        uuid = cluster.indices[name].uuid
        extra = {"index_uuid": uuid, "index": name}
        raise errors.ApiError(
            400, "resource_already_exists_exception", f"index [{name}/{uuid}] already exists", extra=extra
        )
    if not name:
        raise _invalid(name, "must not be empty")
    if name[0] in "_-+":
        raise _invalid(name, "must not start with '_', '-', or '+'")
    if name != name.lower():
        raise _invalid(name, "must be lowercase")
    if name in (".", "..") or _FORBIDDEN & set(name):
        raise _invalid(name, "must not contain the following characters ['\\\\','/','*','?','\"','<','>','|',' ',',']")
    if len(name.encode()) > 255:
        raise _invalid(name, f"index name is too long, ({len(name.encode())} > 255)")


def get(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET /{index}`` and ``HEAD /{index}``."""
    cluster, expression = emulator.cluster, call.path_parameters["index"]
    call.boolean("include_defaults", False)
    call.time("master_timeout", _TIMEOUT)
    for name in _OPTIONS:
        call.text(name)

    async def run() -> Reply:
        return Reply(200, {index.name: index.as_json() for index in _resolved(cluster, expression)})

    return Prepared("indices:admin/get", run, indices=expression.split(","))


def mapping(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET [/{index}]/_mapping``: of what a pattern names, those that the user may see.

    Public reference of the get mapping API; the server's public source about patterns and privileges.
    """
    cluster, expression = emulator.cluster, call.path_parameters.get("index", "_all")
    wildcards = (call.text("expand_wildcards") or "open").split(",")
    call.time("master_timeout", _TIMEOUT)
    for name in ("allow_no_indices", "ignore_unavailable", "local"):
        call.text(name)

    def visible(index: Index) -> bool:
        if index.name in expression.split(","):
            return True
        seen = call.identity is None or call.identity.rights.allows_on(_GET_MAPPING, index.name)
        return seen and (not index.hidden or not {"all", "hidden"}.isdisjoint(wildcards))

    async def run() -> Reply:
        found = filter(visible, _resolved(cluster, expression))
        return Reply(200, {index.name: {"mappings": index.mappings} for index in found})

    if call.identity is not None and expression == "_all" and call.identity.rights.allows_somewhere(_GET_MAPPING):
        return Prepared(_GET_MAPPING, run, same_user=True)
    return Prepared(_GET_MAPPING, run, indices=() if expression == "_all" else expression.split(","))


def _hidden(settings: Json) -> bool:
    """Return whether the settings of a new index hide it, in any of the forms in which they are given."""
    nested = settings.get("index")
    given = settings.get("index.hidden", (nested if isinstance(nested, dict) else settings).get("hidden"))
    return given in (True, "true")


def create(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``PUT /{index}``: of the body, the mapping is kept, and whether the index is hidden."""
    cluster, name = emulator.cluster, call.path_parameters["index"]
    call.text("wait_for_active_shards")
    call.time("master_timeout", _TIMEOUT)
    call.time("timeout", _TIMEOUT)
    body = xcontent.read_map(Parser(call.take_body(), cluster.version)) if call.body else {}

    async def run() -> Reply:
        _check_new(cluster, name)
        mappings = with_default_endpoint(body.get("mappings") or {}, _default_endpoint(cluster))
        cluster.add_index(name, mappings, hidden=_hidden(body.get("settings") or {}))
        call.committed = True
        return Reply(200, {"acknowledged": True, "shards_acknowledged": True, "index": name})

    return Prepared("indices:admin/create", run, indices=(name,))


def _default_endpoint(cluster: Cluster) -> str | None:
    """Return the endpoint of a ``semantic_text`` field that names none (around-deployments.md 4.6)."""
    if cluster.flavor == "serverless":
        return ".jina-embeddings-v5-text-small"
    return ".elser-2-elasticsearch" if cluster.version.at_least((8, 17, 0)) else None


def delete(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``DELETE /{index}``; patterns are refused, as ``action.destructive_requires_name`` is true by default."""
    cluster, expression = emulator.cluster, call.path_parameters.get("index", "")
    call.time("master_timeout", _TIMEOUT)
    call.time("timeout", _TIMEOUT)
    for name in _OPTIONS[:3]:
        call.text(name)
    complaints = [] if expression else ["index / indices is missing"]

    async def run() -> Reply:
        if "*" in expression or expression == "_all":
            raise errors.illegal_argument("Wildcard expressions or all indices are not allowed")
        for index in _resolved(cluster, expression):
            del cluster.indices[index.name]
        cluster.publish(by_api=True)
        call.committed = True
        return Reply(200, {"acknowledged": True})

    return Prepared("indices:admin/delete", run, complaints, expression.split(","))


# --- documents ---


def _document_options(call: Call) -> None:
    for name in ("routing", "refresh", "version", "version_type", "if_seq_no", "if_primary_term", "pipeline"):
        call.text(name)
    for name in ("wait_for_active_shards", "require_alias"):
        call.text(name)
    call.time("timeout", _TIMEOUT)


def put_document(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``PUT /{index}/_doc/{id}``; a missing index is created."""
    cluster, path = emulator.cluster, call.path_parameters
    name, given = path["index"], path.get("id")
    _document_options(call)
    only_new = call.text("op_type") == "create"
    body = call.take_body()
    if not body:
        raise errors.parse_failure("request body is required")
    source = xcontent.read_map(Parser(body, cluster.version))

    async def run() -> Reply:
        if name not in cluster.indices:
            _check_new(cluster, name)
            cluster.add_index(name)
        index = cluster.indices[name]
        document_id = f"auto-{index.operations}" if given is None else given
        earlier = index.documents.get(document_id)
        if earlier is not None and only_new:
            raise version_conflict(document_id, earlier.version, name, index.uuid)
        document = index.write(document_id, source)
        call.committed = True
        result = "created" if earlier is None else "updated"
        location = [("Location", f"/{quote(name)}/_doc/{quote(document_id, safe='')}")]
        return (
            Reply(201, _written(index, document, result), location)
            if earlier is None
            else Reply(200, _written(index, document, result))
        )

    return Prepared("indices:data/write/index", run, indices=(name,))


def _written(index: Index, document: Document, result: str) -> Json:
    body: Json = {"_index": index.name, "_id": document.id, "_version": document.version, "result": result}
    return body | {"_shards": _SHARDS, "_seq_no": document.number, "_primary_term": 1}


def get_document(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``GET /{index}/_doc/{id}``."""
    cluster, path = emulator.cluster, call.path_parameters
    for name in ("routing", "preference", "stored_fields", "version", "version_type"):
        call.text(name)
    for name in ("_source", "_source_includes", "_source_excludes"):
        call.text(name)
    call.boolean("realtime", True)
    call.boolean("refresh", False)

    async def run() -> Reply:
        index = _one(cluster, path["index"])
        document = index.documents.get(path["id"])
        body: Json = {"_index": index.name, "_id": path["id"]}
        if document is None:
            return Reply(404, body | {"found": False})
        body |= {"_version": document.version, "_seq_no": document.number, "_primary_term": 1}
        return Reply(200, body | {"found": True, "_source": document.source})

    return Prepared("indices:data/read/get", run, indices=(path["index"],))


def delete_document(emulator: Emulator, call: Call) -> Prepared:
    """Serve ``DELETE /{index}/_doc/{id}``."""
    cluster, path = emulator.cluster, call.path_parameters
    _document_options(call)

    async def run() -> Reply:
        index = _one(cluster, path["index"])
        known = path["id"] in index.documents
        document = index.delete(path["id"])
        call.committed = known
        return Reply(200 if known else 404, _written(index, document, "deleted" if known else "not_found"))

    return Prepared("indices:data/write/delete", run, indices=(path["index"],))


def _one(cluster: Cluster, name: str) -> Index:
    if name.startswith("_"):
        raise _invalid(name, "must not start with '_'.")
    if name not in cluster.indices:
        raise no_such_index(name)
    return cluster.indices[name]


ROUTES: Final = (
    Route("DELETE", "/", "index", delete),
    Route("GET", "/_mapping", "mapping", mapping),
    Route("GET", "/{index}/_mapping", "mapping", mapping),
    Route("GET", "/{index}", "index", get),
    Route("PUT", "/{index}", "index", create),
    Route("DELETE", "/{index}", "index", delete),
    Route("HEAD", "/{index}", "index", get),
    # Types are a thing of the past, but 8.x still counts their path among the methods of two segments.
    Route("POST", "/{index}/{type}", "index", get, lambda version: version.major == 8, phantom=True),
    Route("POST", "/{index}/_doc", "document", put_document),
    Route("PUT", "/{index}/_doc/{id}", "document", put_document),
    Route("POST", "/{index}/_doc/{id}", "document", put_document),
    Route("GET", "/{index}/_doc/{id}", "document", get_document),
    Route("HEAD", "/{index}/_doc/{id}", "document", get_document),
    Route("DELETE", "/{index}/_doc/{id}", "document", delete_document),
)

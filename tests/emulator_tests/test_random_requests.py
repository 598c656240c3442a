# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that no random request on any route breaks the emulator, and that its refusals have the right shape."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.app import ROUTER
from emulator.inprocess import ConnectionDropped, InProcess
from emulator.state import requests
from emulator.state.versions import features
from emulator.wire import errors, render
from support.random_search import search

VERSIONS = ("8.0.0", "8.5.3", "8.10.4", "8.13.4", "8.16.0", "8.19.21", "9.1.10", "9.5.3")
FAST = settings(search(fixed=50, full=2000), suppress_health_check=list(HealthCheck))

# --- what is sent ---

_NAMES = (
    *("total_parts", "total_definition_length", "definition", "vocabulary", "merges", "model_type", "inference_config"),
    *("persistent", "transient", "input", "metadata", "tags"),
    "number_of_allocations",
    "adaptive_allocations",
    "timeout",
    "model_id",
    "cache_size",
    "priority",
    "force",
    "",
)
_TEXTS = st.one_of(
    st.sampled_from(["", "true", "1", "-1", "1.5", "1e999", "9" * 5000, "30s", "1e999gb", "99999999999d", "m", "NaN"]),
    st.text(max_size=8),
)
_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES) | _TEXTS, inner, max_size=3),
    max_leaves=8,
)
_OBJECTS = st.dictionaries(st.sampled_from(_NAMES) | _TEXTS, _VALUES, max_size=4)
_ODD = st.sampled_from(
    [
        b"{",
        b"[]",
        b"null",
        b"\xef\xbb\xbf{}",
        b"// comment\n{}",
        b'{"a":1,"a":2}',
        b'{"a":NaN}',
        b'{"a":-}',
        b'{"a":"\\ud800"}',
        b'{"\\ud800":1}',
        b'{"a":"\xff"}',
        b'{"":{}} trailing',
        b"[" * 5000,
        b'{"a":' * 1200 + b"1" + b"}" * 1200,
        b'{"number_of_allocations":' + b"9" * 5000 + b"}",
        b'{"number_of_allocations":1e999999}',
        b"a: [1, 2\nb: }",
        b"a: &x [*x]",
        b"? [1, 2]\n: 3",
        b"2001-01-01: 2001-01-01",
        b"--- !!python/object:os.system {}",
        gzip.compress(b"{}"),
        b"\x00\x01\x02",
    ]
)
_BODIES = st.one_of(
    st.none(),
    st.binary(max_size=20),
    _ODD,
    _OBJECTS.map(lambda body: json.dumps(body).encode()),
    _OBJECTS.map(lambda body: gzip.compress(json.dumps(body).encode())),
)
_TYPES = st.sampled_from(
    [
        "application/json",
        "application/yaml",
        "application/cbor",
        "text/plain",
        "application/vnd.elasticsearch+json;compatible-with=8",
        "application/vnd.elasticsearch+json;compatible-with=",
        "application/vnd.elasticsearch+json;compatible-with=" + "9" * 5000,
        "a/b;c",
        "*/*",
        ";",
        "",
    ]
)
_HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "Content-Type": _TYPES,
        "Accept": _TYPES,
        "Content-Encoding": st.sampled_from(["gzip", "deflate", "br", "identity", ""]),
        "Accept-Encoding": st.sampled_from(["gzip", "*"]),
        "X-Opaque-Id": st.sampled_from(["1", "é"]),
        "Authorization": st.sampled_from(["Basic", "Basic ====", "ApiKey YQ==", "Bearer x", "Basic YTpi"]),
    },
)
_PATHS = st.sampled_from(sorted({route.template for route in ROUTER.routes}) + ["/p/a/b/c", "//", "/%zz", "/%", "/%ff"])
_METHODS = st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "FOO"])
_SEGMENTS = st.sampled_from(["m", "dep", "*", "_all", "a,b", "0", "-1", "9" * 5000]) | st.text(min_size=1, max_size=5)
_PARAMETERS = (
    *(
        "pretty",
        "human",
        "error_trace",
        "format",
        "filter_path",
        "timeout",
        "master_timeout",
        "wait_for",
        "size",
        "from",
    ),
    *("number_of_allocations", "cache_size", "priority", "deployment_id", "allow_no_match", "wait_for_nodes", "level"),
)
_FILTERS = st.sampled_from(
    ["**", "**.**.x", "-*", "error.*", "a..b", ",", "[", "*.nodes.*,-nodes", "\\", "\\.", "yaml"]
)
_QUERIES = st.lists(st.tuples(st.sampled_from(_PARAMETERS) | _TEXTS, _TEXTS | _FILTERS), max_size=3)


@st.composite
def _targets(draw: st.DrawFn) -> str:
    parts = draw(_PATHS).split("/")
    path = "/".join(quote(draw(_SEGMENTS), safe="*,") if part.startswith("{") else part for part in parts)
    query = "&".join(f"{quote(name)}={quote(value)}" for name, value in draw(_QUERIES))
    return f"{path}?{query}" if query else str(path)


# --- what must hold ---


def _is_error(body: Any) -> bool:
    """Return whether the body is one of server-behaviour.md 3: an object with a root cause, or a mere text."""
    error = body["error"]
    if isinstance(error, str):
        return True
    roots = error["root_cause"]
    described = all({"type", "reason"} <= set(each) for each in [error, *roots])
    return bool(roots) and described and isinstance(body["status"], int)


def _json(headers: list[tuple[str, str]], raw: bytes) -> Any:
    named = {name.lower(): value for name, value in headers}
    plain = gzip.decompress(raw) if named.get("content-encoding") == "gzip" else raw
    if "json" not in named["content-type"] or not plain:
        return None
    return json.loads(plain)


@settings(search(fixed=150, full=6000), suppress_health_check=list(HealthCheck))
@given(st.sampled_from(VERSIONS), _METHODS, _targets(), _HEADERS, _BODIES, st.booleans())
def test_any_request(version: str, method: str, target: str, headers: Any, body: bytes | None, secured: bool) -> None:
    """Test server-behaviour.md 0 and 3.

    An answer, or the end of the connection; a refusal is rendered as the server renders it.
    """
    emulator = InProcess(version, models=[("m", 1000)])
    emulator.request("POST", "/_ml/trained_models/m/deployment/_start?wait_for=starting")
    if secured:
        emulator.control("POST", "/privileges", {"username": "a", "password": "b", "privileges": ["all"]})
    try:
        status, sent, raw = emulator.request(method, target, headers, body)
    except ConnectionDropped:
        return
    assert status != 500, raw
    parsed = _json(sent, raw)
    if status >= 400 and isinstance(parsed, dict) and "error" in parsed:
        assert _is_error(parsed)
        assert parsed.get("status", status) == status


@FAST
@given(st.sampled_from(VERSIONS), _BODIES, st.sampled_from(["start", "update", "stop"]))
def test_any_body(version: str, body: bytes | None, kind: str) -> None:
    """Test server-behaviour.md 1.1 to 1.3.

    A body is parsed, or refused with the server's error object; nothing else happens.
    """
    known = features(version)
    parsers: dict[str, Callable[[bytes], Any]] = {
        "start": lambda raw: requests.parse_start(raw, "m", "m", known),
        "update": lambda raw: requests.parse_update(raw, "m", known),
        "stop": lambda raw: requests.parse_stop(raw, "m", known),
    }
    refused: errors.ApiError | None = None
    try:
        parsers[kind](body or b"")
    except errors.ApiError as error:
        refused = error
    if refused is not None:
        assert refused.status == 400
        assert _is_error(json.loads(render.compact(refused.body(trace=True))))


@FAST
@given(st.sampled_from(VERSIONS[4:]), st.integers(-(2**31), 2**31 - 1), st.sampled_from([str, float, int]))
def test_numbers_are_coerced(version: str, number: int, form: Any) -> None:
    """Test server-behaviour.md 0: texts and fractions are read as the whole number they hold, whatever it is."""
    raw = json.dumps({"number_of_allocations": form(number)}).encode()
    assert requests.parse_update(raw, "m", features(version)).number_of_allocations == number


@FAST
@given(_VALUES)
def test_rendering_can_be_read_again(value: Any) -> None:
    """Test server-behaviour.md 0: pretty and plain JSON say the same."""
    body = {"value": json.loads(json.dumps(value).replace("NaN", "0").replace("Infinity", "0"))}
    plain, nice = json.loads(render.compact(body)), json.loads(render.pretty(body))
    assert plain == nice


@FAST
@given(_OBJECTS, st.lists(st.sampled_from(_NAMES), min_size=1, max_size=3))
def test_includes_and_excludes_part_a_body(body: Any, names: list[str]) -> None:
    """Test server-behaviour.md 0.

    What ``filter_path`` keeps and what its opposite keeps are the whole, name by name.
    """
    chosen = [name for name in names if name]
    if not chosen:
        return
    kept = render.filtered(body, ",".join(chosen))
    rest = render.filtered(body, ",".join(f"-{name}" for name in chosen))
    assert set(kept) | set(rest) == set(body)
    assert not set(kept) & set(rest)

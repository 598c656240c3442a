# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test each error of a connection on real sockets: its message, its code, and whether reads are repeated."""

from __future__ import annotations

import gzip
import json
import re
import sys
import types
import typing as t
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from unittest import mock

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import CODES
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment import run as deployment
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment import run_info as info
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options import deployment as options
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options import info as info_options
from support import odd_servers as odd
from support.emulator_process import Emulator, emulator

Json = dict[str, t.Any]
ROWS: list[Json] = yaml.safe_load(Path(__file__).with_name("connection_errors.yml").read_text())


class Ground(t.NamedTuple):
    """The parts that servers are made of. ``authority`` is trusted, ``stranger`` is not."""

    server: Emulator
    authority: odd.Authority
    stranger: odd.Authority

    def plain(self, act: odd.Act) -> AbstractContextManager[Json]:
        return self._at("http", odd.serving(act))

    def secure(self, name: str = odd.LOOPBACK, since: int = -1, until: int = 1) -> AbstractContextManager[Json]:
        server = odd.serving(ANYTHING, self.authority.context(name, since=since, until=until))
        return self._at("https", server, ca_path=self.authority.path)

    @contextmanager
    def _at(self, scheme: str, server: AbstractContextManager[int], **given: t.Any) -> Iterator[Json]:
        with server as port:
            yield {"hosts": [f"{scheme}://{odd.LOOPBACK}:{port}"], **given}

    def port(self, server: AbstractContextManager[int], scheme: str = "http", **given: t.Any) -> t.Any:
        return self._at(scheme, server, **given)

    def with_fault(self, operation: str, do: Json, **given: t.Any) -> AbstractContextManager[Json]:
        self.server.control("POST", "/faults", {"operation": operation, "times": -1, "do": do})
        return nullcontext({"hosts": [self.server.url], **given})

    def as_user(self, *privileges: str, **given: str) -> AbstractContextManager[Json]:
        user = {"username": "runner", "password": "right-password"}
        self.server.control("POST", "/privileges", {**user, "privileges": list(privileges)})
        return nullcontext({"hosts": [self.server.url], **user, **given})

    def turned(self, setting: str, value: t.Any) -> AbstractContextManager[Json]:
        """Set *setting* after the task has looked at what may refuse the start, right before it."""
        effect = {"do": "set_setting", "name": setting, "value": value}
        return self.with_fault("start", {"type": "effect", "effect": effect}, **START)


ANYTHING = odd.telling({"cluster_name": "c"})
START = {"model_id": "m"}
OPENSEARCH = {
    "version": {"distribution": "opensearch", "number": "2.6.0"},
    "tagline": "The OpenSearch Project: https://opensearch.org/",
}
NGINX_400 = "<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>"
BREAKER = {"error": {"type": "circuit_breaking_exception", "reason": "[parent] Data too large"}, "status": 429}
MEDIA = {"error": "Content-Type header [text/plain] is not supported", "status": 406}


def page(status: str, text: str) -> odd.Act:
    return odd.answering(status, text, Content_Type="text/html")


def version(number: str) -> Json:
    return {"cluster_name": "c", "version": {"number": number, "build_flavor": "default"}}


def demanding(on: Ground, **given: str) -> t.Any:
    return on.port(odd.serving(ANYTHING, on.authority.demanding()), "https", ca_path=on.authority.path, **given)


def through(proxy: AbstractContextManager[int]) -> AbstractContextManager[Json]:
    @contextmanager
    def way() -> Iterator[Json]:
        with proxy as port:
            yield {"hosts": ["https://es.invalid:9200"], "proxy": f"http://{odd.LOOPBACK}:{port}"}

    return way()


def unpackable(on: Ground) -> t.Any:
    return on.with_fault("any_read", {"type": "broken_gzip"})


def refused(on: Ground, status: int) -> t.Any:
    body = {"error": {"type": "status_exception", "reason": "planted"}, "status": status}
    return on.with_fault("start", {"type": "answer", "status": status, "body": body}, **START)


@contextmanager
def without_library(_on: Ground) -> Iterator[Json]:
    """Hide the library: no folder in which Python looks has it."""
    places = [place for place in sys.path if not (Path(place) / "elasticsearch").exists()]
    with mock.patch.object(sys, "path", places), mock.patch.dict(sys.modules):
        for name in [name for name in sys.modules if name.partition(".")[0] == "elasticsearch"]:
            del sys.modules[name]
        yield {"hosts": [f"http://{odd.LOOPBACK}:1"]}


@contextmanager
def with_old_library(_on: Ground) -> Iterator[Json]:
    old = types.ModuleType("elasticsearch")
    vars(old).update(__version__=(7, 17, 9), __file__="/usr/lib/elasticsearch/__init__.py")
    with mock.patch.dict(sys.modules, elasticsearch=old):
        yield {"hosts": [f"http://{odd.LOOPBACK}:1"]}


def gateway(kind: str) -> Callable[[Ground], t.Any]:
    return lambda on: on.with_fault("any_read", {"type": kind})


CASES: dict[str, Callable[[Ground], AbstractContextManager[Json]]] = {
    # Reaching the cluster
    "cannot be resolved": lambda _on: nullcontext({"hosts": ["http://es.invalid:9200"]}),
    "connection refused": lambda on: on.port(odd.refusing()),
    "no connection to ... within ... seconds": lambda on: on.port(odd.full(), request_timeout=0.2),
    # A broadcast: nothing is sent, the system refuses.
    "no connection to ... (...)": lambda _on: nullcontext({"hosts": ["http://255.255.255.255:9200"]}),
    "no answer from ... within ... seconds": lambda on: on.port(odd.serving(odd.silent), request_timeout=0.2),
    "reset the connection": lambda on: on.plain(odd.resetting),
    "closed the connection without an answer": lambda on: on.plain(odd.closing),
    "ended in the middle of the answer": lambda on: on.with_fault("any_read", {"type": "truncate", "cut": True}),
    "does not speak HTTP": lambda on: on.plain(odd.saying(b"SSH-2.0-OpenSSH_9.7\r\n")),
    "the address cannot be used": lambda _on: nullcontext({"hosts": ["http://es..example.com"]}),
    "answered ... and redirects to ...": lambda on: on.plain(
        odd.answering("302 Found", Location="https://u:hunter2@login.example.com/?back=hunter2")
    ),
    "no connection to the proxy": lambda _on: through(odd.refusing()),
    "Check proxy_username and proxy_password": lambda _on: through(
        odd.serving(odd.answering("407 Proxy Authentication Required"))
    ),
    "the proxy ... does not connect to ...: 403": lambda _on: through(odd.serving(odd.answering("403 Forbidden"))),
    "the proxy ... does not connect to ...: 503": lambda _on: through(
        odd.serving(odd.answering("503 Service Unavailable"))
    ),
    # TLS
    "the certificate has expired": lambda on: on.secure(since=-3, until=-1),
    "the certificate is not valid yet": lambda on: on.secure(since=1, until=3),
    "the certificate is for another name": lambda on: on.secure("es.example.com"),
    "the authority of the certificate is not known": lambda on: on.port(
        odd.serving(ANYTHING, on.stranger.context()), "https", ca_path=on.authority.path
    ),
    "the certificate has another fingerprint than ca_fingerprint": lambda on: on.port(
        odd.serving(ANYTHING, on.authority.context()), "https", ca_fingerprint="ab" * 32
    ),
    "the certificate is not trusted": lambda on: on.port(
        odd.serving(ANYTHING, on.authority.unsuitable()), "https", ca_path=on.authority.path
    ),
    "the server ended the handshake": lambda on: on.port(
        odd.serving(ANYTHING, on.authority.disagreeing()), "https", ca_path=on.authority.path
    ),
    "the server requires a client certificate": demanding,
    "the server does not accept the client certificate": lambda on: demanding(on, **on.stranger.client()),
    "does not speak TLS": lambda on: on.port(nullcontext(int(on.server.url.rpartition(":")[2])), "https"),
    "answered with TLS": lambda on: on.with_fault("any_read", {"type": "garbage", "text": "\x15\x03\x03\x00\x02\x02F"}),
    "It speaks TLS": lambda on: on.plain(page("400 Bad Request", NGINX_400)),
    # Who may
    "Elasticsearch answered 401": lambda on: on.as_user("manage_ml", password="wrong-password"),
    "It is not Elasticsearch that asks for credentials": lambda on: on.plain(
        page("401 Unauthorized", "<h1>401 Authorization Required</h1>")
    ),
    "Grant the cluster privilege ...": lambda on: on.as_user("read_pipeline"),
    "lacks the cluster privilege": lambda on: on.as_user("monitor_ml", model_id="m"),
    "Run the task again when there is a licence": lambda on: on.turned("license", "basic"),
    "Run the task again when the upgrade mode of machine learning is off": lambda on: on.turned("upgrade_mode", True),
    "Run the task again when all nodes are upgraded": lambda on: on.turned("mixed_versions", True),
    "the server at ... answered 403": lambda on: on.plain(page("403 Forbidden", "<h1>No</h1>")),
    # Not Elasticsearch
    "is OpenSearch": lambda on: on.plain(odd.telling(OPENSEARCH, product=False)),
    "is not Elasticsearch (its answer lacks the header X-Elastic-Product)": lambda on: on.with_fault(
        "any_read", {"type": "no_product"}
    ),
    "a web page answers at ...": lambda on: on.plain(page("200 OK", "<h1>Welcome</h1>")),
    "the server at ... answered 404": lambda on: on.plain(page("404 Not Found", "<h1>No</h1>")),
    "Cannot ...: Elasticsearch ... is too old. This collection needs 8.0 or newer": lambda on: on.plain(
        odd.telling(version("7.10.2"), product=False)
    ),
    "Elasticsearch ... is too old. This collection needs 8.0 or newer": lambda on: on.plain(
        odd.telling(version("7.17.28"))
    ),
    # Answers
    "is empty": lambda on: on.with_fault("any_read", {"type": "empty"}),
    "is JSON that is cut off or damaged": lambda on: on.with_fault("any_read", {"type": "truncate"}),
    "is not JSON": lambda on: on.with_fault("any_read", {"type": "answer", "status": 200, "body": "pong"}),
    "is a web page": lambda on: on.with_fault("any_read", {"type": "answer", "status": 200, "body": "<h1>Hi</h1>"}),
    "is JSON but not an object": lambda on: on.with_fault("any_read", {"type": "answer", "status": 200, "body": [1]}),
    "is not in the format of Elasticsearch": lambda on: on.with_fault(
        "any_read", {"type": "answer", "status": 200, "body": {"version": "8.0"}}
    ),
    "has the content type ... instead of JSON": lambda on: on.plain(
        odd.answering("200 OK", json.dumps(version("9.1.0")), product=True, Content_Type="foo")
    ),
    "is marked as compressed": unpackable,
    "A proxy in between may have changed the headers": lambda on: on.with_fault(
        "start", {"type": "answer", "status": 406, "body": MEDIA}, **START
    ),
    "The request is too large": lambda on: on.with_fault(
        "start", {"type": "answer", "status": 413, "body": None, "product": False}, **START
    ),
    "Elasticsearch answered 400": lambda on: refused(on, 400),
    "Elasticsearch answered 404": lambda on: refused(on, 404),
    "Elasticsearch answered 409": lambda on: refused(on, 409),
    "Elasticsearch answered 500": lambda on: refused(on, 500),
    # Not now
    "a gateway at ... answered 429": gateway("too_many_requests"),
    "a gateway at ... answered 502": gateway("bad_gateway"),
    "a gateway at ... answered 503": gateway("service_unavailable"),
    "a gateway at ... answered 504": gateway("gateway_timeout"),
    "The cluster is not ready, or overloaded": lambda on: on.with_fault(
        "any_read", {"type": "answer", "status": 429, "body": BREAKER}
    ),
    "Repeating the task does not help": lambda on: on.with_fault("start", {"type": "capacity"}, **START),
    # The Python package
    "is needed by ...: No module named": without_library,
    "is needed by ...: found version": with_old_library,
}


class Pauses:
    """A clock that only counts the pauses."""

    def __init__(self) -> None:
        self.taken = 0

    def monotonic(self) -> float:
        return float(self.taken)

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.taken += 1


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("authorities")
    with emulator("--model", "m=1048576") as server:
        yield Ground(server, odd.Authority(str(folder / "known.pem")), odd.Authority(str(folder / "unknown.pem")))


def run(given: Json, clock: Pauses) -> Json:
    """Return the result of a task that reads everything, or starts a deployment."""
    starts = "model_id" in given
    spec = options.SPEC if starts else info_options.SPEC
    checked = ArgumentSpecValidator(**spec.to_kwargs()).validate({"request_retries": 1, **given})
    assert not checked.error_messages
    task = deployment.run if starts else info.run
    return task(checked.validated_parameters, False, clock=clock).result


def pattern(text: str) -> str:
    return ".*".join(re.escape(part) for part in text.split("..."))


def test_each_row_has_a_case_and_each_case_a_row() -> None:
    assert list(CASES) == [row["message"] for row in ROWS]


def test_each_kind_of_error_has_a_row() -> None:
    assert {row["code"] for row in ROWS} == {*CODES.values(), "proxy_failed", "unsupported_version"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["message"])
def test_connection_error(ground: Ground, row: Json) -> None:
    ground.server.control("POST", "/reset")
    clock = Pauses()
    with CASES[row["message"]](ground) as given:
        result = run(given, clock)
    assert result["failed"]
    assert re.search(pattern(row["message"]), result["msg"]), result["msg"]
    assert result["failure"] == {"code": row["code"]}
    assert result["msg"].startswith(("Cannot ", "Elasticsearch 7", "The Python package"))
    assert result["msg"].endswith(".")
    assert "hunter2" not in str(result)
    assert "object at 0x" not in str(result)
    assert row["repeated"] == bool(clock.taken)
    assert len(ground.server.writes()) == (1 if "model_id" in given and "username" not in given else 0)


def test_a_compressed_answer_is_read(ground: Ground) -> None:
    """Test a proxy that compresses anyway: by default the client asks for no compression."""
    body = gzip.compress(json.dumps(version("7.17.28")).encode())
    act = odd.answering("200 OK", body, product=True, Content_Type="application/json", Content_Encoding="gzip")
    with ground.plain(act) as given:
        assert run(given, Pauses())["msg"].startswith("Elasticsearch 7.17.28 is too old.")


@pytest.mark.parametrize("by", ["nginx", "haproxy", "envoy", "awselb"])
@pytest.mark.parametrize("kind", ["too_many_requests", "bad_gateway", "service_unavailable", "gateway_timeout"])
def test_the_words_of_a_gateway_are_kept(ground: Ground, kind: str, by: str) -> None:
    ground.server.control("POST", "/reset")
    with ground.with_fault("any_read", {"type": kind, "by": by}) as given:
        message = run(given, Pauses())["msg"]
    assert "<" not in message
    assert re.search(r"a gateway at http://127\.0\.0\.1:\d+ answered \d+: \w+.*\. It ", message), message

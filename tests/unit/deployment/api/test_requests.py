# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what is sent, what is refused for the server's age, and what answers become."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import ApiError, Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.http.error_facts import (
    Answer,
    AnswerFacts,
    RequestContext,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.http.error_table import ANSWERS, problem
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.cluster import refuse_old_server
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.server import Server
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.api.requests import to_request
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.api.version_checks import (
    refuse_unsendable,
    refuse_unsupported,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.records.desired import Desired
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.records.step import Step
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.adaptive import AdaptivePatch


def server(version: str, flavor: str = "default") -> Server:
    return Server(version, flavor, "c")


START = Step("start", "d", {"model_id": ".m/1", "number_of_allocations": 2, "threads_per_allocation": 1})


def test_a_start_says_all_in_the_query() -> None:
    call = to_request(START, server("9.1.0"), "30s")
    assert (call.method, call.path, call.body) == ("POST", "/_ml/trained_models/.m%2F1/deployment/_start", None)
    assert call.query == {
        "deployment_id": "d",
        "number_of_allocations": "2",
        "threads_per_allocation": "1",
        "timeout": "30s",
        "wait_for": "starting",
    }


def test_a_start_before_8_3_uses_the_old_names() -> None:
    query = to_request(START, server("8.2.0"), "30s").query
    assert (query["model_threads"], query["inference_threads"]) == ("2", "1")
    assert "number_of_allocations" not in query


def test_a_start_before_8_6_has_no_priority() -> None:
    action = Step("start", "m", {"model_id": "m", "priority": "normal"})
    assert "priority" not in to_request(action, server("8.5.3"), "30s").query
    assert to_request(action, server("8.6.0"), "30s").query["priority"] == "normal"


def test_only_adaptive_allocations_need_a_body() -> None:
    settings = {"model_id": "d", "adaptive_allocations": {"enabled": True}}
    call = to_request(Step("start", "d", settings), server("8.16.0"), "30s")
    assert call.body == {"adaptive_allocations": {"enabled": True}}
    assert "deployment_id" not in call.query


def test_an_update_says_all_in_the_body() -> None:
    call = to_request(Step("update", "d", {"number_of_allocations": 3}), server("9.1.0"), "10s")
    assert call.as_result() == {
        "method": "POST",
        "path": "/_ml/trained_models/d/deployment/_update",
        "query": {"timeout": "10s"},
        "body": {"number_of_allocations": 3},
    }


def test_a_stop_wants_to_know_if_there_was_nothing() -> None:
    assert to_request(Step("stop", "d"), server("9.1.0"), "30s")[2:] == ({"allow_no_match": "false"}, None)
    with_pending = Step("stop", "d", {"finish_pending_work": True})
    # The server looks at the query only where there is no body.
    body = {"allow_no_match": False, "finish_pending_work": True}
    assert to_request(with_pending, server("9.1.0"), "30s")[2:] == ({}, body)
    forced = Step("stop", "d", {"force": True})
    assert to_request(forced, server("9.1.0"), "30s")[2:] == ({"allow_no_match": "false", "force": "true"}, None)


GATES: list[tuple[dict[str, t.Any], str, str, str]] = [
    ({"cache_size": "1gb"}, "8.3.3", "8.4.0", "cache_size"),
    ({"priority": "low"}, "8.5.3", "8.6.0", "priority: low"),
    ({"model_id": "m"}, "8.7.1", "8.8.0", "a deployment_id that differs from the model_id"),
    ({"adaptive_allocations": AdaptivePatch(True)}, "8.15.3", "8.16.0", "adaptive_allocations"),
    ({"adaptive_allocations": AdaptivePatch(None, 1)}, "8.15.3", "8.16.0", "adaptive_allocations"),
    ({"finish_pending_work": True, "state": "stopped"}, "8.10.4", "8.11.0", "finish_pending_work"),
    ({"queue_capacity": 200_000}, "8.17.0", "8.16.0", "at most 100000, not 200000"),
    ({"queue_capacity": 2_000_000}, "8.16.0", "", "at most 1000000, not 2000000"),
]


@pytest.mark.parametrize(("desired", "without", "having", "said"), GATES)
def test_gates_of_options(desired: dict[str, t.Any], without: str, having: str, said: str) -> None:
    with pytest.raises(Refusal) as caught:
        refuse_unsupported(server(without), Desired("d", **desired))
    assert f"Elasticsearch {without}" in str(caught.value)
    assert said in str(caught.value)
    if having:
        refuse_unsupported(server(having), Desired("d", **desired))


@pytest.mark.parametrize(
    "desired",
    [
        {"adaptive_allocations": AdaptivePatch(enabled=False)},
        {"priority": "normal"},
        {"finish_pending_work": True},
        {"model_id": "d"},
    ],
)
def test_what_any_server_already_is_needs_no_version(desired: dict[str, t.Any]) -> None:
    refuse_unsupported(server("8.0.0"), Desired("d", **desired))


def test_serverless_knows_every_option() -> None:
    for desired, _without, _having, _said in GATES[:-2]:
        refuse_unsupported(server("8.11.0", "serverless"), Desired("d", **desired))


def test_gates_of_the_plan() -> None:
    update = Step("update", "d", {"number_of_allocations": 2})
    refuse_unsendable(server("8.6.0"), [update])
    with pytest.raises(
        Refusal,
        match=r"8\.5\.3 does not support an update of the running deployment 'd'. This needs 8\.6",
    ):
        refuse_unsendable(server("8.5.3"), [update])
    with pytest.raises(Refusal, match="at most 100000"):
        refuse_unsendable(server("9.0.0"), [Step("start", "d", {"model_id": "d", "queue_capacity": 500_000})])


@pytest.mark.parametrize("version", ["7.17.0", "0.1"])
def test_servers_that_are_too_old(version: str) -> None:
    with pytest.raises(Refusal, match="is too old. This collection needs 8.0 or newer"):
        refuse_old_server(server(version))


def test_a_version_is_one_line_without_control_characters() -> None:
    strange = server("7.\x1b[31mred\n" + "9" * 3000)
    for refuse in (refuse_old_server, lambda found: refuse_unsendable(found, [Step("update", "d", {})])):
        with pytest.raises(Refusal) as caught:
            refuse(strange)
        assert str(caught.value).startswith("Elasticsearch 7. [31mred 999")
        assert len(str(caught.value)) < 230
        assert str(caught.value).isprintable()


def test_a_version_that_cannot_be_read() -> None:
    with pytest.raises(Refusal, match="cannot be read. Grant the cluster privilege monitor"):
        refuse_old_server(server(""))


def test_an_alias_needs_a_deployment_id_too() -> None:
    start = Step("start", "alias", {"model_id": "m"})
    refuse_unsendable(server("8.8.0"), [start])
    with pytest.raises(Refusal, match="a deployment_id that") as caught:
        refuse_unsendable(server("8.7.1"), [start])
    assert caught.value.code == "unsupported_version"


def from_answer(context: RequestContext, answer: Answer) -> ApiError:
    return problem(ANSWERS, AnswerFacts(context, answer)).error


def error(status: int, **content: t.Any) -> Answer:
    return Answer(status, {"error": {"type": "t", "reason": "r", **content}, "status": status})


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (error(401), "credentials", "answered 401: r. Check api_key"),
        (
            error(403, reason="action [a] is unauthorized for user [u]"),
            "privilege",
            "Grant the cluster privilege manage_ml.",
        ),
        (
            error(403, reason="current license is non-compliant for [ml]"),
            "licence",
            "a licence that includes machine learning",
        ),
        (error(403, reason="index is blocked"), "server", "answered 403: index is blocked"),
        (error(429, type="status_exception"), "capacity", "add ML nodes"),
        (error(429, type="circuit_breaking_exception"), "unavailable", "is not ready, or overloaded"),
        (error(429, timed_out=True), "unavailable", "is not ready"),
        (
            Answer(429, "slow down", genuine=False),
            "unavailable",
            "a gateway at http://es:9200 answered 429: slow down.",
        ),
        (Answer(502, "<html>Bad  Gateway\n</html>", genuine=False), "unavailable", "answered 502: Bad Gateway."),
        (error(503, reason=None), "unavailable", "answered 503"),
        (Answer(404, "<html>nothing here</html>"), "answer", "answered 404: nothing here. It is not Elasticsearch"),
        (Answer(404, None, genuine=False), "answer", "the server at http://es:9200 answered 404: (no text)."),
        (Answer(404, {"ok": False}, genuine=False), "answer", 'answered 404: {"ok": false}. It is not Elasticsearch'),
        (Answer(404, "<p></p>", genuine=False), "answer", "answered 404: an empty page."),
        (Answer(401, "Unauthorized", genuine=False), "credentials", "It is not Elasticsearch that asks"),
        (Answer(407, None, genuine=False), "credentials", "a proxy before http://es:9200 answered 407: (no text)."),
        (Answer(413, None, genuine=False), "server", "answered 413: (no text). The request is too large"),
        (Answer(413, None), "server", "Elasticsearch answered 413: (no text). The request is too large"),
        (error(406), "server", "A proxy in between may have changed the headers"),
        (error(400, type="media_type_header_exception"), "server", "changed the headers Accept or Content-Type"),
        (Answer(400, {"error": "no handler found for uri [/x]"}), "server", "no handler found for uri [/x]"),
        (error(500), "server", "answered 500: r"),
        (
            error(
                400, reason="[1:2] failed to parse", caused_by={"reason": "For input", "caused_by": {"reason": "deep"}}
            ),
            "server",
            "[1:2] failed to parse: For input: deep",
        ),
        (error(400, reason="same", caused_by={"reason": "same"}), "server", "answered 400: same"),
        (error(400, reason="outer", caused_by={"reason": 7, "caused_by": {}}), "server", "answered 400: outer: 7."),
        (Answer(400, {"error": 5}), "server", "answered 400"),
    ],
)
def test_errors_become_sentences(answer: Answer, kind: str, said: str) -> None:
    made = from_answer(RequestContext("start deployment 'd'", "manage_ml", "http://es:9200"), answer)
    assert made.kind == kind
    assert said in str(made)
    assert str(made).startswith("Cannot start deployment 'd': ")
    assert made.status == answer.status


@pytest.mark.parametrize(
    ("location", "reported"),
    [
        ("https://user:hunter2@Login.example.com/in?token=hunter2#hunter2", "https://Login.example.com"),
        ("//es.example.com/x", "http://es.example.com"),
        ("/login?from=hunter2", "another path of the same server"),
        ("", "no address"),
        ("http://[::1", "an invalid address"),
    ],
)
def test_a_redirect_tells_no_more_than_where_it_leads(location: str, reported: str) -> None:
    made = from_answer(RequestContext("look", host="http://es:9200"), Answer(302, "", genuine=False, location=location))
    assert (made.kind, made.status) == ("redirect", 302)
    assert str(made).startswith(f"Cannot look: http://es:9200 answered 302 and redirects to {reported}. The task does")
    assert "hunter2" not in str(made)


def test_a_long_text_is_cut_and_half_a_secret_is_not_left() -> None:
    secret = "s3cr3t" * 5
    for length in range(150, 210, 7):
        body = "x" * length + secret + "y" * 9000
        made = from_answer(RequestContext("look", secrets=[secret]), Answer(404, body, genuine=False))
        assert "s3cr3t" not in str(made)
        assert len(str(made)) < 500
    reason = from_answer(
        RequestContext("look", secrets=[secret]), error(400, reason="r" * 990 + secret + "z" * 5000)
    ).reason
    assert reason is not None
    assert "s3cr3t" not in reason
    assert len(reason) < 1010


def test_a_short_text_is_left_to_ansible_which_hides_secrets() -> None:
    """Ansible masks whole results, and masks the same text everywhere alike."""
    made = from_answer(RequestContext("look", secrets=["hunter2"]), error(400, reason="no hunter2"))
    assert "no hunter2" in str(made)


def test_what_a_terminal_would_obey_is_left_out() -> None:
    made = from_answer(RequestContext("look"), Answer(500, {"error": {"reason": "a\x1b[2Jb\r\n\x00c"}}))
    assert ": a [2Jb c." in str(made)


def test_a_page_is_reported_without_its_markup() -> None:
    page = "<!-- x --><html><STYLE>a{}</STYLE><title>502 Bad</title><script>if (a<b) go()</script><h1>Gateway</h1>"
    assert "answered 502: 502 Bad Gateway." in str(
        from_answer(RequestContext("look"), Answer(502, page, genuine=False))
    )

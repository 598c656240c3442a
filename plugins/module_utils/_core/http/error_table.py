# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kind and the message of each error of a request: in each table the first row that applies.

A row is a predicate, a kind, a text and a hint. The predicate gets the facts of the error (:mod:`.error_facts`); the
braces of texts and hints name some of them.
"""

from __future__ import annotations

import http.client as http
import socket
import typing as t

from ..errors import ApiError, ErrorKind
from ..obstacles import OBSTACLES
from .error_facts import ALONE, AnswerFacts, Facts, NoAnswerFacts, broke_off

Predicate = t.Callable[[t.Any], object]
TRANSIENT = ("connection", "timeout", "unavailable")
"""Kinds after which a repetition may succeed."""


class Row(t.NamedTuple):
    """*text* completes "Cannot ...: ". *final*: a repetition does not help. *code*: if it is not that of the kind."""

    when: Predicate
    kind: ErrorKind
    text: str
    hint: str = ""
    code: str = ""
    final: bool = False


class Problem(t.NamedTuple):
    """An error, and whether a repetition may succeed."""

    error: ApiError
    transient: bool


def problem(rows: t.Sequence[Row], facts: Facts) -> Problem:
    """Return the error of the first row that applies."""
    row = next(row for row in rows if row.when(facts))
    message = f"Cannot {{f.context.what}}: {row.text} {row.hint}".format(f=facts).rstrip()
    error = ApiError(row.kind, message, code=row.code, **facts.of_server)
    return Problem(error, row.kind in TRANSIENT and not row.final)


def beginning(text: str, *rows: tuple[Predicate, ErrorKind, str]) -> tuple[Row, ...]:
    """Return rows of one *text* with different hints."""
    return tuple(Row(when, kind, text, hint) for when, kind, hint in rows)


def otherwise(_facts: t.Any) -> bool:
    return True


# fmt: off
# A row takes no more lines than it needs.

# --- an answer that is an error ---

CREDENTIALS_OF_PROXY = "Check proxy_username and proxy_password, or the variable that the proxy comes from."
PLAIN_TO_TLS = "plain http request was sent to https port"
NOT_READY = "The cluster is not ready, or overloaded: check its health and its logs."
TOO_LARGE = "The request is too large for Elasticsearch (http.max_content_length), or for a proxy in between."


def cluster(*statuses: int, says: t.Sequence[str] = ("",)) -> Predicate:
    """Return whether Elasticsearch answered with one of *statuses*, and a reason that *says* one of some texts."""
    return lambda f: (
        f.by_elasticsearch and f.status in (statuses or (f.status,)) and any(text in (f.reason or "") for text in says)
    )


def status(expected: int) -> Predicate:
    return lambda f: f.status == expected


def _busy(f: AnswerFacts) -> object:
    return cluster(429)(f) and (f.error_type != "status_exception" or f.timed_out)


def _no_room(f: AnswerFacts) -> object:
    """Return whether nodes lack room, even if that ends the planner's work (server-behaviour.md 3.1 row 17b)."""
    return cluster(429)(f) or cluster(400, says=["not enough memory on node ["])(f)


def _wrong_format(f: AnswerFacts) -> object:
    return f.by_elasticsearch and (f.status in (406, 415) or f.error_type == "media_type_header_exception")


ANSWERS = (
    Row(lambda f: 300 <= f.status < 400, "redirect",
        "{f.there} answered {f.status} and redirects to {f.redirect}. The task does not follow redirects, because it "
        "would send the credentials there.", "Put the address of Elasticsearch itself into hosts."),
    Row(cluster(409, says=["because it would deny access to the following in-use"]), "server",
        "Elasticsearch answered {f.status}: {f.text}.",
        "Take these endpoints out of use first, or set force to true.", code="region_policy_denies"),
    *beginning(
        "Elasticsearch answered {f.status}: {f.text}.",
        (lambda f: f.by_elasticsearch and f.prefix_is_wrong, "answer",
         "The path {f.prefix} in hosts is not one of Elasticsearch: leave it out, or correct it."),
        (cluster(401), "credentials", "Check api_key, username and password, or bearer_token."),
        (cluster(429, says=["while upgrade mode is enabled"]), "upgrade_mode", OBSTACLES["upgrade_mode"].hint),
        # The feature follows: ``ml``, or for inference endpoints ``inference``.
        (cluster(403, says=["license is non-compliant for ["]), "licence", OBSTACLES["licence"].hint),
        # The text from Elasticsearch 8.10 on, and the one before (server-behaviour.md 3.1 row 4).
        (cluster(403, says=["while cluster upgrade is in progress", "as not all nodes are on version"]), "versions",
         OBSTACLES["versions"].hint),
        (cluster(403, says=["is unauthorized"]), "privilege", "Grant the {f.context.needed}."),
        (cluster(502, 503, 504), "unavailable", NOT_READY),
        (_busy, "unavailable", NOT_READY),
        (_no_room, "capacity",
         "Repeating the task does not help: add ML nodes, stop something, or ask for less."),
        (_wrong_format, "server",
         "A proxy in between may have changed the headers Accept or Content-Type, or the body."),
        (cluster(413), "server", TOO_LARGE),
        (cluster(), "server", ""),
    ),
    *beginning(
        "a gateway at {f.there} answered {f.status}: {f.text}.",
        (status(429), "unavailable", "It limits the number of requests: use fewer forks, or try again later."),
        (status(502), "unavailable",
         "It got no valid answer from the cluster: check that Elasticsearch runs, and its address in the gateway."),
        (status(503), "unavailable",
         "It has no cluster to forward to: check that Elasticsearch runs, and that the gateway considers it "
         "healthy."),
        (status(504), "unavailable", "It got no answer in time: the cluster is slow, or the gateway cannot reach it."),
    ),
    Row(lambda f: f.status == 407 and f.proxy, "credentials", "the proxy {f.proxy} answered {f.status}: {f.text}.",
        CREDENTIALS_OF_PROXY),
    Row(status(407), "credentials", "a proxy before {f.there} answered {f.status}: {f.text}.", CREDENTIALS_OF_PROXY),
    *beginning(
        "the server at {f.there} answered {f.status}: {f.text}.",
        (status(401), "credentials",
         "It is not Elasticsearch that asks for credentials: check hosts, and whether a proxy in between does."),
        (status(413), "server", TOO_LARGE),
        # The text of nginx, and of gateways built on it.
        (lambda f: PLAIN_TO_TLS in f.excerpt.lower(), "tls", "It speaks TLS: write https:// in hosts."),
        (lambda f: f.prefix, "answer",
         "It is not Elasticsearch: check address and path ({f.prefix}) in hosts, and the proxies in between."),
        (otherwise, "answer", "It is not Elasticsearch: check the address in hosts, and the proxies in between."),
    ),
)

# --- an answer with status 200 that cannot be used ---

CHECK_ADDRESS = "Check that the address in hosts is that of Elasticsearch."
UNREADABLE = tuple(
    Row(when, "answer", f"the answer of {{f.there}} {text}.", hint)
    for when, text, hint in (
        (lambda f: f.misfit, "is not in the format of Elasticsearch: {f.misfit}",
         "Check whether a proxy in between changes answers; if not, please report it with the version of "
         "Elasticsearch."),
        (lambda f: f.body in (None, ""), "is empty", "A proxy in between may have cut it off."),
        (lambda f: f.is_html, "is a web page: {f.excerpt}",
         "A proxy or a login page answers instead of Elasticsearch."),
        (lambda f: not isinstance(f.body, str) or f.body == "null", "is JSON but not an object: {f.excerpt}",
         CHECK_ADDRESS),
        (lambda f: f.is_whole_json, "has the content type {f.content_type} instead of JSON",
         "A proxy in between may have changed the header Content-Type."),
        (lambda f: f.is_broken_json,
         "is JSON that is cut off or damaged, and begins with: {f.excerpt}",
         "A proxy in between may have cut it off; try again."),
        (lambda f: f.content_type,
         "is not JSON (its content type is {f.content_type}), and begins with: {f.excerpt}", CHECK_ADDRESS),
        (otherwise, "is not JSON, and begins with: {f.excerpt}", CHECK_ADDRESS),
    )
)

ANOTHER_PRODUCT = (
    Row(lambda f: f.version.get("distribution") == "opensearch", "product",
        "the server at {f.there} is OpenSearch {f.number}, not Elasticsearch.",
        "This collection needs Elasticsearch 8.0 or newer."),
    Row(lambda f: f.number.partition(".")[0] in ("5", "6", "7"), "product", "Elasticsearch {f.number} is too old.",
        "This collection needs 8.0 or newer."),
    Row(lambda f: f.is_html, "product",
        "a web page answers at {f.there}, not Elasticsearch: {f.excerpt}.",
        "Check hosts. A proxy or a login page may be in front of the cluster."),
    Row(otherwise, "product",
        "the server at {f.there} is not Elasticsearch (its answer lacks the header X-Elastic-Product).",
        "Check hosts. A proxy may also have removed the header."),
)

# --- no answer, because of TLS ---

NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG")
AGREE = "Check hosts, and which TLS versions, ciphers and client certificates the cluster accepts."
CLOCK = "Check the clock of the machine where the task runs."
COMPARE = "Compare ca_fingerprint with the certificate of Elasticsearch, which may have been renewed."
OTHER_NAME = "Use a name in hosts that the certificate has, or issue a certificate for this name."


def unverified(*numbers: int) -> Predicate:
    """Return whether OpenSSL rejected the certificate (``X509_V_ERR_...``, the same in every version)."""
    return lambda f: f.unverified in numbers


TLS = tuple(
    Row(when, "tls", f"no TLS connection to {{f.there}}: {cause}.", hint)
    for when, cause, hint in (
        (unverified(10), "the certificate has expired", f"Renew it. {CLOCK}"),
        (unverified(9), "the certificate is not valid yet", CLOCK),
        (unverified(62, 64), "the certificate is for another name ({f.detail})", OTHER_NAME),
        (unverified(2, 18, 19, 20, 21),
         "the authority of the certificate is not known ({f.detail})",
         "Set ca_path to the certificate authority of the cluster, or ca_fingerprint to its fingerprint."),
        (lambda f: f.unverified is not None, "the certificate is not trusted ({f.detail})",
         "Check the certificate of the cluster."),
        (lambda f: "ingerprint" in f.text and ALONE in f.text,
         "the certificate has another fingerprint than ca_fingerprint",
         f"{COMPARE} If it is that of an authority, the server must also send the authority: it sends only its own."),
        (lambda f: "ingerprint" in f.text,
         "the certificate has another fingerprint than ca_fingerprint", COMPARE),
        (lambda f: "doesn't match" in f.text, "the certificate is for another name ({f.text})", OTHER_NAME),
        (lambda f: f.reason in NO_TLS, "the server does not speak TLS", "If that is intended, write http:// in hosts."),
        (lambda f: f.wants_certificate, "the server requires a client certificate ({f.alert})",
         "Set client_cert and client_key."),
        (lambda f: f.rejects_certificate,
         "the server does not accept the client certificate ({f.alert})",
         "Check client_cert: the cluster must trust its authority, and it must not have expired."),
        (lambda f: f.alert, "the server ended the handshake ({f.alert})", AGREE),
        (otherwise, "{f.text}", AGREE),
    )
)
TRUST = "The certificate of the proxy must be from an authority that the system trusts, or from one in ca_path."
TLS_OF_PROXY = tuple(row._replace(hint=TRUST, code="proxy_failed") for row in TLS)

# --- no answer, for another reason ---

DENIED = "the proxy {f.proxy} does not connect to {f.context.host}: {f.reply_of_proxy}."
WHAT_IT_ALLOWS = "Check what the proxy allows, and that it can reach the cluster."
BUSY = "The cluster may be busy"
DROPPED = "A firewall may drop packets, or the machine may be down"
NO_TIME_LEFT = "no more of wait_timeout was left, which limits the task."
REACH = "Check hosts, and that the machine where the task runs can reach the cluster."
PERHAPS_CERTIFICATE = "It may have just stopped, or it may require a client certificate."
PERHAPS_TLS = "It may have just stopped, or it may speak TLS: then write https:// in hosts."
VIA = "Check hosts and proxy, and that the proxy {f.proxy} can reach the cluster."


def lost(*kinds: type[BaseException]) -> Predicate:
    """Return whether the innermost error of the connection is one of *kinds*."""
    return lambda f: isinstance(f.lost, kinds)


def _through_proxy(when: Predicate) -> Predicate:
    return lambda f: f.proxy and when(f)


def _closed(f: NoAnswerFacts) -> bool:
    return isinstance(f.lost, http.RemoteDisconnected) or (f.lost is not None and broke_off(f.lost))


CONNECTION = (
    (lost(socket.gaierror),
     "the name in {f.there} cannot be resolved ({f.lost.strerror}).",
     "Check its spelling in hosts, and the name service of the machine where the task runs."),
    (lost(ConnectionRefusedError), "no connection to {f.there}: connection refused.",
     "Check the port in hosts, and that Elasticsearch runs."),
    (lost(http.IncompleteRead),
     "the connection to {f.there} ended in the middle of the answer.", "Check the proxies in between."),
    (lambda f: _closed(f) and f.is_https, "{f.there} closed the connection without an answer.", PERHAPS_CERTIFICATE),
    (_closed, "{f.there} closed the connection without an answer.", PERHAPS_TLS),
    (lambda f: isinstance(f.lost, ConnectionResetError) and f.is_https, "{f.there} reset the connection.",
     PERHAPS_CERTIFICATE),
    (lost(ConnectionResetError), "{f.there} reset the connection.", PERHAPS_TLS),
    (lambda f: getattr(f.lost, "strerror", None), "no connection to {f.there} ({f.lost.strerror}).", REACH),
    (otherwise, "no connection to {f.there}: {f.text}.", REACH),
)
NO_ANSWER = (
    Row(lambda f: f.refusal_of_proxy == 407, "credentials", DENIED, CREDENTIALS_OF_PROXY, "proxy_failed"),
    Row(lambda f: f.refusal_of_proxy in (502, 503, 504), "connection", DENIED, WHAT_IT_ALLOWS, "proxy_failed"),
    Row(lambda f: f.refusal_of_proxy, "connection", DENIED, WHAT_IT_ALLOWS, "proxy_failed", final=True),
    Row(lambda f: f.by_proxy, "connection",
        "no connection to the proxy {f.proxy} ({f.reason_at_proxy}).",
        "Check proxy, or the variable that it comes from, and whether no_proxy should name the hosts.",
        "proxy_failed"),
    Row(lambda f: f.raised("DecodeError"), "answer",
        "the answer of {f.there} is marked as compressed, but cannot be unpacked.",
        "Check whether a proxy in between changes answers."),
    Row(lambda f: f.sent.startswith(("\x15\x03", "\x16\x03")), "tls", "{f.there} answered with TLS.",
        "Write https:// in hosts."),
    *beginning(
        "the server at {f.there} does not speak HTTP: it sent {f.sent_text}.",
        (lambda f: f.sent and f.proxy, "answer", "Check the ports in proxy and in hosts."),
        (lambda f: f.sent, "answer", "Check the port in hosts."),
    ),
    *beginning(
        "no connection to {f.there} within {f.context.timeout:g} seconds.",
        (lambda f: f.timed_out == "connect" and f.context.shortened, "timeout", f"{DROPPED}; {NO_TIME_LEFT}"),
        (lambda f: f.timed_out == "connect", "timeout", f"{DROPPED}."),
    ),
    *beginning(
        "no answer from {f.there} within {f.context.timeout:g} seconds.",
        (lambda f: f.timed_out and f.context.shortened, "timeout", f"{BUSY}; {NO_TIME_LEFT}"),
        (lambda f: f.timed_out, "timeout", f"{BUSY}; request_timeout sets how long one request may take."),
    ),
    *(Row(_through_proxy(when), "connection", text, VIA) for when, text, _hint in CONNECTION),
    *(Row(when, "connection", text, hint) for when, text, hint in CONNECTION),
)

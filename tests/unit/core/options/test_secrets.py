# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what must not be shown: what is given, what a request makes of it, and how an answer may write it."""

from __future__ import annotations

import base64
import html
import json
import typing as t
import urllib.parse

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.connection import connection
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.secrets import secrets
from support.canaries import canary, hits

ID, KEY = "VuaCfGcBCdbkQm-e5aOx", "ui2lp2axTNmsyakw9tvNnw"


def encoded(pair: str) -> str:
    return base64.b64encode(pair.encode()).decode()


def test_of_an_api_key_its_secret_half_and_both_forms() -> None:
    for api_key in (f"{ID}:{KEY}", encoded(f"{ID}:{KEY}"), f" {ID}:{KEY}\n"):
        assert secrets({"api_key": api_key}) >= {f"{ID}:{KEY}", KEY, encoded(f"{ID}:{KEY}"), api_key}
    # Elasticsearch also reads it without what fills it up.
    assert secrets({"api_key": encoded(f"{ID}0:{KEY}").rstrip("=")}) >= {KEY, f"{ID}0:{KEY}"}
    # Errors name it, and who reads them needs it.
    assert ID not in secrets({"api_key": f"{ID}:{KEY}"})
    assert secrets({"api_key": "no-base64!"}) >= {"no-base64!"}


@pytest.mark.parametrize(("user", "word"), [("username", "password"), ("proxy_username", "proxy_password")])
def test_of_a_password_what_a_header_carries(user: str, word: str) -> None:
    assert secrets({user: "ada", word: "hunter22"}) == {"hunter22", encoded("ada:hunter22")}
    assert secrets({user: "ada"}) == set()


def test_of_a_header_its_words_and_what_they_encode() -> None:
    header = f"Basic {encoded('ada:hunter22')}"
    found = secrets({"secret_headers": {"X-A": header, "X-B": "sesame-4711", "X-C": 12345678, "X-D": "short"}})
    assert found >= {header, encoded("ada:hunter22"), "ada:hunter22", "hunter22", "sesame-4711", "12345678"}
    assert not found & {"Basic", "short"}


def test_of_an_address_what_stands_before_its_host() -> None:
    found = secrets({"hosts": ["https://ada:hunter%3222@es.example.com", "es.example.com"], "proxy": "pat:swordfish@p"})
    assert found == {"ada:hunter%3222", "hunter%3222", "hunter222", "pat:swordfish", "swordfish"} | {
        urllib.parse.quote(text, safe="") for text in ("ada:hunter%3222", "hunter%3222", "pat:swordfish")
    } | {urllib.parse.quote(text) for text in ("ada:hunter%3222", "hunter%3222", "pat:swordfish")}


def test_the_path_of_an_address_is_no_secret() -> None:
    assert secrets({"hosts": ["https://es.example.com/team@eu"]}) == set()
    assert "12345/hunter22" in str(secrets({"proxy": "http://ada:12345/hunter22@proxy"}))


def test_short_parts_are_left_alone() -> None:
    """To hide them would hide other things; what is given whole Ansible hides at any length."""
    assert secrets({"api_key": "id:key", "proxy": "u@p"}) == {"id:key", "id%3Akey", encoded("id:key")}
    assert secrets({"hosts": ["http://u:p@a"]}) == {"u:p", "u%3Ap"}
    assert secrets({"password": "p"}) == {"p"}


@pytest.mark.parametrize("given", [{}, {"hosts": None}, {"api_key": None, "secret_headers": None, "password": ""}])
def test_nothing_given_hides_nothing(given: dict[str, t.Any]) -> None:
    assert secrets(given) == set()


def test_options_that_are_not_valid_yet_are_hidden_too() -> None:
    assert secrets({"api_key": 12345, "hosts": "http://ada:hunter22@a", "secret_headers": "x"}) >= {"12345", "hunter22"}


FORMS: dict[str, t.Callable[[str], str]] = {
    "as it is": str,
    "without what surrounds it": str.strip,
    "on one line": lambda text: " ".join(text.split()),
    "JSON": json.dumps,
    "JSON in UTF-8": lambda text: json.dumps(text, ensure_ascii=False),
    "URL": urllib.parse.quote,
    "query": lambda text: urllib.parse.quote(text, safe=""),
    "form": urllib.parse.quote_plus,
    "HTML": html.escape,
    "HTML text": lambda text: html.escape(text, quote=False),
    "Python": repr,
    "bytes": lambda text: repr(text.encode()),
    "header": lambda text: text.encode().decode("latin-1"),
}


@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize("option", ["password", "bearer_token", "proxy_password", "secret_headers"])
def test_each_form_in_which_an_answer_may_write_it(form: str, option: str) -> None:
    secret = canary(option, before=" ä\"<&%\\'  /", behind="+' \n")
    given = {"X": secret.value} if option == "secret_headers" else secret.value
    shown = f"no: {FORMS[form](secret.value)} (again: {FORMS[form](secret.value)})"
    for text in sorted(secrets({option: given, "username": "ada"}), key=len, reverse=True):
        shown = shown.replace(text, "***")
    assert hits([secret], [("answer", shown)]) == []


def test_a_connection_knows_its_secrets() -> None:
    spec = {"hosts": ["http://a"], "request_timeout": 1.0, "request_retries": 0, "secret_headers": {"X": "sesame-4711"}}
    assert connection({**spec, "bearer_token": "hunter22"}).secrets == {"sesame-4711", "hunter22"}

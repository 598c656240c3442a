# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test headers of a task: what goes with each request, and what is refused."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.connection import connection

HOST = {"hosts": ["http://127.0.0.1:9200"], "validate_certs": True, "request_timeout": 60.0, "request_retries": 3}


def refused(**options: t.Any) -> str:
    with pytest.raises(Refusal) as caught:
        connection({**HOST, **options})
    return str(caught.value)


def test_headers_are_texts() -> None:
    made = connection({**HOST, "headers": {"X-Tenant": "a", "X-Number": 4}, "secret_headers": {"X-Key": 12345678}})
    assert made.headers == (("X-Number", "4"), ("X-Tenant", "a"))
    assert made.secret_headers == (("X-Key", "12345678"),)
    assert "12345678" not in repr(made)
    assert made.secrets == {"12345678"}
    assert hash(made) == hash(made)


@pytest.mark.parametrize("option", ["headers", "secret_headers"])
@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Accept", "The client sets it itself."),
        ("content-TYPE", "The client sets it"),
        ("Content-Length", "The client sets it"),
        ("Content-Encoding", "The client sets it"),
        ("Accept-Encoding", "The client sets it"),
        ("Transfer-Encoding", "The client sets it"),
        ("Connection", "The client sets it"),
        ("Host", "The client sets it"),
        ("AUTHORIZATION", "Use api_key, username and password, or bearer_token."),
        ("Proxy-Authorization", "Use proxy_username and proxy_password."),
    ],
)
def test_headers_that_others_set(option: str, name: str, hint: str) -> None:
    said = refused(**{option: {name: "hunter2-hunter2"}})
    assert said.startswith(f"The header {name} cannot be set in {option}. {hint}")
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"headers": {"X-A": "a\nX-B: b"}}, "The value of X-A in headers has line breaks or characters that HTTP does"),
        ({"headers": {"X-A": "a\r"}}, "has line breaks"),
        ({"secret_headers": {"X-A": "hunter2\nhunter2"}}, "The value of X-A in secret_headers has line breaks"),
        ({"headers": {"X-A": "ä"}}, "characters that HTTP does not allow"),
        ({"headers": {"X A": "a"}}, "headers has a header with a name that HTTP does not allow: 'X A'"),
        ({"headers": {"X-A\r\nX-B": "a"}}, "name that HTTP does not allow"),
        ({"headers": {"": "a"}}, "name that HTTP does not allow: ''"),
        ({"headers": {"X-A": None}}, "The value of X-A in headers is not a text. Put it into quotes."),
        ({"headers": {"X-A": True}}, "is not a text"),
        ({"headers": {"X-A": ["a"]}}, "is not a text"),
        ({"headers": {"X-A": "a", "x-a": "b"}}, "The header x-a is given twice."),
        ({"headers": {"X-A": "a"}, "secret_headers": {"x-a": "hunter2-hunter2"}}, "The header x-a is given twice."),
        (
            {"secret_headers": {"X-A": "1234567"}},
            "The value of X-A in secret_headers has fewer than 8 characters. Masking it would mask other text, too.",
        ),
        ({"secret_headers": {"X-A": 1}}, "has fewer than 8 characters"),
    ],
)
def test_headers_that_are_refused(options: dict[str, t.Any], said: str) -> None:
    sentence = refused(**options)
    assert said in sentence
    assert "hunter2" not in sentence
    assert "1234567" not in sentence

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test TLS on real sockets: which servers the client trusts, and what it says if it trusts one not."""

from __future__ import annotations

import ssl
import typing as t
from pathlib import Path

import pytest
import trustme

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import ApiError
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.http.client import Client
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.connection import Connection
from support.tls_server import serving


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def port(authority: trustme.CA) -> t.Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with serving(context) as server:
        yield server.port


def read(address: str, **options: t.Any) -> t.Any:
    client = Client(Connection((address,), request_retries=0, **options))
    try:
        return client.read("look", "/")
    finally:
        client.close()


@pytest.fixture
def ca_path(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def test_a_known_authority_is_trusted(port: int, ca_path: str) -> None:
    assert read(f"https://localhost:{port}", ca_path=ca_path) == {"cluster_name": "behind TLS"}


def test_an_unknown_authority_is_not(port: int) -> None:
    with pytest.raises(
        ApiError, match=r"no TLS connection to .*: the authority .* is not known .*Set ca_path"
    ) as caught:
        read(f"https://localhost:{port}")
    assert caught.value.kind == "tls"


def test_another_name_is_not_trusted(port: int, ca_path: str) -> None:
    with pytest.raises(ApiError) as caught:
        read(f"https://127.0.0.1:{port}", ca_path=ca_path)
    assert caught.value.kind == "tls"


def test_nothing_is_verified_if_so_asked(port: int) -> None:
    assert read(f"https://127.0.0.1:{port}", validate_certs=False) == {"cluster_name": "behind TLS"}

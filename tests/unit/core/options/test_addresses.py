# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test addresses: cloud ids, proxies, and hosts that need none."""

from __future__ import annotations

import base64

import pytest
from elastic_transport.client_utils import parse_cloud_id

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.addresses import (
    cloud_address,
    host_address,
    is_excepted,
    proxy_address,
)


def cloud_id(content: str, name: str = "production") -> str:
    return f"{name}:{base64.b64encode(content.encode()).decode()}"


@pytest.mark.parametrize(
    ("content", "address"),
    [
        ("eu.example.com$abc$def", "https://abc.eu.example.com:443"),
        ("eu.example.com$abc", "https://abc.eu.example.com:443"),
        ("eu.example.com$abc$", "https://abc.eu.example.com:443"),
        ("eu.example.com:9243$abc$def", "https://abc.eu.example.com:9243"),
    ],
)
def test_cloud_ids(content: str, address: str) -> None:
    assert cloud_address(cloud_id(content)) == address
    theirs = parse_cloud_id(cloud_id(content)).es_address
    assert theirs is not None
    assert f"https://{theirs[0]}:{theirs[1]}" == address


def test_cloud_ids_as_people_have_them() -> None:
    encoded = cloud_id("eu.example.com$abc$def").partition(":")[2]
    for text in (encoded, f" {cloud_id('eu.example.com$abc$def')}\n", f"a name: with a colon:{encoded}"):
        assert cloud_address(text) == "https://abc.eu.example.com:443"
    # Each part of it may have a port of its own, as the agents of Elastic read it.
    assert cloud_address(cloud_id("eu.example.com:9243$abc:9244$def:1")) == "https://abc.eu.example.com:9244"


@pytest.mark.parametrize(
    "text",
    [
        "production",
        "production:",
        "production:not base64!",
        cloud_id(""),
        cloud_id("eu.example.com"),
        cloud_id("$abc$def"),
        cloud_id("eu.example.com$"),
        cloud_id("eu.example.com:port$abc"),
        cloud_id("eu.example.com$ab@c"),
        cloud_id("eu.example.cöm$abc"),
        cloud_id("eu.example.com$abc")[:-3],
    ],
)
def test_malformed_cloud_ids(text: str) -> None:
    with pytest.raises(Refusal) as caught:
        cloud_address(text)
    assert str(caught.value).startswith("cloud_id is malformed. Copy it whole")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://proxy.example.com:3128", "http://proxy.example.com:3128"),
        ("proxy.example.com:3128", "http://proxy.example.com:3128"),
        ("proxy.example.com", "http://proxy.example.com:80"),
        ("https://proxy.example.com/", "https://proxy.example.com:443"),
        ("http://[::1]:3128", "http://[::1]:3128"),
    ],
)
def test_proxies(text: str, address: str) -> None:
    assert proxy_address(text) == address


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("socks5://proxy:1080", "'socks5://proxy:1080' in proxy is not the URL of an HTTP proxy. Write it like"),
        ("http://proxy:1/path", "is not the URL of an HTTP proxy"),
        ("http://proxy:port", "The address in proxy is not a URL. Write it like http://proxy.example.com:3128."),
        ("http://", "is not the URL of an HTTP proxy"),
        ("http://ada:hunter2@proxy:1", "The address of proxy:1 in proxy contains credentials. Remove them"),
        ("ada:hunter2@proxy:1/x", "The address of proxy:1 in proxy contains credentials."),
    ],
)
def test_what_is_no_proxy(text: str, said: str) -> None:
    with pytest.raises(Refusal) as caught:
        proxy_address(text)
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_an_address_has_no_query() -> None:
    with pytest.raises(Refusal, match="The address of es in hosts has a query or a fragment"):
        host_address("https://es:9200/?pretty")


@pytest.mark.parametrize(
    ("entry", "excepted"),
    [
        ("*", True),
        ("es.example.com", True),
        ("ES.Example.Com", True),
        ("example.com", True),
        (".example.com", True),
        ("*.example.com", True),
        ("es.example.com:9200", True),
        ("example.com:9200", True),
        ("es.example.com:443", False),
        ("ple.com", False),
        ("other.com", False),
        ("", False),
        (".", False),
        ("10.0.0.0/8", False),
    ],
)
def test_names_that_need_no_proxy(entry: str, excepted: bool) -> None:
    assert is_excepted("https://es.example.com:9200/prefix", [entry]) is excepted
    assert is_excepted("https://es.example.com:9200", ["unrelated", entry]) is excepted


@pytest.mark.parametrize(
    ("address", "entry", "excepted"),
    [
        ("https://10.1.2.3:9200", "10.1.2.3", True),
        ("https://10.1.2.3:9200", "10.0.0.0/8", True),
        ("https://10.1.2.3:9200", "10.1.2.3/8", True),
        ("https://10.1.2.3:9200", "10.1.2.3:9200", True),
        ("https://10.1.2.3:9200", "10.1.2.3:443", False),
        ("https://10.1.2.3:9200", "11.0.0.0/8", False),
        ("https://10.1.2.3:9200", "2.3", False),
        ("https://[::1]:9200", "::1", True),
        ("https://[::1]:9200", "[::1]", True),
        ("https://[::1]:9200", "[::1]:9200", True),
        ("https://[fd00::1]:9200", "fd00::/8", True),
        ("https://[fd00::1]:9200", "10.0.0.0/8", False),
        ("https://es", "es:443", True),
        ("http://es", "es:80", True),
        ("http://a:port", "*", False),
    ],
)
def test_addresses_that_need_no_proxy(address: str, entry: str, excepted: bool) -> None:
    assert is_excepted(address, [entry]) is excepted

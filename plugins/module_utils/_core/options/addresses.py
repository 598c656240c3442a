# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses of clusters and proxies, checked and in one form."""

from __future__ import annotations

import base64
import ipaddress
import re
import typing as t
import urllib.parse

from ..errors import Refusal

_CLOUD_ID = "Copy it whole from the page of the cluster in Elastic Cloud: it looks like name:dXMtZWFzdC0x..."
_WITH_PATH = re.compile(r"https?://([^\s/?#@:\[\]]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?/[^?#]*", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}


def host_address(text: str, option: str = "hosts") -> str:
    """Return an address of ``hosts`` as ``scheme://host:port/prefix``.

    *option*: the option, and its source.

    :raises Refusal: if it is not a URL, or has credentials in it.
    """
    example = "Write it like https://es.example.com:9200."
    _refuse_userinfo(option, text, host_userinfo(text))
    url, port = _split(f"An address in {option}", text, example)
    if url.scheme not in _PORTS or not url.hostname:
        raise Refusal("invalid_address", f"'{text}' in {option} is not a URL", hint=example)
    if url.query or url.fragment:
        raise Refusal(
            "invalid_address", f"The address of {url.hostname} in {option} has a query or a fragment", hint=example
        )
    return f"{_authority(url, port)}{url.path.rstrip('/')}"


def proxy_address(text: str, option: str = "proxy") -> str:
    """Return the address of a proxy as ``scheme://host:port``; without a scheme it is ``http``, as in other tools.

    *option*: the option, and its source.

    :raises Refusal: if it is not the URL of an HTTP proxy, or has credentials in it.
    """
    example = "Write it like http://proxy.example.com:3128."
    _refuse_userinfo(option, text, "@" in text)
    url, port = _split(f"The address in {option}", _with_scheme(text), example)
    if url.scheme not in _PORTS or not url.hostname or url.path.strip("/"):
        raise Refusal("invalid_address", f"'{text}' in {option} is not the URL of an HTTP proxy", hint=example)
    return _authority(url, port)


def _refuse_userinfo(option: str, text: str, credentials: object) -> None:
    """Refuse an address that has *credentials* in it, and do not repeat them."""
    if credentials:
        host = re.split("[/?#]", text.rpartition("@")[2].strip())[0]
        options = "proxy_username and proxy_password" if option.startswith("proxy") else "username and password"
        raise Refusal(
            "credentials_in_url",
            f"The address of {host} in {option} contains credentials",
            hint=f"Remove them from the URL and set {options}.",
        )


def userinfo(text: str) -> str:
    """Return what precedes the ``@`` of an address, even of one that is no URL: that must not be shown either."""
    return text.rpartition("@")[0].rpartition("//")[2].strip()


def host_userinfo(text: str) -> str:
    """Return the same of an address in ``hosts``; ``https://es/team@eu`` has its ``@`` in the path, and so none."""
    return "" if _WITH_PATH.fullmatch(text.strip()) else userinfo(text)


def without_userinfo(text: str) -> tuple[str, str, str]:
    """Return the address of a proxy, as its variable has it, without its credentials; and user and password."""
    before, at, host = text.rpartition("@")
    if not at:
        return text, "", ""
    start, slashes, credentials = before.rpartition("//")
    username, _colon, password = credentials.partition(":")
    return f"{start}{slashes}{host}", urllib.parse.unquote(username), urllib.parse.unquote(password)


def cloud_address(cloud_id: str, option: str = "cloud_id") -> str:
    """Return the address of Elasticsearch in a cloud id: ``name:base64(domain[:port]$elasticsearch[:port]$kibana)``.

    *option*: the option, and its source.

    :raises Refusal: if it is not one.
    """
    try:
        encoded = cloud_id.strip().rpartition(":")[2]
        domain, elasticsearch, *_rest = base64.b64decode(encoded, validate=True).decode("ascii").split("$")
        domain, _colon, port = domain.partition(":")
        elasticsearch, _colon, own_port = elasticsearch.partition(":")
        if not domain or not elasticsearch:
            raise ValueError("a part of it is empty")
        return host_address(f"https://{elasticsearch}.{domain}:{own_port or port or 443}")
    except (ValueError, Refusal) as exc:
        raise Refusal("invalid_address", f"{option} is malformed", hint=_CLOUD_ID) from exc


def is_excepted(address: str, no_proxy: t.Sequence[str]) -> bool:
    """Return whether an entry of ``no_proxy`` covers the host of *address*.

    An entry is ``*``, a name or a domain above it, an IP address or a network, and may be followed by a port.
    """
    try:
        url = urllib.parse.urlsplit(address)
        host, port = url.hostname or "", url.port or _PORTS.get(url.scheme)
    except ValueError:
        return False  # it is refused elsewhere
    return any(_covers(entry.strip().lower(), host, port) for entry in no_proxy)


def scheme(address: str) -> str:
    return address.strip().partition("://")[0].lower()


def _covers(entry: str, host: str, port: int | None) -> bool:
    if entry == "*":
        return True
    network = _network(entry)
    if network is not None:
        return _network(host) is not None and ipaddress.ip_address(host) in network
    name, colon, only_port = entry.rpartition(":")
    if colon and only_port.isdigit():
        return int(only_port) == port and _covers(name, host, port)
    name = entry.lstrip("*").lstrip(".")
    return bool(name) and (host == name or (host.endswith(f".{name}") and _network(host) is None))


def _network(text: str) -> t.Any:
    """Return an IP address or a network, both as a network; ``None`` for a name."""
    try:
        return ipaddress.ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return None


def _split(what: str, text: str, example: str) -> tuple[urllib.parse.SplitResult, int | None]:
    try:
        url = urllib.parse.urlsplit(text.strip())
        port = url.port
    except ValueError as exc:
        raise Refusal("invalid_address", f"{what} is not a URL", hint=example) from exc
    if port == 0:
        raise Refusal("invalid_address", f"{what} has port 0, where nothing can listen", hint=example)
    return url, port


def _with_scheme(text: str) -> str:
    return text if "://" in text else f"http://{text.strip()}"


def _authority(url: urllib.parse.SplitResult, port: int | None) -> str:
    name = url.hostname or ""
    return f"{url.scheme}://{f'[{name}]' if ':' in name else name}:{port or _PORTS[url.scheme]}"

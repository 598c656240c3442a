# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a connection to a cluster, and the connection that they describe."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import typing as t

from ..durations import seconds
from ..errors import Refusal
from .addresses import cloud_address, host_address, is_excepted, proxy_address
from .credentials import header_text, refuse_two_auth_methods, require_proxy_pair, require_utf8
from .environment import refuse_two_clusters
from .headers import extra_headers
from .secrets import secrets
from .spec import Spec
from .tls import fingerprint, refuse_bad_tls

CONNECTION = Spec(
    {
        "hosts": {"type": "list", "elements": "str"},
        "cloud_id": {"type": "str"},
        "api_key": {"type": "str", "no_log": True},
        "username": {"type": "str"},
        "password": {"type": "str", "no_log": True},
        "bearer_token": {"type": "str", "no_log": True},
        "validate_certs": {"type": "bool", "default": True},
        "ca_path": {"type": "path"},
        "ca_fingerprint": {"type": "str"},
        "client_cert": {"type": "path"},
        "client_key": {"type": "path", "no_log": False},
        "headers": {"type": "dict"},
        "secret_headers": {"type": "dict", "no_log": True},
        "proxy": {"type": "str"},
        "proxy_username": {"type": "str"},
        "proxy_password": {"type": "str", "no_log": True},
        "no_proxy": {"type": "list", "elements": "str"},
        "request_timeout": {"type": "raw", "default": 60},
        "request_retries": {"type": "int", "default": 3},
    }
)


@dataclasses.dataclass(frozen=True)
class Connection:
    """A connection to a cluster. Times are in seconds, addresses are ``scheme://host:port/prefix``."""

    hosts: tuple[str, ...]
    api_key: str | None = dataclasses.field(default=None, repr=False)
    username: str | None = None
    password: str | None = dataclasses.field(default=None, repr=False)
    bearer_token: str | None = dataclasses.field(default=None, repr=False)
    validate_certs: bool = True
    ca_path: str | None = None
    ca_fingerprint: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    secret_headers: tuple[tuple[str, str], ...] = dataclasses.field(default=(), repr=False)
    proxy: str | None = None
    proxy_username: str | None = None
    proxy_password: str | None = dataclasses.field(default=None, repr=False)
    no_proxy: tuple[str, ...] = ()
    request_timeout: float = 60.0
    request_retries: int = 3
    secrets: frozenset[str] = dataclasses.field(default=frozenset(), repr=False)

    def credentials(self) -> dict[str, t.Any]:
        """Return the one authentication argument of the client, or none."""
        if self.api_key:
            key_id, colon, key = self.api_key.partition(":")
            return {"api_key": (key_id, key) if colon else self.api_key}
        if self.username:
            # In UTF-8, as Elasticsearch reads it: the client would encode a pair in ASCII, which not every password is.
            return {"basic_auth": base64.b64encode(f"{self.username}:{self.password}".encode()).decode()}
        return {"bearer_auth": self.bearer_token} if self.bearer_token else {}

    def address_hash(self) -> str:
        """Return what is the same for all connections to the same addresses, and shows none of them."""
        return hashlib.sha256(" ".join(sorted(self.hosts)).encode()).hexdigest()[:16]

    def proxy_for(self, address: str) -> str | None:
        """Return the proxy that leads to *address*, one of the hosts, or ``None``."""
        return None if self.proxy is None or is_excepted(address, self.no_proxy) else self.proxy


def connection(params: t.Mapping[str, t.Any]) -> Connection:
    """Return the connection that validated options describe.

    :raises Refusal: for mistakes that the argument spec cannot find, before anything is sent.
    """
    values: dict[str, t.Any] = {name: params.get(name) for name in CONNECTION.argument_spec}
    hosts = _hosts(values.pop("hosts"), values.pop("cloud_id"))
    refuse_two_auth_methods(values, {})
    values["request_timeout"] = seconds("request_timeout", values["request_timeout"])
    _refuse_negative(values)
    for name in ("api_key", "bearer_token"):
        values[name] = header_text(name, values[name], {})
    for name in ("username", "password", "proxy_username", "proxy_password"):
        require_utf8(name, values[name])
    values["ca_fingerprint"] = fingerprint(values["ca_fingerprint"])
    refuse_bad_tls(values, hosts)
    return Connection(hosts=hosts, secrets=secrets(params), **{**values, **extra_headers(values), **_proxy(values)})


def _hosts(hosts: t.Sequence[str] | None, cloud_id: str | None) -> tuple[str, ...]:
    refuse_two_clusters({"hosts": hosts, "cloud_id": cloud_id}, {})
    # A comma at the end of a list leaves an empty address.
    named = [cloud_address(cloud_id)] if cloud_id else [host_address(text) for text in hosts or () if text.strip()]
    if not named:
        raise Refusal(
            "no_cluster", "No cluster is named", hint="Set hosts or cloud_id, or the variable ELASTICSEARCH_URL."
        )
    return tuple(dict.fromkeys(named))


def _proxy(values: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    require_proxy_pair(values, {})
    if values["proxy_username"] and not values["proxy"]:
        raise Refusal(
            "incomplete_options", "proxy_username is given without proxy", hint="Set the address of the proxy, too."
        )
    return {
        "proxy": proxy_address(values["proxy"]) if values["proxy"] else None,
        "no_proxy": tuple(values["no_proxy"] or ()),
    }


def _refuse_negative(values: t.Mapping[str, t.Any]) -> None:
    if values["request_retries"] < 0:
        raise Refusal("invalid_value", f"request_retries must be 0 or more, not {values['request_retries']}")

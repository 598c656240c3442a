# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One host of a cluster, as a node of elasticsearch-py that supports proxies and trusts only what the task names.

The client's own node knows no proxy, shows no client certificate if it does not verify the server's, trusts the
authorities of the system in addition to the given ones, and accepts a fingerprint without proof that the server holds
the certificate (:mod:`.pinning`).
"""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import ssl
import time
import typing as t
import urllib.parse

from ..options.connection import Connection

if t.TYPE_CHECKING:
    from elastic_transport import NodeConfig, Urllib3HttpNode
    from urllib3 import HTTPConnectionPool, ProxyManager

    from .pinning import Pinned

Options = dict[str, t.Any]


class Address(t.NamedTuple):
    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def node_class(connection: Connection) -> type[Urllib3HttpNode]:
    """Return the class of the client's nodes, one for each host of *connection*."""
    from elastic_transport import BaseNode, Urllib3HttpNode

    class Node(Urllib3HttpNode):
        """A host. ``asked``: the monotonic time of its last request. ``proxy``: the one in between, or nothing."""

        def __init__(self, config: NodeConfig) -> None:
            BaseNode.__init__(self, config)  # that of the base class would set up TLS in another way
            self.asked = 0.0
            self.proxy = connection.proxy_for(str(_address(config))) or ""
            self._allowed = 0.0
            self.pool = t.cast("HTTPConnectionPool", _pool(connection, config, lambda: self._allowed))

        def perform_request(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
            self.asked = time.monotonic()
            self._allowed = kwargs["request_timeout"]
            return super().perform_request(*args, **kwargs)

        @property
        def path_prefix(self) -> str:
            """Return what precedes each path: a proxy that forwards requests needs the whole address."""
            base = str(_address(config := self.config))
            forwarded = config.scheme == "http" and connection.proxy_for(base)
            return (base if forwarded else "") + super().path_prefix

    return Node


def _address(config: NodeConfig) -> Address:
    return Address(config.scheme, config.host, config.port)


def pool_of_another(connection: Connection, address: Address) -> tuple[HTTPConnectionPool, bool]:
    """Return a pool of one connection to a server that is not of the cluster, and whether it wants whole addresses.

    The proxy is that of *connection*, and so is whether certificates are verified. The server sees no client
    certificate, and none of the credentials and headers, which are part of the requests to the cluster alone.
    """
    proxy = connection.proxy_for(str(address))
    options: Options = {"maxsize": 1, "block": True}
    if address.scheme == "http":
        return _plain(connection, address, options, proxy), proxy is not None
    options["ssl_context"] = _context_of_others(connection, address.host)
    return _secure(connection, address, options, proxy), False


def _pool(connection: Connection, config: NodeConfig, timeout: t.Callable[[], float]) -> HTTPConnectionPool | Pinned:
    """Return a pool of connections, or an object that behaves like one. *timeout*: of handshakes."""
    address = _address(config)
    proxy = connection.proxy_for(str(address))
    options: Options = {"maxsize": config.connections_per_node, "block": True}
    if config.scheme == "http":
        return _plain(connection, address, options, proxy)
    if not connection.ca_fingerprint:
        options["ssl_context"] = tls_context(connection)
        return _secure(connection, address, options, proxy)
    from .pinning import Pinned

    def pool(trust: ssl.SSLContext, pool_class: type[HTTPConnectionPool]) -> HTTPConnectionPool:
        if connection.client_cert:
            trust.load_cert_chain(connection.client_cert, connection.client_key)
        pinned = {**options, "ssl_context": trust, "assert_hostname": False}
        return _secure(connection, address, pinned, proxy, pool_class)

    return Pinned(connection.ca_fingerprint, pool, timeout)


def _plain(connection: Connection, address: Address, options: Options, proxy: str | None) -> HTTPConnectionPool:
    import urllib3

    class Forwarding(urllib3.HTTPConnectionPool):
        def is_same_host(self, url: str) -> bool:
            return True  # the pool is the proxy's, and the addresses are those of the cluster

    class TlsForwarding(urllib3.HTTPSConnectionPool):
        is_same_host = Forwarding.is_same_host

    if not proxy:
        return urllib3.HTTPConnectionPool(address.host, address.port, **options)
    if proxy.startswith("https:"):
        options["ssl_context"] = _context_of_others(connection, urllib.parse.urlsplit(proxy).hostname or "")
    manager = _manager(connection, proxy, options)
    manager.pool_classes_by_scheme = {"http": Forwarding, "https": TlsForwarding}
    return manager.connection_from_host(address.host, address.port, "http")


def _secure(
    connection: Connection,
    address: Address,
    options: Options,
    proxy: str | None,
    pool_class: type[HTTPConnectionPool] | None = None,
) -> HTTPConnectionPool:
    import urllib3

    pool_class = pool_class or urllib3.HTTPSConnectionPool
    _let_urllib3_compare_ip(options["ssl_context"], address.host)
    options["cert_reqs"] = options["ssl_context"].verify_mode
    if not proxy:
        return pool_class(address.host, address.port, **options)
    if proxy.startswith("https:"):
        options["proxy_ssl_context"] = _context_of_others(connection, urllib.parse.urlsplit(proxy).hostname or "")
    manager = _manager(connection, proxy, options)
    manager.pool_classes_by_scheme = {**manager.pool_classes_by_scheme, "https": pool_class}
    return manager.connection_from_host(address.host, address.port, "https")


def _manager(connection: Connection, proxy: str, options: Options) -> ProxyManager:
    import urllib3

    headers = {}
    if connection.proxy_username:
        pair = f"{connection.proxy_username}:{connection.proxy_password}"
        headers["proxy-authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return urllib3.ProxyManager(proxy, proxy_headers=headers, **options)


def tls_context(connection: Connection) -> ssl.SSLContext:
    """Return whom to trust: the authorities of ``ca_path`` alone, those of the system and of certifi, or everyone."""
    found = _trusting(connection, connection.ca_path)
    if connection.client_cert:
        found.load_cert_chain(connection.client_cert, connection.client_key)
    return found


def _context_of_others(connection: Connection, host: str) -> ssl.SSLContext:
    """Return whom to trust as a server that is not of the cluster: authorities of the system, and of ``ca_path``."""
    found = _trusting(connection, None)
    if connection.ca_path:
        found.load_verify_locations(connection.ca_path)
    _let_urllib3_compare_ip(found, host)
    return found


def _let_urllib3_compare_ip(trust: ssl.SSLContext, host: str) -> None:
    """Leave it to urllib3 to compare a certificate with an IP address: before 2, it does not pass one to ssl."""
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        trust.check_hostname = False


def _trusting(connection: Connection, ca_path: str | None) -> ssl.SSLContext:
    found = ssl.create_default_context(cafile=ca_path)
    found.minimum_version = ssl.TLSVersion.TLSv1_2
    if not connection.validate_certs:
        import urllib3
        from urllib3.exceptions import InsecureRequestWarning

        found.check_hostname = False
        found.verify_mode = ssl.CERT_NONE
        urllib3.disable_warnings(InsecureRequestWarning)  # one for each request, and the task asks for it
    elif not ca_path:
        import certifi

        found.load_verify_locations(certifi.where())
    return found

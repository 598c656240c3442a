# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads of files from other servers than the cluster, which see nothing that belongs to it."""

from __future__ import annotations

import contextlib
import re
import typing as t
import urllib.parse

from ..errors import Refusal
from ..options.connection import Connection
from .http_node import Address, pool_of_another

if t.TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, HTTPConnectionPool
    from urllib3.util import Url

_MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_TRY_AGAIN = (408, 425, 429, 500, 502, 503, 504)
_PORTS = {"http": 80, "https": 443}
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


class DownloadError(Exception):
    """A file that cannot be read; the text says why. ``transient``: a repetition may succeed."""

    def __init__(self, why: str, transient: bool = False) -> None:
        self.transient = transient
        super().__init__(why)


class Download:
    """An answer with the content of a file, or with its end from ``start`` on.

    ``size``: of the whole file, if the server says it. ``revision``: what the server calls this content, if anything.
    """

    def __init__(self, pool: HTTPConnectionPool, response: BaseHTTPResponse) -> None:
        self._pool = pool
        self._response = response
        headers = response.headers
        if headers.get("content-encoding", "identity") != "identity":
            raise DownloadError("the server sends it compressed, though the task asks for the file as it is")
        length = headers.get("content-length", "")
        self.start, self.size = 0, int(length) if length.isdecimal() else None
        if response.status == 206:
            self.start, self.size = _range(headers.get("content-range", ""))
        etag = headers.get("etag", "")
        self.revision = "" if etag.startswith("W/") else etag
        self.has_ranges = bool(self.revision) and headers.get("accept-ranges") == "bytes"

    def read(self, most: int) -> bytes:
        """Return the next bytes, *most* at most; none at the end.

        :raises DownloadError: the connection was lost.
        """
        with _as_download_error():
            return self._response.read(most)

    def close(self) -> None:
        self._response.close()
        self._pool.close()


def shown_address(url: str) -> str:
    """Return *url* without user and query, which may be secret."""
    return re.split("[?#]", re.sub("//[^/?#]*@", "//", url))[0]


def refuse_bad_url(option: str, url: str) -> None:
    """Refuse a URL that cannot be read, or with credentials in it."""
    parsed = _parsed(url)
    if parsed is None:
        hint = "Write it like https://artifacts.example.com/model.pt."
        raise Refusal("invalid_address", f"{option} '{shown_address(url)}' is not a URL", hint=hint)
    if parsed.auth:
        reason = f"The address {shown_address(url)} in {option} contains credentials"
        hint = "Use an address that needs none, such as a signed one, or a copy of the file."
        raise Refusal("credentials_in_url", reason, hint=hint)


def download(connection: Connection, url: str, timeout: float, start: int = 0, revision: str = "") -> Download:
    """Return the file at *url*, after redirects. *start*: the first byte that is needed, if the server has *revision*.

    *connection*: the proxy, and whom to trust.

    :raises DownloadError: there is no such answer.
    """
    headers = {"accept-encoding": "identity"}
    if start:
        headers |= {"range": f"bytes={start}-", "if-range": revision}
    for _redirect in range(_MOST_REDIRECTS + 1):
        found = _get(connection, url, headers, timeout)
        if isinstance(found, Download):
            return found
        url = found
    raise DownloadError(f"there are more than {_MOST_REDIRECTS} redirects")


def _get(connection: Connection, url: str, headers: dict[str, str], timeout: float) -> Download | str:
    """Return the answer of one server, or where it redirects to."""
    parsed = _parsed(url)
    if parsed is None:
        raise DownloadError("the server redirects to an invalid address")
    address = Address(str(parsed.scheme), str(parsed.host).strip("[]"), parsed.port or _PORTS[str(parsed.scheme)])
    with _as_download_error():
        pool, whole = pool_of_another(connection, address)
        target = f"{address}{parsed.request_uri}" if whole else parsed.request_uri
        options: dict[str, t.Any] = {"retries": False, "redirect": False, "preload_content": False}
        response = pool.urlopen("GET", target, headers=headers, timeout=timeout, decode_content=False, **options)
    try:
        if response.status in _REDIRECTS:
            return _redirected(url, response.headers.get("location", ""))
        if response.status not in (200, 206):
            raise DownloadError(*_refused(response.status))
        return Download(pool, response)
    finally:
        if response.status not in (200, 206):
            response.close()
            pool.close()


def _redirected(url: str, location: str) -> str:
    """Return the address that *url* redirects to."""
    try:
        found = urllib.parse.urljoin(url, location)
    except ValueError:
        found = ""
    if url.startswith("https:") and not found.startswith("https:"):
        raise DownloadError("the server redirects to an address without TLS")
    return found


def _refused(status: int) -> tuple[str, bool]:
    """Return why an answer with *status* has no file, and whether a repetition may help."""
    if status in (401, 403):
        return f"the server answered {status}: it wants credentials, and the task sends none to it", False
    if status in (404, 410):
        return f"the server answered {status}: there is no such file", False
    return f"the server answered {status}", status in _TRY_AGAIN


def _range(text: str) -> tuple[int, int]:
    match = _RANGE.fullmatch(text)
    if not match:
        raise DownloadError("the server sends a part of it without saying which")
    return int(match[1]), int(match[2])


def _parsed(url: str) -> Url | None:
    """Return the parts of an address, or ``None`` if it is none of HTTP."""
    from urllib3.exceptions import LocationParseError
    from urllib3.util import parse_url

    with contextlib.suppress(LocationParseError, ValueError):
        found = parse_url(url)
        if found.scheme in _PORTS and found.host:
            return found
    return None


@contextlib.contextmanager
def _as_download_error() -> t.Iterator[None]:
    """Let errors of the library be those of this module."""
    from urllib3.exceptions import HTTPError, SSLError

    try:
        yield
    except SSLError as exc:
        raise DownloadError(f"the TLS connection failed ({exc})") from exc
    except (HTTPError, OSError) as exc:
        raise DownloadError(f"the connection failed ({exc})", True) from exc

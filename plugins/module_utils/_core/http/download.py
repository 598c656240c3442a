# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads of files from other servers than the cluster, which see nothing that belongs to it."""

from __future__ import annotations

import contextlib
import email.utils
import re
import typing as t
import urllib.parse

from ..errors import Refusal
from ..options.connection import Connection
from .http_node import Address, pool_of_another
from .text import shorten

if t.TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse
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

    ``size``: of the whole file, if the server says it. ``revision``: the server's name or date of this content, if no
    other content has it.
    """

    def __init__(self, response: BaseHTTPResponse) -> None:
        self._response = response
        self.opened = contextlib.ExitStack()
        headers = response.headers
        if headers.get("content-encoding", "identity") != "identity":
            raise DownloadError("the server sends it compressed, though the task asks for the file as it is")
        length = headers.get("content-length", "")
        self.start, self.size = 0, int(length) if length.isdecimal() else None
        if response.status == 206:
            self.start, self.size = _range(headers.get("content-range", ""))
        self.revision = _revision(headers)

    def read(self, most: int) -> bytes:
        """Return the next bytes, *most* at most; none at the end, or where the connection was closed.

        :raises DownloadError: the connection was lost.
        """
        with _as_download_error():
            return self._response.read(most)

    def close(self) -> None:
        self.opened.close()


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
    with contextlib.ExitStack() as opened, _as_download_error():
        pool, whole = pool_of_another(connection, address)
        opened.callback(pool.close)
        target = f"{address}{parsed.request_uri}" if whole else parsed.request_uri
        response: t.Any = pool.request(
            "GET",
            target,
            headers=headers,
            timeout=timeout,
            retries=False,
            redirect=False,
            preload_content=False,
            decode_content=False,
            enforce_content_length=False,  # who reads knows how much has to come
        )
        opened.callback(response.close)
        if response.status in _REDIRECTS:
            return _redirected(url, response.headers.get("location", ""))
        if response.status not in (200, 206):
            raise DownloadError(*_refused(response.status))
        found = Download(response)
        found.opened = opened.pop_all()
        return found


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


def _revision(headers: t.Mapping[str, str]) -> str:
    """Return the server's name of this content, or its date; neither if other content may have it (RFC 9110 8.8)."""
    etag = headers.get("etag", "")
    if etag and not etag.startswith("W/"):
        return etag
    changed, now = (email.utils.parsedate(headers.get(name, "")) for name in ("last-modified", "date"))
    return headers["last-modified"] if changed and now and changed < now else ""


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
        raise DownloadError(f"the TLS connection failed ({shorten(str(exc), 200)})") from exc
    except (HTTPError, OSError) as exc:
        raise DownloadError(f"the connection failed ({_reason(exc)})", True) from exc


def _reason(exc: BaseException) -> str:
    """Return what the system says is wrong, or the library."""
    cause: BaseException | None = exc
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return shorten(str(exc), 200)

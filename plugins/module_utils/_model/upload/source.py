# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file that a definition comes from: on the machine where this code runs, or on a web server."""

from __future__ import annotations

import contextlib
import typing as t

from ..._core.errors import Refusal
from ..._core.options.connection import Connection
from ..._core.sizes import human_size
from .limits import Limits
from .local import LocalFile
from .remote import RemoteFile


class Source(t.Protocol):
    """A file that is read in order, with little memory. Its messages are for a person."""

    place: str
    """The path, or the address without what may be secret in it."""

    @property
    def size(self) -> int: ...

    @property
    def unproven_revision(self) -> str:
        """Return what a server calls this content, if parts are sent before all of it was compared with the checksum.

        Another revision may be another file: a model must not get parts of both. Empty if what is sent is known.
        """

    def checksum(self) -> str:
        """Return ``sha256:<hex>`` of the file: given, or read once and remembered."""

    def parts(self, part_size: int, numbers: t.Iterable[int]) -> t.Iterator[tuple[int, bytes]]:
        """Yield number and content of the parts *numbers*, in order; the content is what the checksum is of.

        :raises Refusal: the file has changed, is not what the checksum says, or cannot be read.
        """

    def unchanged(self) -> None:
        """Refuse a file that has changed since it was opened."""

    def close(self) -> None: ...


def is_url(place: str) -> bool:
    return place.lower().startswith(("http://", "https://"))


def open_source(
    place: str, connection: Connection, limits: Limits, checksum: str | None = None, option: str = "definition"
) -> Source:
    """Return the file at *place*, a path or a URL, which the option *option* names.

    *connection*: the proxy and the authorities to trust. Nothing else of it reaches another server. *checksum*: of a
    file behind a URL, so that it need not be read before it is sent.

    :raises Refusal: it cannot be read.
    """
    if is_url(place):
        return RemoteFile(option, place, connection, limits, checksum)
    return LocalFile(option, place)


def read_whole(place: str, connection: Connection, limits: Limits, option: str, most: int = 100 << 20) -> bytes:
    """Return the content of a small file, such as a configuration or a vocabulary.

    :raises Refusal: it cannot be read, or has more than *most* bytes.
    """
    with contextlib.closing(open_source(place, connection, limits, option=option)) as source:
        if source.size > most:
            reason = f"{option} {source.place} has {human_size(source.size)}, more than {human_size(most)}"
            raise Refusal("invalid_value", reason)
        return b"".join(content for _number, content in source.parts(max(1, source.size), range(min(1, source.size))))

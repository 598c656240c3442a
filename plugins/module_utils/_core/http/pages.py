# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads of lists that Elasticsearch answers in pages."""

from __future__ import annotations

import typing as t

from .client import Client
from .schema import Schema

PAGE = 1000


def read_pages(
    client: Client, what: str, path: str, rows: str, query: t.Mapping[str, str], *, schema: Schema, repeat: bool = True
) -> t.Iterator[dict[str, t.Any]]:
    """Yield the rows of all pages, which the key *rows* of each answer has.

    ``count``, ``size`` and ``from`` may count something else than rows.
    """
    start, total = 0, 1
    while start < total:
        page = {"from": str(start), "size": str(PAGE), **query}
        answer = client.read(what, path, page, repeat=repeat, schema=schema)
        found = answer.get(rows) or ()
        yield from found
        # A count that is never reached must not make this loop endless.
        start, total = start + PAGE, (answer.get("count") or 0) if found else 0

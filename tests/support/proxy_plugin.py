# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Extend the program proxy.py for the tests."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

from proxy.http.proxy import HttpProxyBasePlugin


class NotesHosts(HttpProxyBasePlugin):
    """A plugin that notes the requested hosts, and resolves names that no name server knows."""

    def before_upstream_connection(self, request: t.Any) -> t.Any:
        line = f"{request.method.decode()} {request.host.decode()}:{request.port}\n"
        with Path(os.environ["PROXY_SEEN_FILE"]).open("a") as file:
            file.write(line)
        return request

    def resolve_dns(self, host: str, port: int) -> tuple[str | None, tuple[str, int] | None]:
        return ("127.0.0.1" if host.endswith(".invalid") else None), None

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lead paths to handlers.

Source: server-behaviour.md 0: no route is a 400 with a mere text, a wrong method a 405 with ``Allow``. As in the
server's trie, a literal beats a placeholder, segment by segment, whatever methods are there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final

from ..state.versions import Features
from . import errors
from .call import Call, Reply, decode

if TYPE_CHECKING:
    from ..emulator import Emulator


@dataclasses.dataclass
class Prepared:
    """A handler's view of a request: the action that needs a privilege, validation's complaints, the work."""

    action: str
    run: Callable[[], Awaitable[Reply]]
    complaints: Sequence[str] = ()
    indices: Sequence[str] = ()
    """The indices of an action."""
    same_user: bool = False
    """Every authenticated user may do it, since it is about that user."""
    own_keys: bool = False
    """It is about the caller's own API keys, which takes a lesser privilege."""
    passes_blocks: bool = False
    """A change of settings that lifts a read-only block is not held back by it."""
    local: bool = False
    """The node that is asked answers, whether there is a master or not."""


Handler = Callable[["Emulator", Call], Prepared]


@dataclasses.dataclass(frozen=True)
class Route:
    """One method of one path; ``operation`` is the target of faults."""

    method: str
    template: str
    operation: str
    handler: Handler
    known: Callable[[Features], bool] = lambda version: True
    serverless: bool = True
    phantom: bool = False
    """A method that the server counts as allowed, but has no handler for."""

    @property
    def write(self) -> bool:
        """Return whether it may change something."""
        return self.method not in ("GET", "HEAD")


def split(path: str) -> list[str]:
    """Return the segments of a path, still encoded; slashes at the end do not count."""
    text = path[1:].rstrip("/")
    return text.split("/") if text else []


PLUGINS: Final = {
    "": "root",
    "_inference": "inference",
    "_license": "xpack",
    "_ml": "ml",
    "_security": "security",
    "_xpack": "xpack",
}
"""The part of the server that brings the routes which begin like this. The nodes that were recorded lack some."""


def plugin(route: Route) -> str:
    """Return the part of the server that brings a route; empty for what every node has."""
    parts = split(route.template)
    if not parts:
        return PLUGINS[""] if route.method in ("GET", "HEAD") else ""
    return PLUGINS.get(parts[0], "")


METHODS: Final = frozenset({"GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE", "CONNECT"})


class Router:
    """A fixed table of routes."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(routes)
        self.operations = frozenset(route.operation for route in routes)
        templates: dict[str, list[Route]] = {}
        for route in routes:
            templates.setdefault(route.template, []).append(route)
        self._by_length: dict[int, list[tuple[list[str], list[Route]]]] = {}
        for template, listed in templates.items():
            parts = split(template)
            self._by_length.setdefault(len(parts), []).append((parts, listed))
        for nodes in self._by_length.values():
            nodes.sort(key=lambda node: [part.startswith("{") for part in node[0]])

    def find(
        self, call: Call, version: Features, without: frozenset[str] = frozenset()
    ) -> tuple[Route | None, list[str]]:
        """Return the route of a call (its path parameters are filled in) or ``None``, and the methods the path has."""
        segments = split(call.path)
        for parts, listed in self._by_length.get(len(segments), ()):
            if not _matches(parts, segments):
                continue
            known = [each for each in listed if each.known(version) and not (without and plugin(each) in without)]
            if known:
                return _chosen(call, parts, segments, known), [route.method for route in known]
        return None, []


def _chosen(call: Call, parts: Sequence[str], segments: Sequence[str], known: Sequence[Route]) -> Route | None:
    route = next((each for each in known if each.method == call.method and not each.phantom), None)
    if route is not None:
        call.path_parameters = {
            part[1:-1]: decode(text, plus=False)
            for part, text in zip(parts, segments, strict=True)
            if part.startswith("{")
        }
    return route


def _matches(parts: Sequence[str], segments: Sequence[str]) -> bool:
    """Return whether the segments match; an empty one can be a name (recorded for an empty deployment id)."""
    return all(part.startswith("{") or part == segment for part, segment in zip(parts, segments, strict=True))


def refusal(call: Call, methods: Sequence[str]) -> Reply:
    """Return the answer to a path or method that is not there."""
    if not methods or call.method in methods:
        plain = errors.PlainError(
            400, f"no handler found for uri [{call.uri}] and method [{call.method}]", with_status=False
        )
        return Reply(plain.status, plain.body(), filterable=False)
    allow = [("Allow", ",".join(methods))]
    if call.method == "OPTIONS":
        return Reply(200, b"", allow, content_type="text/plain; charset=UTF-8")
    known = f"Incorrect HTTP method for uri [{call.uri}] and method [{call.method}]"
    what = known if call.method in METHODS else f"Unexpected http method: {call.method}"
    text = f"{what}, allowed: [{', '.join(methods)}]"
    return Reply(405, {"error": text, "status": 405}, allow, filterable=False)

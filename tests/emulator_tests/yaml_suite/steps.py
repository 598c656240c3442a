# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the steps of a test: requests, and what has to be true of the answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from emulator_tests.yaml_suite.requests import NoSuchApi, Requests, Response

STATUSES: Final = {
    "bad_request": (400,),
    "unauthorized": (401,),
    "forbidden": (403,),
    "missing": (404,),
    "request_timeout": (408,),
    "conflict": (409,),
    "unavailable": (503,),
    "request": tuple(range(400, 600)),
}
_BESIDES: Final = frozenset(
    {"catch", "headers", "warnings", "warnings_regex", "allowed_warnings", "allowed_warnings_regex", "node_selector"}
)
_ABSENT: Final = object()


class Failed(AssertionError):
    """A step that is not as it should be."""


class Steps:
    """Runs steps one after the other; remembers the last answer and what was set."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._last = Response(0, None)
        self._stash: dict[str, Any] = {}
        self._kinds: dict[str, Callable[[Any], None]] = {
            "do": self._do,
            "set": self._set,
            "match": self._each(_match),
            "contains": self._each(_contains),
            "length": self._each(_length),
            "close_to": self._each(_close_to),
            "gt": self._each(_compared("greater than", lambda found, desired: found > desired)),
            "gte": self._each(_compared("at least", lambda found, desired: found >= desired)),
            "lt": self._each(_compared("less than", lambda found, desired: found < desired)),
            "lte": self._each(_compared("at most", lambda found, desired: found <= desired)),
            "is_true": self._truth(True),
            "is_false": self._truth(False),
            "exists": self._exists,
            "not_exists": self._not_exists,
        }

    def run(self, step: Mapping[str, Any]) -> None:
        """Run one step; raise ``Failed``."""
        for kind, what in step.items():
            if kind in ("skip", "requires"):
                continue
            if kind not in self._kinds:
                raise Failed(f"this runner has no step [{kind}]")
            self._kinds[kind](what)

    # --- requests ---

    def _do(self, what: Mapping[str, Any]) -> None:
        calls = [key for key in what if key not in _BESIDES]
        if len(calls) != 1:
            raise Failed(f"one request is needed, not {calls}")
        (api,) = calls
        arguments = self._filled(what[api] or {})
        if isinstance(arguments.get("body"), str):
            arguments = {**arguments, "body": _parsed(arguments["body"])}
        catch = what.get("catch")
        try:
            self._last = self._requests.send(api, arguments, self._filled(what.get("headers", {})))
        except NoSuchApi as error:
            if catch == "param":
                return
            raise Failed(str(error)) from None
        ignored = arguments.get("ignore", [])
        ignored = ignored if isinstance(ignored, list) else [ignored]
        _check_status(api, self._last, self._filled(catch), [int(status) for status in ignored])
        _check_warnings(self._last.warnings, what)

    def _set(self, what: Mapping[str, Any]) -> None:
        for path, name in what.items():
            found = self._at(path)
            if found is _ABSENT:
                raise Failed(f"nothing at [{path}] to set")
            self._stash[name] = found

    # --- what has to be true ---

    def _each(self, check: Callable[[str, Any, Any], None]) -> Callable[[Any], None]:
        def checked(what: Mapping[str, Any]) -> None:
            for path, desired in what.items():
                found = self._at(path)
                check(path, None if found is _ABSENT else found, self._filled(desired))

        return checked

    def _truth(self, desired: bool) -> Callable[[Any], None]:
        def checked(path: Any) -> None:
            found = self._at(path)
            true = found is not _ABSENT and found is not None and str(found).lower() not in ("", "false", "0")
            if true != desired:
                shown = "nothing" if found is _ABSENT else repr(found)
                raise Failed(f"[{path}] is {shown}, which is {'not ' if desired else ''}true")

        return checked

    def _exists(self, path: Any) -> None:
        if self._at(path) is _ABSENT:
            raise Failed(f"[{path}] does not exist")

    def _not_exists(self, path: Any) -> None:
        if self._at(path) is not _ABSENT:
            raise Failed(f"[{path}] exists")

    # --- places and names ---

    def _at(self, path: Any) -> Any:
        found = self._last.body
        text = str(path)
        if text in ("", "$body"):
            return found
        for part in re.split(r"(?<!\\)\.", text.removeprefix("$body.")):
            key = str(self._filled(part.replace("\\.", ".")))
            if key == "_arbitrary_key_" and isinstance(found, dict) and found:
                # The key itself: a `set` keeps it for later paths.
                return next(iter(found))
            found = _below(found, key)
        return found

    def _filled(self, value: Any) -> Any:
        """Return a value with what was set in place of its names."""
        if isinstance(value, dict):
            return {self._filled(key): self._filled(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._filled(each) for each in value]
        if not isinstance(value, str) or "$" not in value:
            return value
        for name, meant in self._stash.items():
            if value in (f"${name}", f"${{{name}}}"):
                return meant
            value = value.replace(f"${{{name}}}", str(meant))
        return value


def _below(found: Any, key: str) -> Any:
    if isinstance(found, dict):
        return found.get(key, _ABSENT)
    if isinstance(found, list) and re.fullmatch(r"-?\d+", key) and -len(found) <= int(key) < len(found):
        return found[int(key)]
    return _ABSENT


def _parsed(body: str) -> Any:
    """Return a body of the test, which is JSON, or several lines of it."""
    try:
        return json.loads(body)
    except ValueError:
        pass
    try:
        return [json.loads(line) for line in body.splitlines() if line.strip()]
    except ValueError:
        raise Failed(f"the body is not JSON: {body[:80]}") from None


def _check_status(api: str, got: Response, catch: Any, ignored: list[int]) -> None:
    if catch is None:
        if got.status >= 400 and got.status not in ignored:
            raise Failed(f"{api}: {got.status} {got.text[:300]}")
        return
    if got.status < 400:
        raise Failed(f"{api}: {got.status}, but {catch} was to be caught")
    if catch in STATUSES:
        if got.status not in STATUSES[catch]:
            raise Failed(f"{api}: {got.status} is not {catch}: {got.text[:300]}")
    elif str(catch).startswith("/"):
        if not re.search(str(catch).strip()[1:-1], f"{got.status} {got.text}"):
            raise Failed(f"{api}: {got.status} {got.text[:300]} does not match {catch}")
    else:
        raise Failed(f"this runner cannot catch {catch}")


def _check_warnings(got: tuple[str, ...], what: Mapping[str, Any]) -> None:
    desired = what.get("warnings", [])
    patterns = what.get("warnings_regex", [])
    allowed = [*desired, *what.get("allowed_warnings", [])]
    allowed_patterns = [*patterns, *what.get("allowed_warnings_regex", [])]
    for text in desired:
        if text not in got:
            raise Failed(f"no warning [{text}] among {list(got)}")
    for pattern in patterns:
        if not any(re.search(pattern, text) for text in got):
            raise Failed(f"no warning matches [{pattern}] among {list(got)}")
    for text in got:
        if text not in allowed and not any(re.search(pattern, text) for pattern in allowed_patterns):
            raise Failed(f"unexpected warning [{text}]")


def _match(path: str, found: Any, desired: Any) -> None:
    if isinstance(desired, str) and len(text := desired.strip()) > 1 and text[0] == text[-1] == "/":
        if found is None or not re.search(text[1:-1], str(found), re.VERBOSE):
            raise Failed(f"[{path}] is {found!r}, which does not match {text}")
    elif not _same(found, desired):
        raise Failed(f"[{path}] is {found!r}, not {desired!r}")


def _same(found: Any, desired: Any) -> bool:
    """Return whether both are equal as JSON: true is not 1, but 1 is 1.0."""
    if isinstance(found, dict) and isinstance(desired, dict):
        return found.keys() == desired.keys() and all(_same(found[key], desired[key]) for key in found)
    if isinstance(found, list) and isinstance(desired, list):
        return len(found) == len(desired) and all(map(_same, found, desired))
    if isinstance(found, bool) or isinstance(desired, bool):
        return found is desired
    return bool(found == desired)


def _contains(path: str, found: Any, desired: Any) -> None:
    if isinstance(found, str) and isinstance(desired, str) and desired in found:
        return
    if isinstance(found, list):
        for each in found:
            if _same(each, desired):
                return
            if isinstance(each, dict) and isinstance(desired, dict) and _includes(each, desired):
                return
    raise Failed(f"[{path}] is {found!r}, which does not contain {desired!r}")


def _includes(found: dict[str, Any], desired: dict[str, Any]) -> bool:
    return all(key in found and _same(found[key], value) for key, value in desired.items())


def _length(path: str, found: Any, desired: Any) -> None:
    if not isinstance(found, (dict, list, str)) or len(found) != int(desired):
        raise Failed(f"the length of [{path}], {found!r}, is not {desired}")


def _close_to(path: str, found: Any, desired: Mapping[str, Any]) -> None:
    if not _number(found) or abs(found - desired["value"]) > desired["error"]:
        raise Failed(f"[{path}] is {found!r}, not within {desired['error']} of {desired['value']}")


def _compared(words: str, holds: Callable[[Any, Any], bool]) -> Callable[[str, Any, Any], None]:
    def checked(path: str, found: Any, desired: Any) -> None:
        if not (_number(found) and _number(desired) and holds(found, desired)):
            raise Failed(f"[{path}] is {found!r}, not {words} {desired!r}")

    return checked


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decide which tests a server and this runner are meant for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from emulator.state.versions import Triple, parse
from emulator_tests.yaml_suite.suites import Step, Suite

FEATURES: Final = frozenset(
    {
        "allowed_warnings",
        "allowed_warnings_regex",
        "arbitrary_key",
        "catch_unauthorized",
        "close_to",
        "contains",
        "default_shards",
        "headers",
        "node_selector",
        "stash_in_key",
        "stash_in_path",
        "stash_path_replace",
        "warnings",
        "warnings_regex",
        "xpack",
    }
)
_GATE: Final = re.compile(r"gte_v(\d+)\.(\d+)\.(\d+)")


def why_skipped(suite: Suite, steps: Iterable[Step], version: str, flavor: str) -> str | None:
    """Return why a test is not for this server or this runner; ``None`` if it is."""
    if not (suite.serverless if flavor == "serverless" else suite.stack):
        return f"not for {flavor}"
    for step in (*suite.setup, *steps):
        found = _skip(step.get("skip") or {}, version) or _requires(step.get("requires") or {}, version)
        if found:
            return found
    return None


def _skip(what: Mapping[str, Any], version: str) -> str | None:
    if "awaits_fix" in what:
        return f"awaits a fix: {what['awaits_fix']}"
    if "version" in what and _in_range(str(what["version"]), parse(version)):
        return f"version {what['version']}: {what.get('reason', '')}".strip(": ")
    have = [name for name in _listed(what.get("cluster_features")) if _has(name, version)]
    if have:
        return f"the cluster has {', '.join(have)}"
    return _lacking(what.get("features"))


def _requires(what: Mapping[str, Any], version: str) -> str | None:
    lack = [name for name in _listed(what.get("cluster_features")) if not _has(name, version)]
    if lack:
        return f"the cluster lacks {', '.join(lack)}"
    return _lacking(what.get("test_runner_features"))


def _lacking(features: Any) -> str | None:
    lack = [name for name in _listed(features) if name not in FEATURES]
    return f"this runner lacks {', '.join(lack)}" if lack else None


def _listed(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def _has(feature: str, version: str) -> bool:
    """Return whether a server has a feature; features other than versions are of the newest servers."""
    gate = _GATE.fullmatch(feature)
    return gate is None or parse(version) >= (int(gate[1]), int(gate[2]), int(gate[3]))


def _in_range(text: str, version: Triple) -> bool:
    """Return whether a version is in ``all``, or in ranges such as `` - 8.1.99, 8.5.0 - ``."""
    if text.strip() == "all":
        return True
    for each in text.split(","):
        first, dash, last = each.partition("-")
        low = _triple(first) or (0, 0, 0)
        high = (_triple(last) or (999, 0, 0)) if dash else low
        if low <= version <= high:
            return True
    return False


def _triple(text: str) -> Triple | None:
    numbers = [int(part) for part in re.findall(r"\d+", text)]
    if not numbers:
        return None
    major, minor, patch = (*numbers, 0, 0)[:3]
    return major, minor, patch

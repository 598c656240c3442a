# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Count, as a pytest plugin, the tests that passed and failed with each version of Elasticsearch.

The variable ``CLIENT_VERSION`` has the version of the client that must be installed, ``CLIENT_COUNTS`` the path for the
counts: a JSON object with ``all`` and each version of the server as keys, ``{"passed": n, "failed": n}`` as values.
"""

from __future__ import annotations

import collections
import json
import os
import typing as t
from pathlib import Path

import pytest

from support import emulated_versions

_counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)


def pytest_configure(config: pytest.Config) -> None:
    import elasticsearch

    found, expected = ".".join(map(str, elasticsearch.__version__)), os.environ["CLIENT_VERSION"]
    if found != expected:
        raise pytest.UsageError(f"elasticsearch {found} is installed, not {expected}")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    emulated_versions.VERSIONS.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> t.Generator[None, None, None]:
    try:
        return (yield)
    finally:
        # The report takes it from the process that ran the test to the one that counts.
        item.user_properties.append(("servers", sorted(emulated_versions.VERSIONS)))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or report.failed:
        servers = dict(report.user_properties).get("servers", ())
        for name in ("all", *t.cast("t.Iterable[str]", servers)):
            _counts[name][report.outcome] += 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput"):
        Path(os.environ["CLIENT_COUNTS"]).write_text(json.dumps(_counts), encoding="utf-8")

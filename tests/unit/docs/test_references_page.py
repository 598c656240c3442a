# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that the messages which the guide about consumers quotes are those of a task."""

from __future__ import annotations

import re
import typing as t

from support.documents import ROOT
from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
PAGE = (ROOT / "docs/docsite/rst/references.rst").read_text()
QUOTED = [" ".join(text.split()) for text in re.findall(r"::\n\n((?:    .*\n)+)", PAGE) if "Deployment '" in text]


def put(emulator: Emulator, path: str, body: Json) -> None:
    assert emulator.send({"method": "PUT", "path": path, "query": {}, "body": body}) == 200


def message(emulator: Emulator, deployment_id: str) -> str:
    return str(emulator.run(deployment_id=deployment_id, state="stopped")["msg"])


def test_consumers_are_named() -> None:
    with Emulator("9.5.3") as emulator:
        emulator.effect("start_deployment", model_id="m", deployment_id="sentiment-ingest")
        emulator.settle()
        settings = {"deployment_id": "sentiment-ingest"}
        put(
            emulator,
            "/_inference/sparse_embedding/reviews",
            {"service": "elasticsearch", "service_settings": settings},
        )
        for pipeline in ("enrich", "nightly"):
            put(
                emulator,
                f"/_ingest/pipeline/{pipeline}",
                {"processors": [{"inference": {"model_id": "sentiment-ingest"}}]},
            )
        assert message(emulator, "sentiment-ingest") == QUOTED[0]


def test_endpoints_that_cannot_be_read_are_said() -> None:
    with Emulator("8.16.0") as emulator:
        emulator.effect("start_deployment", model_id="m", deployment_id="reviews")
        emulator.settle()
        emulator.allow("manage_ml", "read_pipeline")
        assert message(emulator, "reviews") == QUOTED[1]

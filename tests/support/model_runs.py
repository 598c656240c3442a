# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Play the download of a model, and the answers that decide about one."""

from __future__ import annotations

import typing as t

from support.emulated_cluster import Emulator

Json = dict[str, t.Any]
ELSER, ELSER_X86, RERANK = ".elser_model_2", ".elser_model_2_linux-x86_64", ".rerank-v1"


class Slow(Emulator):
    """An emulator whose own time passes while the code under test sleeps."""

    def __init__(self, version: str = "9.5.3", **given: t.Any) -> None:
        super().__init__(version, **given)
        self.control("POST", "/clock", {"frozen": True})
        self.effect("set_download_time", seconds=20)

    def pass_time(self) -> None:
        self.control("POST", "/clock", {"advance": 5})
        super().pass_time()

    def answering(self, path: str, answer: Json | int) -> None:
        """Let reads of *path* get this answer, or status."""
        status, body = (200, answer) if isinstance(answer, dict) else (answer, {"error": "planted", "status": answer})
        self.fault("any_read", {"type": "answer", "status": status, "body": body}, times=-1, path=path)

    def failed_download(self) -> None:
        self.control("POST", "/models", {"model_id": RERANK, "fully_defined": False, "missing_parts": "all"})

    def put(self, path: str, body: Json | None = None) -> None:
        assert self.send({"method": "PUT", "path": path, "query": {}, "body": body}) == 200, path


def code(result: Json) -> str | None:
    """Return the code of the failure of a task."""
    return result["failure"] and str(result["failure"]["code"])

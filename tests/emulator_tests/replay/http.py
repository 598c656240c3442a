# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replay whole requests: answered as recorded, in status, headers and every byte that is not a mere circumstance."""

from __future__ import annotations

import gzip
import json
import re
from typing import Any, Final

from emulator.inprocess import InProcess
from emulator_tests.recordings import Row
from emulator_tests.replay import Outcome
from emulator_tests.replay.situation import DEPLOYMENT, SITUATIONS, sent_headers
from emulator_tests.replay.sockets import raw

NOT_COMPARED: Final = {
    # Follow from the body, which is compared; of HEAD, which has none, content-length is compared.
    "content-length",
    # How large an answer has to be to go out in chunks is the server's own business.
    "transfer-encoding",
    # Lost in the recording of compressed answers, of which the body is damaged, too.
    "content-encoding",
    # The recorded nodes sent no warnings at all (recorded-answers.md 1).
    "warning",
}
"""Headers that are not relevant, and why. All others are compared, with their values."""
_METHODS: Final = re.compile(r"(?<=allowed: \[)[A-Z, ]+(?=\])|^[A-Z]+(?:,[A-Z]+)*$")
_FRAMES: Final = re.compile(r"\\n\\t(?:at |\.\.\. )(?:[^\\\"]|\\[^n\"])*")
"""A stack trace is compared without its frames, which differ from build to build: the exceptions are left."""
_CIRCUMSTANCES: Final = (
    # The order of the two names is that of a hash map.
    (re.compile(r"\[Accept, Content-Type\]"), "[Content-Type, Accept]"),
    # The recorded secured node has an index of its own.
    (re.compile(r'(active(?:_primary)?_shards" ?: ?)1'), r"\g<1>0"),
    (re.compile(r'("(?:master_node|cluster_uuid)":")[^"]*'), r"\1somewhere"),
    # Made at random.
    (re.compile(r'(\{"id":")[^"]{20}(","name":"k1","api_key":")[^"]{22}(","encoded":")[^"]{60}"'), r"\1\2\3"),
    (re.compile(r'("(?:uid|issue_date|issue_date_in_millis)" : )("[^"]*"|\d+)'), r"\1"),
    # Identity and port of a node, time of day.
    (re.compile(r'("nodes":\{")[^"]+'), r"\1node"),
    (re.compile(r'("publish_address":"127.0.0.1:)\d+'), r"\1port"),
    (re.compile(r'"epoch":"\d+","timestamp":"[\d:]+"'), "now"),
    (re.compile(r"^\d+ \d\d:\d\d:\d\d "), "now "),
    (re.compile(r'("(?:shards|pri)":")1'), r"\g<1>0"),
)


def http(row: Row, version: str) -> Outcome:
    """Replay one request and its answer."""
    if "response" not in row.data:
        return raw(row, version)
    response = row.data["response"]
    status, headers, text = _send(SITUATIONS[row.node](row, version), row)
    recorded: list[Any] = [response["status"], _headers(response["headers"])]
    played: list[Any] = [status, _headers(headers)]
    if "gzip" in json.dumps(row.data["request"]["headers"]):
        # The recording keeps compressed bytes as text, which damages them.
        text = response["body"]
    if _stood_in(row):
        recorded.append(_parameters(response["body"]))
        played.append(_parameters(text))
    else:
        recorded.append(_circumstances_removed(response["body"]))
        played.append(_circumstances_removed(text))
    if row.data["request"]["method"] == "HEAD":
        recorded.append(dict(response["headers"]).get("content-length"))
        played.append(dict(headers).get("content-length"))
    return recorded, played


def _send(emulator: InProcess, row: Row) -> tuple[int, list[tuple[str, str]], str]:
    request = row.data["request"]
    body = request["body"]
    status, headers, raw = emulator.request(
        request["method"], request["path"], sent_headers(row), None if body is None else body.encode()
    )
    if any(name == "content-encoding" for name, _value in headers):
        raw = gzip.decompress(raw)
    return status, headers, raw.decode()


def _circumstances_removed(text: str) -> str:
    text = _FRAMES.sub("", text)
    for pattern, replacement in _CIRCUMSTANCES:
        text = pattern.sub(replacement, text)
    return _sorted_methods(text)


def _sorted_methods(text: str) -> str:
    """Sort several methods, whose order is that of a hash map, too: the recorded versions differ in it."""
    return _METHODS.sub(lambda match: ",".join(sorted(match[0].replace(" ", "").split(","))), text)


def _headers(pairs: list[Any]) -> list[tuple[str, str]]:
    return sorted((name.lower(), _sorted_methods(value)) for name, value in pairs if name.lower() not in NOT_COMPARED)


def _stood_in(row: Row) -> bool:
    """Return whether a stand-in answered: what it made up beyond the request is no evidence."""
    return row.data["response"]["status"] == 200 and DEPLOYMENT.match(row.data["request"]["path"]) is not None


def _parameters(text: str) -> Any:
    """Return what a stand-in's answer says about the request: the id, the number and the priority that it read."""
    try:
        body = json.loads(text)
    except ValueError:
        return "not JSON"
    found = body.get("assignment", {}).get("task_parameters", body)
    return {
        name: found[name] for name in ("deployment_id", "number_of_allocations", "priority", "stopped") if name in found
    }

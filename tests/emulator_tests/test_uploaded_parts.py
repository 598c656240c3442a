# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that parts of definitions pass quickly, with the answers of the general parser, and that none of them stays."""

from __future__ import annotations

import base64
import gzip
import json
import random
import zlib
from pathlib import Path
from typing import Any

import pytest

from emulator.inprocess import InProcess
from emulator.wire.sieve import Sieve
from emulator_tests.model_requests import EMBED, ML
from emulator_tests.process import running

JSON = {"Content-Type": "application/json"}
LONG = base64.b64encode(bytes(range(256)) * 40).decode()
NUMBERS = '"total_definition_length":20480,"total_parts":2'
BODIES = [
    f'{{"definition":"{LONG}",{NUMBERS}}}',
    f'{{{NUMBERS},"definition":"{LONG}"}}',
    f' {{\n "definition" :\t"{LONG}" ,\n {NUMBERS} }} and more',
    f'{{"definition":"",{NUMBERS}}}',
    f'{{"definition":"QQ==",{NUMBERS}}}',
    f'{{"definition":"QUI=",{NUMBERS}}}',
    f'{{"definition":"{LONG}QQ==",{NUMBERS}}}',
    # odd texts
    f'{{"definition":"{LONG}Q",{NUMBERS}}}',
    f'{{"definition":"{LONG}QQ",{NUMBERS}}}',
    f'{{"definition":"{LONG}Q===",{NUMBERS}}}',
    f'{{"definition":"{LONG}QQ==QQ==",{NUMBERS}}}',
    f'{{"definition":"{LONG}Q=Q=",{NUMBERS}}}',
    f'{{"definition":"{LONG}\\/\\/\\/\\/",{NUMBERS}}}',
    f'{{"definition":"{LONG}\\u0041AAA",{NUMBERS}}}',
    f'{{"definition":"{LONG}-_-_",{NUMBERS}}}',
    f'{{"definition":"{LONG}\nAAAA",{NUMBERS}}}',
    f'{{"definition":"{LONG}\\nAAAA",{NUMBERS}}}',
    f'{{"definition":"{LONG}\u00e4\u00e4",{NUMBERS}}}',
    f'{{"definition":"{LONG}',
    # odd rests
    f'{{"definition":"{LONG}"',
    f'{{"definition":"{LONG}",',
    f'{{"definition":"{LONG}","definition":"{LONG}",{NUMBERS}}}',
    f'{{"definition":"{LONG}","definitions":"{LONG}",{NUMBERS}}}',
    f'{{"definition":"{LONG}","total_definition_length":"x","total_parts":2}}',
    f'{{"definition":"{LONG}","total_definition_length":0,"total_parts":0}}',
    f'{{"x":{{"definition":"{LONG}"}},{NUMBERS}}}',
    f'{{"x":"\\"definition\\":\\"AAAA",{NUMBERS}}}',
    f'{{"":{" " * 5000}"", "definition":"{LONG}",{NUMBERS}}}',
    f'{{{" " * 5000}"definition":"{LONG}",{NUMBERS}}}',
    f'{{"definition":["{LONG}"],{NUMBERS}}}',
    f'{{"definition":null,{NUMBERS}}}',
    f'["definition":"{LONG}"]',
    "{}",
    "",
]  # fmt: skip


def _emulator() -> InProcess:
    emulator = InProcess(version="8.19.21")
    emulator.request("PUT", f"{ML}/new", JSON, json.dumps(EMBED).encode())
    return emulator


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_a_part_gets_the_answer_of_the_general_parser(body: str) -> None:
    """A compressed body goes through the general parser: the answer to the plain one is the same to the letter."""
    quick, general = _emulator(), _emulator()
    target = f"{ML}/new/definition/0"
    plain = quick.request("PUT", target, JSON, body.encode())
    packed = general.request("PUT", target, JSON | {"Content-Encoding": "gzip"}, gzip.compress(body.encode()))
    assert (plain[0], json.loads(plain[2])) == (packed[0], json.loads(packed[2]))
    sizes = [[part.bytes for part in each.cluster.models["new"].parts.values()] for each in (quick, general)]
    assert sizes[0] == sizes[1]
    assert len(sizes[0]) == (plain[0] == 200)


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_pieces_say_what_the_whole_says(body: str) -> None:
    draw, raw = random.Random(body), body.encode()
    whole = Sieve()
    whole.feed(raw)
    for _round in range(20):
        pieces, at = Sieve(), 0
        while at < len(raw):
            size = draw.choice((1, 3, 100, 5000, 20000))
            pieces.feed(raw[at : at + size])
            at += size
        for name in ("plain", "size", "body", "outline"):
            assert getattr(pieces, name) == getattr(whole, name) or not whole.plain, name
        assert (pieces.plain, pieces.crc32 if whole.plain else 0) == (whole.plain, whole.crc32 if whole.plain else 0)
        assert len(pieces.whole) == len(raw)


def test_what_stays_of_a_part_identifies_it() -> None:
    emulator = _emulator()
    content = [random.Random(number).randbytes(1000) for number in range(2)]
    for number, raw in enumerate(content):
        body = {"total_parts": 2, "total_definition_length": 2000, "definition": base64.b64encode(raw).decode()}
        assert emulator.request("PUT", f"{ML}/new/definition/{number}", JSON, json.dumps(body).encode())[0] == 200
    kept = {
        str(number): {"bytes": 1000, "crc32": zlib.crc32(base64.b64encode(raw))} for number, raw in enumerate(content)
    }
    assert emulator.control("GET", "/uploads") == {"new": {"total_parts": 2, "parts": kept}}


def test_the_journal_holds_lengths() -> None:
    emulator = _emulator()
    emulator.request("PUT", f"{ML}/new/definition/0", JSON, BODIES[0].encode())
    words = {"vocabulary": ["x" * 1000] * 2000}
    emulator.request("PUT", f"{ML}/new/vocabulary", JSON, (long := json.dumps(words).encode()))
    bodies: list[Any] = [entry["body"] for entry in emulator.control("GET", "/journal")][1:]
    shown = {"definition": f"<{len(LONG)} characters>", "total_definition_length": 20480, "total_parts": 2}
    assert bodies == [shown, f"<{len(long)} bytes>"]


@pytest.mark.parametrize(
    ("scores", "accepted"),
    [
        ("[0, -1.5, 1e3]", True),
        (f"[{'9' * 400}, 1e400, 0]", True),
        ('["0.5", 1, 2]', True),
        ("[\n 1,\t2 , 3\r\n]", True),
        ("[1, 2, 3,]", False),
        ("[1, 2, [3]]", False),
        ("[1, 2, null]", False),
        ("[1, 2, NaN]", False),
        ("[1, 2", False),
    ],
)
def test_long_lists_are_read_at_once_or_value_by_value(scores: str, accepted: bool) -> None:
    """Test that both ways end at the same place: the field behind the list is read as well."""
    emulator = _emulator()
    body = f'{{"vocabulary":["a", "\\u00e4", "\u00e4\\n"],"scores":{scores},"merges":["x y"]}}'
    answer = emulator.request("PUT", f"{ML}/new/vocabulary", JSON, body.encode())
    assert (answer[0] == 200) == accepted


def test_large_parts_need_no_memory() -> None:
    """Test two parts of 16 MB: the process does not grow by even one of them."""
    text = base64.b64encode(b"x" * (16 << 20)).decode()
    with running() as emulator:
        emulator.api("PUT", f"{ML}/new", EMBED)
        before = _peak(emulator.popen.pid)
        for number in range(2):
            part = {"definition": text, "total_definition_length": 32 << 20, "total_parts": 2}
            assert emulator.api("PUT", f"{ML}/new/definition/{number}", part)[0] == 200
        assert _peak(emulator.popen.pid) - before < 16 << 20


def _peak(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))

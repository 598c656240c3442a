# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure uploads of a sparse file to an emulator: megabytes a second, peak memory, and what a killed upload costs.

Usage: python tests/bench/upload.py [--bytes 5gb] [--rounds N] [--part-size 4mb] [--concurrency N] [--delay SECONDS]
       python tests/bench/upload.py --kills N [--bytes 64mb] [--longest SECONDS] [--seed N]

Each way to upload runs in a process of its own, and they take turns:

- ``bare``: a loop of the standard HTTP client over the same parts, without checksum, journal or check of an answer;
- ``collection``: the upload engine, with checksum, journal and several parts under way;
- ``eland``: the parts of 1 MB and the calls of ``PyTorchModel.put_model``; that class itself, if it can be imported.

With ``--delay`` each part takes that long at the emulator, as it does at a cluster that has to store it. With
``--kills`` the process of the collection is killed by SIGKILL at random moments until an upload gets through.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import http.client
import json
import math
import os
import random
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path
from urllib.parse import urlsplit

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))

import conftest  # noqa: E402, F401  (makes the collection importable)

Json = dict[str, t.Any]
WAYS = ("bare", "collection", "eland")
CONFIG = {"model_type": "pytorch", "input": {"field_names": ["text_field"]}, "inference_config": {"text_embedding": {}}}
MB = 1e6
ELAND_PART = 1 << 20


class Task(t.NamedTuple):
    """One upload. ``part_size`` and ``concurrency``: 0 for what the collection chooses."""

    way: str
    url: str
    model: str
    file: str
    part_size: int
    concurrency: int
    journal: str = ""


# --- the ways, each in its own process ---


def bare(task: Task) -> Json:
    from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.upload.parts import Parts

    parts = Parts.of(os.stat(task.file).st_size, task.part_size or None)
    address = urlsplit(task.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port)
    began = time.perf_counter()
    with open(task.file, "rb", buffering=0) as file:
        for number in range(parts.total):
            target = f"/_ml/trained_models/{task.model}/definition/{number}"
            body = parts.body(file.read(parts.part_size))
            connection.request("PUT", target, body, {"content-type": "application/json"})
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()[:200]
            answer.read()
    return {"seconds": time.perf_counter() - began, "parts": parts.total}


def collection(task: Task) -> Json:
    from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.http.client import Client, Request
    from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.connection import Connection
    from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.upload import journal, limits, send, source
    from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.upload.parts import Parts

    connection = Connection(hosts=(task.url,))
    began = time.perf_counter()
    file = source.open_source(task.file, connection, limits.Limits())
    parts = Parts.of(file.size, task.part_size or None)
    key = journal.JournalKey("cluster", task.model, 0, file.checksum(), parts.part_size)
    read = time.perf_counter()
    client = Client(connection)

    def put(number: int, content: bytes) -> None:
        request = Request("PUT", f"/_ml/trained_models/{task.model}/definition/{number}", {})
        client.write(f"send part {number}", request, content=parts.body(content))

    noted = journal.Journal.open(task.journal, key) if task.journal else None
    done = noted.acknowledged if noted else ()
    note = noted.note if noted else lambda part: None
    sent = send.send_parts(put, file, parts, done, task.concurrency or send.USUAL_CONCURRENCY, note)
    if noted:
        noted.remove()
    ended = time.perf_counter()
    return {"seconds": ended - began, "checksum": read - began, "parts": sent.parts, "there": sent.already_there}


def eland(task: Task) -> Json:
    import elasticsearch

    client = elasticsearch.Elasticsearch(task.url)
    began = time.perf_counter()
    try:
        from eland.ml.pytorch import PyTorchModel  # type: ignore[import-not-found]
    except ImportError:
        parts = _as_eland(client, task)
    else:
        PyTorchModel(client, task.model).put_model(task.file, ELAND_PART)
        parts = math.ceil(os.stat(task.file).st_size / ELAND_PART)
    return {"seconds": time.perf_counter() - began, "parts": parts}


def _as_eland(client: t.Any, task: Task) -> int:
    """Send the parts as eland does, which needs pandas and torch: one after another."""
    size = os.stat(task.file).st_size
    total = math.ceil(size / ELAND_PART)
    with open(task.file, "rb") as file:
        for part in range(total):
            client.ml.put_trained_model_definition_part(
                model_id=task.model,
                part=part,
                total_definition_length=size,
                total_parts=total,
                definition=base64.b64encode(file.read(ELAND_PART)).decode(),
            )
    return total


def cost() -> Json:
    """Return the most bytes that this process had in memory, and the seconds that a processor was busy with it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {"memory": used.ru_maxrss * 1024, "processor": used.ru_utime + used.ru_stime}


# --- what starts them ---


def start(task: Task) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--task", json.dumps(task)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def run(task: Task) -> Json:
    with start(task) as process:
        output, _errors = process.communicate()
    if process.returncode:
        raise SystemExit(f"{task.way} ended with {process.returncode}")
    return t.cast("Json", json.loads(output))


def compare(server: t.Any, file: Path, options: argparse.Namespace) -> None:
    """Let the ways take turns, and print a table."""
    found: dict[str, list[Json]] = {way: [] for way in options.ways}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            for way in options.ways:
                with model(server, f"{way}-{number}") as name:
                    journal = f"{folder}/{name}" if way == "collection" else ""
                    task = Task(
                        way, server.first["url"], name, str(file), options.part_size, options.concurrency, journal
                    )
                    found[way].append(run(task))
    size, slowest = file.stat().st_size, _median(found[options.ways[-1]], "seconds")
    print(f"| {_mb(size)} | parts | seconds | MB/s | times {options.ways[-1]} | processor | peak memory |")
    print("|---|---|---|---|---|---|---|")
    for way, runs in found.items():
        seconds, memory = _median(runs, "seconds"), _median(runs, "memory")
        speed = f"{size / MB / seconds:.0f}"
        busy = f"{_median(runs, 'processor'):.1f} s | {_mb(memory)}"
        print(f"| {way} | {runs[0]['parts']} | {seconds:.1f} | {speed} | {slowest / seconds:.2f} | {busy} |")
    if "collection" in found:
        print(
            f"\nOf the collection's time, {_median(found['collection'], 'checksum'):.1f} s are for the checksum before."
        )


def kill(server: t.Any, file: Path, options: argparse.Namespace, journal: bool) -> None:
    """Kill an upload at random moments until it gets through, and print what was sent twice."""
    draws, again, kills, runs = random.Random(options.seed), 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        while kills < options.kills:
            with model(server, f"killed-{runs}") as name:
                server.control("DELETE", "/journal")
                path = f"{folder}/{name}" if journal else ""
                task = Task(
                    "collection", server.first["url"], name, str(file), options.part_size, options.concurrency, path
                )
                kills += _until_complete(server, task, draws, options.longest)
                sent = server.control("GET", "/journal")
                parts = [each["path"].rpartition("/")[2] for each in sent if "/definition/" in each["path"]]
                again += len(parts) - len(set(parts))
                runs += 1
    size = file.stat().st_size
    from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.upload.parts import Parts

    each = Parts.of(size, options.part_size or None).part_size
    way = "with a journal" if journal else "without a journal"
    share = again * each / (runs * size)
    print(f"{runs} uploads of {_mb(size)} {way}, killed {kills} times: {_mb(again * each)} sent again ({share:.1%})")


def _until_complete(server: t.Any, task: Task, draws: random.Random, longest: float) -> int:
    """Return how often the upload was killed before it was complete. As in the module, nothing is sent after that."""
    kills = 0
    while not _is_complete(server, task.model):
        with start(task) as process:
            try:
                # Longer and longer, because without a journal each run begins again.
                process.wait(draws.uniform(0.2, longest * 1.1**kills))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
            process.wait()
        assert process.returncode in (0, -signal.SIGKILL), process.returncode
        kills += process.returncode != 0
    return kills


def _is_complete(server: t.Any, name: str) -> bool:
    shown = json.loads(server.api("GET", f"/_ml/trained_models/{name}?include=definition_status")[2])
    return bool(shown["trained_model_configs"][0]["fully_defined"])


@contextlib.contextmanager
def model(server: t.Any, name: str) -> t.Iterator[str]:
    """Create a model without a definition; delete it afterwards."""
    status, _headers, raw = server.api("PUT", f"/_ml/trained_models/{name}", CONFIG)
    assert status == 200, raw
    yield name
    server.api("DELETE", f"/_ml/trained_models/{name}")


def delay(server: t.Any, seconds: float) -> None:
    """Let each part take some time."""
    fault = {"path": "/_ml/trained_models/*/definition/*", "times": 10**9, "do": {"type": "delay", "seconds": seconds}}
    server.control("POST", "/faults", fault)


def sparse(folder: str, size: int) -> Path:
    path = Path(folder) / "model.pt"
    with path.open("wb") as file:
        file.truncate(size)
    return path


def _median(runs: t.Sequence[Json], name: str) -> float:
    return float(statistics.median(run[name] for run in runs))


def _mb(size: float) -> str:
    return f"{size / MB:.0f} MB"


def _size(text: str) -> int:
    from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.sizes import parse_size

    return parse_size(text) or 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bytes", type=_size, default="5gb")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--ways", nargs="*", default=WAYS, choices=WAYS)
    parser.add_argument("--part-size", type=_size, default="0")
    parser.add_argument("--concurrency", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds that each part takes at the emulator")
    parser.add_argument("--kills", type=int, default=0, help="kill the collection's upload so often, with and without")
    parser.add_argument("--longest", type=float, default=2.0, help="seconds before a kill, at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--task", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    options = _options()
    if options.task:
        task = Task(*json.loads(options.task))
        found = globals()[task.way](task)
        print(json.dumps({**found, **cost()}))
        return
    from emulator_tests.process import running

    with tempfile.TemporaryDirectory() as folder, running() as server:
        file = sparse(folder, options.bytes)
        if options.delay:
            delay(server, options.delay)
        if options.kills:
            for journal in (True, False):
                kill(server, file, options, journal)
        else:
            compare(server, file, options)


if __name__ == "__main__":
    main()

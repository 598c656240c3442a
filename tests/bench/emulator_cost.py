# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure the emulator: requests a second, the time of a large answer, start-up, memory.

Usage: python tests/bench/emulator_cost.py [--requests N] [--large N] [--starts N] [--json FILE]

The emulator runs on one core, the load on another. The load is a plain socket that is kept alive; how fast that is
itself is measured first, against a server that only sends a constant. Other work on the machine disturbs what a clock
measures, so requests per second of processor time stand beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))

from emulator_tests.process import Process, launch, running  # noqa: E402

Json = dict[str, Any]
BINS = (0.5, 1, 2, 5, 10, 20, 35, 50, 100)
LARGE = 100
HOST = "127.0.0.1"


def cores() -> tuple[int, int] | None:
    """Return a core for the emulator and one for the load, if there are two and processes can be bound to them."""
    found = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return (found[0], found[1]) if len(found) > 1 else None


def bind(pid: int, core: int | None) -> None:
    if core is not None:
        os.sched_setaffinity(pid, {core})


# --- the load ---


def load(port: int, target: str, count: int) -> list[float]:
    """Send requests one after the other on one connection, and return the seconds of each."""
    request = f"GET {target} HTTP/1.1\r\nhost: {HOST}\r\naccept: application/json\r\n\r\n".encode()
    took = []
    with socket.create_connection((HOST, port)) as found:
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _request in range(count):
            began = time.perf_counter()
            found.sendall(request)
            answer = _answer(found)
            took.append(time.perf_counter() - began)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"{target}: {answer[:500]!r}")
    return took


def _answer(found: socket.socket) -> bytes:
    raw = found.recv(1 << 20)
    end = raw.index(b"\r\n\r\n") + 4
    at = raw.lower().index(b"content-length:", 0, end) + 15
    left = end + int(raw[at : raw.index(b"\r", at)]) - len(raw)
    while left > 0:
        more = found.recv(1 << 20)
        raw += more
        left -= len(more)
    return raw


def _loaded(port: int, target: str, count: int, core: int | None, answers: Any) -> None:
    bind(0, core)
    answers.put(load(port, target, count))


def apart(port: int, target: str, count: int, core: int | None) -> list[float]:
    """Run the load in a process of its own."""
    context = multiprocessing.get_context("spawn")
    answers = context.SimpleQueue()
    worker = context.Process(target=_loaded, args=(port, target, count, core, answers), daemon=True)
    worker.start()
    while worker.is_alive() and answers.empty():
        time.sleep(0.01)
    if answers.empty():
        raise SystemExit("the load failed")
    took: list[float] = answers.get()
    worker.join()
    return took


def _constant(port_to: Any, core: int | None) -> None:
    """Serve the same answer to every request."""
    bind(0, core)
    body = b"x" * 1000
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    with socket.create_server((HOST, 0)) as server:
        port_to.put(server.getsockname()[1])
        found, _address = server.accept()
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while found.recv(1 << 16):
            found.sendall(answer)


def ceiling(count: int, pair: tuple[int, int] | None) -> float:
    """Return the requests a second of the load alone."""
    context = multiprocessing.get_context("spawn")
    port = context.SimpleQueue()
    server = context.Process(target=_constant, args=(port, pair[0] if pair else None), daemon=True)
    server.start()
    took = apart(port.get(), "/", count, pair[1] if pair else None)
    server.join()
    return count / sum(took)


# --- the emulator ---


def processor_seconds(pid: int) -> float:
    """Return the user and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> Json:
    """Return the resident memory and the proportional share, in megabytes."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return {name: round(sizes[name.capitalize()] / 1024, 1) for name in ("rss", "pss")}


@contextlib.contextmanager
def bound(*options: str, core: int | None) -> Iterator[Process]:
    with running(*options) as emulator:
        bind(emulator.popen.pid, core)
        yield emulator


def port(emulator: Process) -> int:
    return int(urlsplit(emulator.first["url"]).port or 0)


def one_deployment(count: int, pair: tuple[int, int] | None) -> Json:
    with bound("--model", "m=1000", core=pair[0] if pair else None) as emulator:
        pid = emulator.popen.pid
        emulator.api("POST", "/_ml/trained_models/m/deployment/_start")
        idle = memory(pid)
        target, core = "/_ml/trained_models/m/_stats", pair[1] if pair else None
        apart(port(emulator), target, max(1, count // 10), core)
        before = processor_seconds(pid)
        took = apart(port(emulator), target, count, core)
        used = processor_seconds(pid) - before
        return {
            "requests": count,
            "per_second": round(count / sum(took)),
            "per_processor_second": round(count / used) if used else None,
            "histogram_ms": histogram(took),
            "memory_mb": {"idle": idle, "loaded": memory(pid)},
            **quantiles(took),
        }


def many_deployments(count: int, deployments: int, pair: tuple[int, int] | None) -> Json:
    nodes = [part for zone in "abcd" for part in ("--node", f"n{zone}=200,200gb,{zone}")]
    with bound(*nodes, "--model", "m=1000", "--clock", "manual", core=pair[0] if pair else None) as emulator:
        for number in range(deployments):
            emulator.control(
                "POST",
                "/effects",
                {"do": "start_deployment", "model_id": "m", "deployment_id": f"d{number}", "number_of_allocations": 4},
            )
        emulator.control("POST", "/settle")
        target = "/_ml/trained_models/_stats?size=1000"
        rows = json.loads(emulator.api("GET", target)[2])["trained_model_stats"]
        before = processor_seconds(emulator.popen.pid)
        took = apart(port(emulator), target, count, pair[1] if pair else None)
        used = processor_seconds(emulator.popen.pid) - before
        return {
            "requests": count,
            "processor_ms": round(1000 * used / count, 3),
            "deployments": len(rows),
            "nodes": sum(len(row["deployment_stats"]["nodes"]) for row in rows) / len(rows),
            "memory_mb": {"loaded": memory(emulator.popen.pid)},
            **quantiles(took),
        }


def start_up(count: int) -> Json:
    """Measure the seconds until the first line of output."""
    took, used = [], []
    for _start in range(count):
        began = time.perf_counter()
        popen = launch("--model", "m=1000")
        with popen:
            assert popen.stdout is not None
            assert popen.stdout.readline(), "the emulator did not start"
            took.append(time.perf_counter() - began)
            used.append(processor_seconds(popen.pid))
            popen.terminate()
    return {
        "starts": count,
        "median_s": round(statistics.median(took), 3),
        "fastest_s": round(min(took), 3),
        "slowest_s": round(max(took), 3),
        "processor_s": round(statistics.median(used), 3),
        "imports": modules(),
    }


def modules() -> int:
    """Return the number of Python modules that a serving emulator has loaded."""
    code = "import sys, emulator.server, emulator.emulator, uvloop; print(len(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=TESTS, capture_output=True, text=True, check=True)
    return int(done.stdout)


# --- the report ---


def quantiles(took: list[float]) -> Json:
    ordered = sorted(took)
    return {
        "median_ms": round(1000 * statistics.median(ordered), 3),
        "p99_ms": round(1000 * ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)], 3),
        "slowest_ms": round(1000 * ordered[-1], 3),
    }


def histogram(took: list[float]) -> dict[str, int]:
    """Count requests by milliseconds. An answer that waits for a delayed acknowledgement shows at 40."""
    found = {f"< {edge:g}": 0 for edge in BINS} | {f">= {BINS[-1]:g}": 0}
    for seconds in took:
        name = next((f"< {edge:g}" for edge in BINS if seconds * 1000 < edge), f">= {BINS[-1]:g}")
        found[name] += 1
    return found


def table(found: Json) -> str:
    one, many, begin = found["one_deployment"], found["many_deployments"], found["start_up"]
    sizes = {**one["memory_mb"], "many deployments": many["memory_mb"]["loaded"]}
    lines = [
        f"the load alone               {found['load_per_second']:8.0f} requests/s",
        f"_stats of one deployment     {one['per_second']:8} requests/s    goal 1500",
        f"  by processor time          {one['per_processor_second'] or 0:8} requests/s",
        f"  median, p99, slowest       {one['median_ms']:8} {one['p99_ms']} {one['slowest_ms']} ms",
        f"_stats of {many['deployments']} x {many['nodes']:g} nodes    {many['median_ms']:8} ms median   goal 15",
        f"  p99, slowest               {many['p99_ms']:8} {many['slowest_ms']} ms",
        f"  by processor time          {many['processor_ms']:8} ms",
        f"start-up to the first line   {begin['median_s']:8} s median    goal 0.6",
        f"  fastest, slowest           {begin['fastest_s']:8} {begin['slowest_s']} s",
        f"  by processor time          {begin['processor_s']:8} s, {begin['imports']} modules",
        *(f"memory, {name:20} {size['rss']:8} MB resident, {size['pss']} its share" for name, size in sizes.items()),
        "milliseconds a request: "
        + ", ".join(f"{name}: {count}" for name, count in one["histogram_ms"].items() if count),
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=20_000, help="counted requests to one deployment")
    parser.add_argument("--large", type=int, default=300, help="counted requests to many deployments")
    parser.add_argument("--deployments", type=int, default=LARGE, help="how many deployments that is")
    parser.add_argument("--starts", type=int, default=11, help="counted starts")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    options = parser.parse_args()
    pair = cores()
    found: Json = {
        "bound_to_cores": pair,
        "load_per_second": round(ceiling(options.requests, pair)),
        "one_deployment": one_deployment(options.requests, pair),
        "many_deployments": many_deployments(options.large, options.deployments, pair),
        "start_up": start_up(options.starts),
    }
    print(table(found))
    text = json.dumps(found)
    print(text)
    if options.json:
        options.json.write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure tasks side by side in one run, on emulators of Elasticsearch.

Usage: python tests/bench/run.py [--small] [--only SCENE]... [--json FILE] [--plots FOLDER] [--page FILE]

The ways of a scene take turns, so that a machine that is slow for a while is slow for all of them. Figures are medians
of whole ``ansible-playbook`` processes, and ratios to the first way of the scene.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))

import conftest  # noqa: E402  (makes the collection importable)
from bench.playbook import Json, Sample, measure  # noqa: E402
from bench.scenes import SMALL, Scene, Sizes, scenes  # noqa: E402
from support.emulator_process import Emulator, emulator  # noqa: E402

CLUSTER = ("--node", "n1=1000,1000gb", "--model", "m=1048576", "--interval", "0.01")


def bring_up(server: Emulator, number: int) -> None:
    """Start deployments on the emulator, by its control port."""
    for each in range(number):
        body = {"do": "start_deployment", "model_id": "m", "deployment_id": f"d{each}"}
        server.control("POST", "/effects", body)
    server.control("POST", "/settle")


def played(scene: Scene, runs: int, folder: Path) -> dict[str, list[Sample]]:
    """Play the scene, and return the samples of each way."""
    found: dict[str, list[Sample]] = {}
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(emulator(*CLUSTER, *scene.options)) for _each in range(scene.servers)]
        for server in servers:
            bring_up(server, scene.running)
        (folder / "result.json").write_text(json.dumps(_result(servers[0], scene.running)), encoding="utf-8")
        for run in range(runs + 1):
            for way in scene.ways(run):
                for server in servers:
                    scene.prepare(server)
                sample = measure(folder, way, scene.hosts, scene.forks, servers)
                if run:
                    found.setdefault(way.name, []).append(sample)
    return found


def _result(server: Emulator, number: int) -> Json:
    """Return the result of the fleet task on a cluster that it does not change."""
    from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

    from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options.fleet import SPEC
    from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.run_fleet import run
    from bench.scenes import desired

    given = {"hosts": [server.url], "deployments": desired(number)}
    params = ArgumentSpecValidator(**SPEC.to_kwargs()).validate(given).validated_parameters
    return run(params, False).result


def summary(samples: t.Sequence[Sample]) -> Json:
    seconds = [sample.seconds for sample in samples]
    return {
        "seconds": round(statistics.median(seconds), 3),
        "fastest": round(min(seconds), 3),
        "slowest": round(max(seconds), 3),
        "peak_mb": round(max(sample.peak_mb for sample in samples), 1),
        "requests": samples[-1].requests,
        "received_kb": round(samples[-1].received_kb, 1),
    }


def table(scene: Scene, ways: dict[str, Json]) -> str:
    """Return the figures of a scene as text."""
    first = next(iter(ways.values()))["seconds"]
    head = f"  {'':32} {'median':>8} {'ratio':>7} {'range':>15} {'memory':>9} {'requests':>9} {'received':>10}"
    lines = [f"{scene.title}", head]
    for name, each in ways.items():
        span = f"{each['fastest']:.2f}-{each['slowest']:.2f} s"
        lines.append(
            f"  {name:32} {each['seconds']:6.2f} s {each['seconds'] / first:6.1f}x {span:>15} "
            f"{each['peak_mb']:6.0f} MB {each['requests']:9} {each['received_kb']:7.0f} kB"
        )
    return "\n".join(lines)


def capacity(requests: int = 2000) -> float:
    """Return the requests a second that one emulator answers, to show that it does not limit the tasks."""
    from bench.emulator_cost import load

    with emulator(*CLUSTER) as server:
        bring_up(server, 1)
        took = load(int(server.url.rpartition(":")[2]), "/_ml/trained_models/d0/_stats", requests)
    return 1 / statistics.median(took)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, help="counted runs of each way, after one to warm up")
    parser.add_argument("--small", action="store_true", help="tiny numbers, to see that it works")
    parser.add_argument("--only", action="append", metavar="SCENE", help="this scene; may be repeated")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--plots", type=Path, help="the folder for plots as SVG; needs matplotlib")
    parser.add_argument("--page", type=Path, help="the page to write the figures into; needs --plots")
    options = parser.parse_args()
    sizes = SMALL if options.small else Sizes()
    if options.runs:
        sizes = dataclasses.replace(sizes, runs=options.runs)
    report: Json = {"python": sys.version.split()[0], "ansible": _ansible(), "requests_per_second": round(capacity())}
    print(f"one emulator answers {report['requests_per_second']} requests a second", flush=True)
    report["scenes"] = {}
    with tempfile.TemporaryDirectory() as name:
        for scene in scenes(sizes):
            if options.only and scene.name not in options.only:
                continue
            samples = played(scene, scene.runs or sizes.runs, Path(name))
            ways = {way: summary(each) for way, each in samples.items()}
            report["scenes"][scene.name] = {"title": scene.title, "ways": ways}
            print("\n" + table(scene, ways), flush=True)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if options.plots:
        from bench.plots import draw

        draw(report, options.plots)
    if options.page:
        from bench.page import write

        write(report, options.page, options.plots)
    return 0


def _ansible() -> str:
    shown = subprocess.run(
        [str(Path(sys.executable).parent / "ansible-playbook"), "--version"], capture_output=True, text=True, check=True
    )
    return shown.stdout.split("[core ")[-1].partition("]")[0]


if __name__ == "__main__":
    assert conftest.TREE.exists()
    sys.exit(main())

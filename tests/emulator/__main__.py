# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m emulator``: see README.md."""

from __future__ import annotations

import argparse
import os
import sys

from . import NEWEST
from .state.clock import DEFAULT_INTERVAL
from .state.cluster import Config
from .state.nodes import Node, parse_node
from .state.versions import features
from .wire.router import PLUGINS
from .wire.values import parse_bytes

_MODEL_BYTES = 100 << 20


def _model(text: str) -> tuple[str, int]:
    model_id, _equals, size = text.partition("=")
    if not size:
        return model_id, _MODEL_BYTES
    return model_id, int(size) if size.isdigit() else parse_bytes(size, "model").bytes


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m emulator", description="A stand-in for Elasticsearch's trained-model deployment APIs."
    )
    parser.add_argument("--port", type=int, default=0, help="port of the API; 0 takes a free one")
    parser.add_argument("--control-port", type=int, default=0, help="port of the control API; 0 takes a free one")
    parser.add_argument("--version", default=NEWEST, help="the Elasticsearch version to play (default: %(default)s)")
    parser.add_argument("--flavor", choices=("default", "serverless"), default="default")
    parser.add_argument(
        "--node",
        action="append",
        type=parse_node,
        metavar="NAME=PROCESSORS,MEMORY[,ZONE]",
        help="an ML node; may be repeated",
    )
    parser.add_argument(
        "--model", action="append", type=_model, metavar="ID[=BYTES]", help="a complete PyTorch model; may be repeated"
    )
    parser.add_argument(
        "--clock",
        choices=("auto", "manual", "eager"),
        default="auto",
        help="when nodes catch up (default: %(default)s)",
    )
    parser.add_argument(
        "--interval", type=float, default=DEFAULT_INTERVAL, help="seconds between rounds of the automatic clock"
    )
    parser.add_argument(
        "--without",
        action="append",
        choices=sorted(set(PLUGINS.values())),
        help="a part of the server that the nodes lack; may be repeated",
    )
    parser.add_argument(
        "--scaler-interval",
        type=float,
        default=Config.scaler_interval,
        help="seconds between looks of the adaptive allocations scaler; 0 is never (default: %(default)s)",
    )
    parser.add_argument("--parent-pid", type=int, help="end when this process is not the parent any more")
    return parser.parse_args(argv)


def config(options: argparse.Namespace) -> Config:
    """The cluster to begin with."""
    features(options.version)
    nodes = tuple(options.node) if options.node else (Node("n1"), Node("n2"))
    without = frozenset(options.without or ())
    return Config(
        options.version,
        options.flavor,
        nodes,
        tuple(options.model or ()),
        without,
        scaler_interval=options.scaler_interval,
    )


def main() -> int:
    """Runs until it is told to end."""
    options = arguments()
    try:
        begin = config(options)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    # Late: the libraries take most of the start-up time, and a wrong option should not wait for them.
    import uvloop

    from .double import Double
    from .server import serve

    uvloop.run(
        serve(Double(begin, options.clock, options.interval), options.port, options.control_port, options.parent_pid)
    )
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)

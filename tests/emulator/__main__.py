# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ``python -m emulator``: see README.md."""

from __future__ import annotations

import argparse
import math
import os
import sys
from typing import TYPE_CHECKING

from . import NEWEST
from .security import CLIENT_CERTIFICATES, TLS, NoTls
from .state import licence
from .state.clock import DEFAULT_INTERVAL
from .state.cluster import Config
from .state.nodes import memory_bytes, parse_node
from .state.versions import features
from .wire.router import PLUGINS

if TYPE_CHECKING:
    from .security.tls import Tls

_MODEL_BYTES = 100 << 20
_NODES = ("n1=8,16gb", "n2=8,16gb")


def _model(text: str) -> tuple[str, int]:
    model_id, _equals, size = text.partition("=")
    if not model_id:
        raise ValueError
    if not size:
        return model_id, _MODEL_BYTES
    return model_id, memory_bytes(int(size) if size.isdigit() else size)


def _seconds(text: str) -> float:
    found = float(text)
    if not (math.isfinite(found) and found >= 0):
        raise ValueError
    return found


def _interval(text: str) -> float:
    if not (found := _seconds(text)):
        raise ValueError
    return found


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(
        prog="python -m emulator", description="A stand-in for Elasticsearch's trained-model deployment APIs."
    )
    found.add_argument("--port", type=int, default=0, help="port of the API; 0 takes a free one")
    found.add_argument("--control-port", type=int, default=0, help="port of the control API; 0 takes a free one")
    found.add_argument("--version", default=NEWEST, help="the Elasticsearch version to play (default: %(default)s)")
    found.add_argument("--flavor", choices=("default", "serverless"), default="default")
    found.add_argument(
        "--node",
        action="append",
        type=parse_node,
        metavar="NAME=PROCESSORS,MEMORY[,ZONE]",
        help="an ML node; may be repeated",
    )
    found.add_argument(
        "--model", action="append", type=_model, metavar="ID[=BYTES]", help="a complete PyTorch model; may be repeated"
    )
    found.add_argument(
        "--clock",
        choices=("auto", "manual", "eager"),
        default="auto",
        help="when nodes catch up (default: %(default)s)",
    )
    found.add_argument(
        "--interval", type=_interval, default=DEFAULT_INTERVAL, help="seconds between rounds of the automatic clock"
    )
    found.add_argument(
        "--load-time",
        type=float,
        default=Config.load_time,
        metavar="SECONDS",
        help="how long a node takes to load a model; for the clock auto (default: the next round)",
    )
    found.add_argument(
        "--without",
        action="append",
        choices=sorted(set(PLUGINS.values())),
        help="a part of the server that the nodes lack; may be repeated",
    )
    found.add_argument(
        "--scaler-interval",
        type=_seconds,
        default=Config.scaler_interval,
        help="seconds between looks of the adaptive allocations scaler; 0 is never (default: %(default)s)",
    )
    found.add_argument("--security", metavar="FILE", help="users, roles, keys, tokens: security is on")
    found.add_argument("--tls", nargs="?", const="valid", choices=TLS, help="HTTPS with certificates made for the run")
    found.add_argument("--client-certificates", choices=CLIENT_CERTIFICATES, help="whether clients have certificates")
    found.add_argument("--with-lang-ident", action="store_true", help="list lang_ident_model_1, as real clusters do")
    found.add_argument("--license", choices=licence.CHOICES, default=licence.DEFAULT, help="default: %(default)s")
    found.add_argument("--parent-pid", type=int, help="end when this process is not the parent any more")
    return found


def config(options: argparse.Namespace) -> Config:
    """Return the cluster to begin with."""
    version = features(options.version)
    nodes = tuple(options.node or map(parse_node, _NODES))
    names = [node.name for node in nodes]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two nodes are called {', '.join(twice)}")
    models, without = tuple(options.model or ()), frozenset(options.without or ())
    security = None
    if options.security is not None:
        from .security.file import load

        security = load(options.security, version)
    return Config(
        options.version,
        options.flavor,
        nodes,
        models,
        without,
        security=security,
        license=options.license,
        scaler_interval=options.scaler_interval,
        load_time=options.load_time,
        lang_ident=options.with_lang_ident,
    )


def certificates(options: argparse.Namespace, begin: Config) -> Tls | None:
    """Make what TLS needs, if options or file ask for it."""
    kind, clients = options.tls, options.client_certificates
    if begin.security is not None:
        kind, clients = kind or begin.security.tls, clients or begin.security.client_certificates
    clients = clients or "none"
    if kind is None:
        if clients != "none":
            raise ValueError("client certificates need TLS: --tls, or tls in the settings of the security file")
        return None
    from .security.tls import make

    return make(kind, clients)


def main() -> int:
    """Run until a signal ends the program; return its status."""
    options = parser().parse_args()
    try:
        begin = config(options)
        tls = certificates(options, begin)
    except (ValueError, NoTls) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    # Late: the libraries take most of the start-up time, and a wrong option should not wait for them.
    import uvloop

    from .emulator import Emulator
    from .server import CannotListen, serve

    emulator = Emulator(begin, options.clock, options.interval)
    try:
        uvloop.run(serve(emulator, options.port, options.control_port, options.parent_pid, tls))
    except CannotListen as error:
        sys.stderr.write(f"{error}\n")
        return 2
    finally:
        if tls is not None:
            tls.remove()
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)

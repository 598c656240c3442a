# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve two ports in one process: the API and the control port on uvicorn."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import signal
import socket
import ssl
import sys
import types
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from .app import Api
from .control.application import application
from .emulator import Emulator
from .state.clock import DEFAULT_INTERVAL
from .wire.connection import Connection

if TYPE_CHECKING:
    from .security.tls import Tls

HOST: Final = "127.0.0.1"
_PARENT_CHECK: Final = 0.5


def _server(app: Any, context: ssl.SSLContext | None = None) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        host=HOST,
        port=0,
        http=Connection,
        ws="none",
        loop="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=3600,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    config.load()
    config.ssl = context
    server.lifespan = config.lifespan_class(config)
    return server


class CannotListen(Exception):  # noqa: N818
    """A port that is taken, or that does not exist."""


def _listen(port: int) -> socket.socket:
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((HOST, port))
    except (OSError, OverflowError) as error:
        raise CannotListen(f"port {port}: {error}") from error
    found.listen(1024)
    return found


async def serve(
    emulator: Emulator, port: int, control_port: int = 0, parent_pid: int | None = None, tls: Tls | None = None
) -> None:
    """Serve until SIGTERM or SIGINT, or until the parent is gone; the control port has no TLS."""
    sockets = [_listen(port), _listen(control_port)]
    servers = [_server(Api(emulator), tls.context if tls else None), _server(application(emulator))]
    for server, each in zip(servers, sockets, strict=True):
        await server.startup(sockets=[each])
    for number in (signal.SIGTERM, signal.SIGINT):
        # Not through the event loop: the end must not wait for anything that runs there.
        signal.signal(number, functools.partial(_end, tls))
    tasks = [asyncio.create_task(_ticks(emulator))]
    if parent_pid is not None:
        tasks.append(asyncio.create_task(_parent_gone(parent_pid)))
    ports = [each.getsockname()[1] for each in sockets]
    emulator.address = f"{HOST}:{ports[0]}"
    line = {
        "url": f"{'http' if tls is None else 'https'}://{HOST}:{ports[0]}",
        "control_url": f"http://{HOST}:{ports[1]}",
        "pid": os.getpid(),
        "version": emulator.cluster.version.number,
        **(tls.shown if tls else {}),
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
    done, _pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        # A clock that breaks must not go unnoticed.
        task.result()


def _end(tls: Tls | None, number: int, frame: types.FrameType | None) -> None:
    if tls is not None:
        tls.remove()
    os._exit(0)


async def _ticks(emulator: Emulator) -> None:
    """Run a round each interval; a change of the interval holds at once."""
    time = asyncio.get_running_loop().time
    last = time()
    while True:
        left = last + emulator.clock.interval - time()
        await asyncio.sleep(min(left, DEFAULT_INTERVAL))
        if left <= DEFAULT_INTERVAL:
            last = time()
            emulator.clock.tick_if_auto()


async def _parent_gone(parent_pid: int) -> None:
    """Return when another process has adopted this one."""
    while os.getppid() == parent_pid:
        await asyncio.sleep(_PARENT_CHECK)

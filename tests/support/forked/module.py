# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run modules in :mod:`support.forked.server`, as Python does.

The server has imported the Elasticsearch client, two other libraries, and the parts of the standard library that
modules use. Ansible and the collection come with each module; their compiled code is kept, as Python does for files
that are not in an archive.
"""

from __future__ import annotations

import _imp
import argparse
import base64
import contextlib
import dataclasses
import datetime
import hashlib
import importlib
import inspect
import logging
import marshal
import os
import platform
import runpy
import shlex
import shutil
import ssl
import subprocess
import sys
import syslog
import tempfile
import types
import typing as t
import zipfile
import zipimport
from pathlib import Path

IMPORTED = (
    *(argparse, base64, dataclasses, datetime, inspect, logging, platform, shlex, shutil, ssl, subprocess, syslog),
    *(tempfile, zipfile),
)
_IMP: t.Any = _imp
_ZIPIMPORT: t.Any = zipimport
COMPILED = Path.cwd() / "compiled"
COMPILED.mkdir()

# Ansible's own code for HTTP imports the second, and the modules of awx.awx the third.
for each in ("elasticsearch", "cryptography.x509", "yaml"):
    with contextlib.suppress(ImportError):
        importlib.import_module(each)


def main() -> None:
    """Run the file that ``sys.argv`` names, as Python does."""
    sys.path[0] = os.path.dirname(sys.argv[0])
    runpy.run_path(sys.argv[0], run_name="__main__")


def _compiled(path: str, source: bytes) -> types.CodeType:
    """Return the code of a file of an archive, compiled now or before."""
    kept = COMPILED / hashlib.sha256(source).hexdigest()
    try:
        code: types.CodeType = marshal.loads(kept.read_bytes())
    except FileNotFoundError:
        code = compile(source, path, "exec", dont_inherit=True)
        part = kept.with_suffix(f".{os.getpid()}")
        part.write_bytes(marshal.dumps(code))
        part.rename(kept)
    else:
        _IMP._fix_co_filename(code, path)
    return code


_ZIPIMPORT._compile_source = _compiled

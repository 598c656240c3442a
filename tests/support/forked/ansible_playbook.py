# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run ``ansible-playbook`` in :mod:`support.forked.server`, with everything imported that each run imports.

Ansible's loader compiles each file of a collection in each run, and loads all plugins of some kinds; half of the time
of a short run goes there. Here Python's compiled files serve, and the server has loaded the plugins.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import pkgutil
import secrets
import shutil
import tempfile
import types
import typing as t
import warnings
from importlib.machinery import SourceFileLoader

from ansible import constants
from ansible.cli import playbook
from ansible.plugins import loader
from ansible.utils import vars as unique
from ansible.utils.collection_loader import _collection_finder

_CONSTANTS: t.Any = constants
shutil.rmtree(_CONSTANTS.DEFAULT_LOCAL_TMP)

_MODULES = os.environ["PACKED_MODULES"]
"""Modules as Ansible packs them, without arguments. A run would pack each again, which takes half of a short one."""

with contextlib.suppress(ImportError):
    importlib.import_module("elasticsearch")

_LOADER: t.Any = loader
_COLLECTION_LOADER: t.Any = _collection_finder._AnsibleCollectionPkgLoaderBase
_COMPILED = _COLLECTION_LOADER.get_code
_KINDS = ("become", "cache", "callback", "connection", "inventory", "shell", "strategy", "vars", "filter", "test")


def _code(self: t.Any, fullname: str) -> types.CodeType | None:
    """Return the code of a file of a collection from Python's compiled file, if there is one."""
    path = self._source_code_path
    if path and os.path.isfile(path):
        return t.cast("types.CodeType", SourceFileLoader(fullname, path).get_code(fullname))
    return t.cast("types.CodeType | None", _COMPILED(self, fullname))


def _import() -> None:
    """Load the plugins that each run loads, and the collection."""
    _COLLECTION_LOADER.get_code = _code
    _LOADER.init_plugin_loader()
    for kind in _KINDS:
        for _plugin in getattr(_LOADER, f"{kind}_loader").all(class_only=True):
            pass
    with contextlib.suppress(ImportError):
        collection = importlib.import_module("ansible_collections.mlops.elasticsearch.plugins.action")
        for each in pkgutil.iter_modules(collection.__path__, f"{collection.__name__}."):
            importlib.import_module(each.name)


_import()


def main() -> None:
    """Run the playbook that ``sys.argv`` names.

    Ansible chooses two things while it is imported that each run has of its own: the folder for temporary files, and
    the part of all ids that no other run has.
    """
    place = os.path.dirname(_CONSTANTS.DEFAULT_LOCAL_TMP)
    os.makedirs(place, 0o700, exist_ok=True)
    _CONSTANTS.DEFAULT_LOCAL_TMP = tempfile.mkdtemp(prefix=f"ansible-local-{os.getpid()}", dir=place)
    os.symlink(_MODULES, os.path.join(_CONSTANTS.DEFAULT_LOCAL_TMP, "ansiballz_cache"))
    atexit.register(shutil.rmtree, _CONSTANTS.DEFAULT_LOCAL_TMP)
    warnings.filterwarnings("ignore", "AnsibleCollectionFinder has already been configured")
    unique.random_int = f"{secrets.randbelow(1 << 32):08x}"
    playbook.main()

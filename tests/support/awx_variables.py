# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write the extra variables of a job as AWX does (``awx/main/utils/safe_yaml.py``, at commit e21dd0a0933f)."""

from __future__ import annotations

import typing as t

import yaml
from ansible import release

Json = dict[str, t.Any]

KEEPS_TEXT = tuple(map(int, release.__version__.split(".")[:2])) < (2, 19)
"""Whether ansible-core leaves a text behind ``!unsafe`` a text. Later ones read it again, as YAML without quotes."""


class _Unsafe(str):
    """A text that must not be templated."""


class _Dumper(yaml.SafeDumper):
    """A dumper that marks texts that must not be templated."""


def _represent(dumper: yaml.SafeDumper, text: _Unsafe) -> yaml.Node:
    return dumper.represent_scalar("!unsafe", str(text), style="'")


_Dumper.add_representer(_Unsafe, _represent)


def extra_variables(answers: Json, template: Json | None = None) -> str:
    """Return the file with the *answers* of a survey, and the variables of the *template*, which stay as they are."""
    own = yaml.safe_dump(template) if template else ""
    return own + yaml.dump(_marked(answers), Dumper=_Dumper)


def _marked(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {_Unsafe(name): _marked(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_marked(item) for item in value]
    return _Unsafe(value) if isinstance(value, str) else value

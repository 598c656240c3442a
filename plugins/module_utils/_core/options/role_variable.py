# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variable of a role: one dictionary, whose keys are options."""

from __future__ import annotations

import typing as t

from ..durations import seconds
from ..errors import Refusal
from ..words import joined
from .given import Options, checked
from .spec import Spec

_NOTHING = (None, "")


def read(name: str, spec: Spec, given: t.Any, times: t.Mapping[str, bool]) -> tuple[Options, list[str]]:
    """Return the options that *given*, the variable *name* of a role, has, and a sentence for each mistake.

    Null, and blank text, count as not given. What is not given has its default, and so has everything if there is a
    mistake. *times*: the options that take a time, and whether it may be 0.
    """
    options = spec.argument_spec
    found = _without_empty(given, {"options": options})
    found = {} if found in _NOTHING else found
    wrong = list(mistakes(found, name, options))
    try:
        if not wrong:
            found = checked(spec, found, lambda option, index, item: f"{option}[{index}]", within=f"{name}.")
            wrong = [*_other_than_choices(found, name, options), *_no_times(found, name, times)]
    except Refusal as refusal:
        wrong.append(str(refusal))
    return _with_defaults({} if wrong else found, options), wrong


def mistakes(given: t.Any, name: str, options: t.Mapping[str, Options]) -> t.Iterator[str]:
    """Yield what is wrong with a dictionary before the types of its values: no value is in what is said."""
    if given in _NOTHING:
        return
    if not isinstance(given, t.Mapping):
        yield f"{name} takes a dictionary with {joined(list(options))}."
        return
    unknown = [str(key) for key in given if key not in options]
    if unknown:
        yield f"{name} has no key {', '.join(unknown)}. Its keys are {joined(list(options))}."
    for key, option in options.items():
        value = given.get(key)
        if value in _NOTHING and option.get("required"):
            yield f"{name}.{key} has no value."
        elif "options" in option:
            yield from mistakes(value, f"{name}.{key}", option["options"])


def _without_empty(value: t.Any, option: Options) -> t.Any:
    """Return *value* without spaces around texts, and without the keys of dictionaries that then have no value.

    What has no options of its own stays as it is: a module validates it.
    """
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list) and option.get("type") == "list":
        return [_without_empty(each, {}) for each in value]
    if isinstance(value, dict) and "options" in option:
        stripped = {key: _without_empty(each, option["options"].get(key, {})) for key, each in value.items()}
        return {key: each for key, each in stripped.items() if each not in _NOTHING}
    return value


def _no_times(given: Options, name: str, times: t.Mapping[str, bool]) -> t.Iterator[str]:
    """Make numbers of seconds of the *times* that are given, and yield what is no time."""
    for key, zero in times.items():
        if key in given:
            try:
                given[key] = seconds(f"{name}.{key}", given[key], zero=zero)
            except Refusal as refusal:
                yield str(refusal)


def _other_than_choices(given: Options, name: str, options: t.Mapping[str, Options]) -> t.Iterator[str]:
    for key, value in given.items():
        choices = options[key].get("choices") or ()
        others = [each for each in (value if isinstance(value, list) else [value]) if choices and each not in choices]
        if others:
            yield f"{name}.{key} takes {', '.join(choices)}, not {', '.join(others)}."
        if "options" in options[key]:
            yield from _other_than_choices(value, f"{name}.{key}", options[key]["options"])


def _with_defaults(given: Options, options: t.Mapping[str, Options]) -> Options:
    return {
        key: _with_defaults(given.get(key, {}), option["options"])
        if "options" in option
        else given.get(key, option.get("default"))
        for key, option in options.items()
    }

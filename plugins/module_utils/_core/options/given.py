# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options with the types that they arrive with, before Ansible makes others of them."""

from __future__ import annotations

import ast
import contextlib
import datetime
import typing as t

from ansible.module_utils.common.validation import check_type_dict
from ansible.module_utils.parsing.convert_bool import BOOLEANS_FALSE, BOOLEANS_TRUE, boolean

from ..errors import Refusal
from .spec import Spec

Options = dict[str, t.Any]
ItemLabel = t.Callable[[str, int, Options], str]
MoreMistakes = t.Callable[[Options, t.Sequence[str]], t.Iterable[str]]

_LARGEST = 2**31 - 1
"""Elasticsearch takes no larger whole number."""
_WHOLE_NUMBERS = f"a whole number up to {_LARGEST}"
_HUGE = 10**20
_DATES = (datetime.date, datetime.time)
_RETYPED = (bool, int, float, *_DATES)
"""What YAML makes of a text that looks like it."""
_TAKES = {
    "str": "a text",
    "path": "a path as text",
    "int": "a whole number",
    "bool": "true or false",
    "dict": "a dictionary",
    "list": "a list",
}
_ID_HINT = (
    "The id that was meant is lost: 007, for instance, arrives as 7. Put it into quotes. From ansible-core 2.19 on, "
    "quotes do not help in the survey of a job template: set the id among the variables of the template, or use an id "
    "that YAML reads as text, such as model-7."
)
_PARTS = ('["', "['")
"""How a text begins that is half a list."""
_OMITTED = "__omit_place_holder__"
"""What ansible-core 2.18 makes of ``omit``."""


def is_given(value: t.Any) -> bool:
    """Return whether *value* counts as given: null and empty text do not, nor a list or dictionary of only those.

    One without any value is given: ``guard: {}`` is no guard. So is an item of a list that has no value.
    """
    if isinstance(value, list) and value:
        return any(isinstance(item, dict) or is_given(item) for item in value)
    if isinstance(value, dict) and value:
        return any(map(is_given, value.values()))
    return value is not None and value != "" and not _is_omitted(value)


def is_value(spec: Spec, name: str, value: t.Any) -> bool:
    """Return whether option *name* counts as given, with what *spec* says of it.

    A list of ids without any value is given, and so refused: without it the task would work on other deployments.
    """
    empty = value == "" and name in spec.may_be_empty
    return empty or is_given(value) or (name in spec.ids and isinstance(value, list))


def checked(
    spec: Spec,
    given: t.Mapping[str, t.Any],
    item_label: ItemLabel,
    more: MoreMistakes = lambda found, wrong: (),
    within: str = "",
) -> Options:
    """Return the options that are *given*, each of a type that it takes; what is no option stays as it is.

    *item_label*: returns what a message calls an item of a list, by option and place. *more*: returns other
    mistakes than those that it gets, to be said beside them. *within*: begins each name, such as that of a variable.

    :raises Refusal: with each value of another type, and with each one that must not be empty.
    """
    reader = _Reader(spec, item_label)
    found = reader.options(spec.argument_spec, given, "", within)
    if reader.wrong:
        hint = _ID_HINT if reader.lost_ids else ""
        raise Refusal("invalid_arguments", " ".join([*reader.wrong, *more(found, reader.wrong)]), hint=hint)
    return found


class _Reader:
    """One walk through what a user gave; ``wrong`` gets a sentence for each mistake."""

    def __init__(self, spec: Spec, item_label: ItemLabel) -> None:
        self.wrong: list[str] = []
        self.lost_ids = False
        self._spec = spec
        self._item_label = item_label

    def options(self, specs: t.Mapping[str, Options], given: t.Mapping[str, t.Any], lead: str, within: str) -> Options:
        """Return the options in *given*. *lead* begins each sentence, *within* each name."""
        found: Options = {}
        for name, value in given.items():
            known = specs.get(name, {})
            # An empty text is no dictionary: a guard that arrives as one would guard nothing.
            if is_value(self._spec, name, value) or (value == "" and "options" in known):
                found[name] = self._value(known, name, value, lead, f"{within}{name}") if known else value
            else:
                self._refuse_empty_id(name, value, given, lead)
        return found

    def _value(self, option: Options, name: str, value: t.Any, lead: str, path: str) -> t.Any:
        kind = option["type"]
        if name in self._spec.ids and isinstance(value, _RETYPED):
            self.lost_ids = True
            self.wrong.append(f"{lead}{path} is {_shown(value, option)}, not a text.")
            return value
        try:
            if kind == "list":
                return self._list(option, name, _list(option, value), lead, path)
            if kind == "dict":
                inner = _dictionary(value)
                return self.options(option["options"], inner, lead, f"{path}.") if "options" in option else _free(inner)
            return _READERS[kind](_as_choice(value, option.get("choices") or ()))
        except OverflowError:
            self.wrong.append(f"{lead}{path} takes {_WHOLE_NUMBERS}, not {_shown(value, option)}.")
            return value
        except (TypeError, ValueError):
            hint = " Leave it out, or use default(omit, true)." if value == "" else ""
            self.wrong.append(f"{lead}{path} takes {_takes(option)}, not {_shown(value, option)}.{hint}")
            return value

    def _list(self, option: Options, name: str, items: list[t.Any], lead: str, path: str) -> list[t.Any]:
        found = []
        for index, item in enumerate(items):
            where = f"{path}[{index}]"
            if option["elements"] == "dict":
                found.append(self._item(option, name, index, item))
            elif is_given(item):
                element = {"type": option["elements"], "choices": option.get("choices")}
                found.append(self._value(element, name, item, lead, where))
            elif name in self._spec.ids:
                self.wrong.append(f"{lead}{where} has no value. Give it one, or leave it out.")
        return found

    def _item(self, option: Options, name: str, index: int, item: t.Any) -> t.Any:
        try:
            given = _dictionary(item)
        except (TypeError, ValueError):
            self.wrong.append(f"{name}[{index}] takes a dictionary, not {_shown(item, {'type': 'dict'})}.")
            return item
        return self.options(option["options"], given, f"{self._item_label(name, index, given)}: ", "")

    def _refuse_empty_id(self, name: str, value: t.Any, given: t.Mapping[str, t.Any], lead: str) -> None:
        """Refuse an option without a value beside one that would then name something else."""
        other = self._spec.never_empty.get(name, "")
        if not _is_omitted(value) and is_given(given.get(other)):
            self.wrong.append(
                f"{lead}{name} has no value, and {other} alone may name another deployment. "
                "Give it a value, or leave it out."
            )


def _is_omitted(value: t.Any) -> bool:
    return isinstance(value, str) and value.startswith(_OMITTED)


def _as_choice(value: t.Any, choices: t.Iterable[t.Any]) -> t.Any:
    """Return the only one of *choices* that YAML reads as the boolean *value*, such as ``off``; otherwise *value*."""
    if str(value) not in ("True", "False"):
        return value
    words = BOOLEANS_TRUE if str(value) == "True" else BOOLEANS_FALSE
    meant = [choice for choice in choices if choice in words]
    return meant[0] if len(meant) == 1 else value


def _list(option: Options, value: t.Any) -> list[t.Any]:
    if isinstance(value, str) and option["elements"] != "dict":
        items = _listed(value) or [part.strip() for part in value.replace("\n", ",").split(",") if part.strip()]
        # Part of a list would match nothing, and so leave nothing out.
        if items and not any(str(item).startswith(_PARTS) for item in items):
            return items
    elif isinstance(value, list):
        return value
    raise TypeError


def _listed(value: str) -> list[t.Any]:
    """Return the items of a text that is a list as JSON or Python writes it, which a template may have made of one."""
    found = None
    if value.strip().startswith("["):
        with contextlib.suppress(ValueError, SyntaxError):
            found = ast.literal_eval(value.strip())
    return found if isinstance(found, list) else []


def _dictionary(value: t.Any) -> Options:
    found = check_type_dict(value) if isinstance(value, (str, dict)) else None
    if not isinstance(found, dict):
        raise TypeError
    return {str(name): item for name, item in found.items()}


def _free(given: Options) -> Options:
    """Return a dictionary whose names are the user's own."""
    return {name: _dated(value) for name, value in given.items() if is_given(value)}


def _dated(value: t.Any) -> t.Any:
    """Return the text that YAML takes for a date, or another value as it is."""
    return value.isoformat() if isinstance(value, _DATES) else value


def _text(value: t.Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float, *_DATES)):
        raise TypeError
    return str(_dated(value))


def _path(value: t.Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _whole_number(value: t.Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise TypeError
    if isinstance(value, float) and not value.is_integer():
        raise TypeError
    number = int(value)
    if abs(number) > _LARGEST:
        raise OverflowError
    return number


_READERS: dict[str, t.Callable[[t.Any], t.Any]] = {
    "str": _text,
    "path": _path,
    "int": _whole_number,
    "bool": boolean,
    "raw": _dated,
}


def _takes(option: Options) -> str:
    """Return what a message says that an option takes."""
    if option.get("choices") and option["type"] != "list":
        return f"one of {', '.join(map(str, option['choices']))}"
    if option["type"] == "dict" and "options" in option:
        return f"a dictionary with {', '.join(option['options'])}"
    return "a list of dictionaries" if option.get("elements") == "dict" else _TAKES[option["type"]]


def _shown(value: t.Any, option: Options) -> str:
    """Return what a message calls a wrong value; it shows no text that may be a secret."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return "a number" if option.get("no_log") or abs(value) >= _HUGE else str(value)
    if isinstance(value, str):
        return f"'{value[:40]}'" if option["type"] in ("int", "bool") else "a text" if value else "an empty text"
    if isinstance(value, _DATES):
        return f"the date {value.isoformat()}"
    if value is None:
        return "null"
    return (
        "a list"
        if isinstance(value, list)
        else "a dictionary"
        if isinstance(value, dict)
        else "a value of another type"
    )

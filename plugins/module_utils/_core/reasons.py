# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many reasons in one message of bounded length: each once, with the first of the ids that have it."""

from __future__ import annotations

import typing as t

from .words import MOST, first_of

LONGEST = 1300
"""Characters of all reasons together; a message says a little more around them."""
_LONGEST_REASON = 400
_LONGEST_NAMES = 300
_QUOTES = (("'", "'"), ("[", "]"), ('"', '"'))


class Reason(t.NamedTuple):
    """The reason of one deployment. ``label``: what a message calls it, if the text does not name it."""

    deployment_id: str
    text: str
    label: str = ""

    @property
    def kind(self) -> str:
        """Return the text without the id: deployments of one kind share a reason."""
        text = self.text
        for left, right in _QUOTES:
            text = text.replace(f"{left}{self.deployment_id}{right}", f"{left}{right}")
        return text


def each_once(reasons: t.Iterable[Reason]) -> str:
    """Return all *reasons* in words, those of most deployments first; what does not fit is counted."""
    kinds: dict[str, list[Reason]] = {}
    for reason in reasons:
        kinds.setdefault(reason.kind, []).append(reason)
    groups = sorted(kinds.values(), key=len, reverse=True)
    parts: list[str] = []
    while groups and sum(map(len, parts)) + len(_sentence(groups[0])) < LONGEST:
        parts.append(_sentence(groups.pop(0)))
    if groups:
        left = sum(map(len, groups))
        parts.append(f"{left} more {'has another reason' if left == 1 else 'have other reasons'}: see deployments.")
    return " ".join(parts)


def _sentence(group: t.Sequence[Reason]) -> str:
    """Return the reason of the first of *group*, and the names of the others."""
    first, names = group[0], [reason.label or f"'{reason.deployment_id}'" for reason in group]
    text = first.text if len(first.text) <= _LONGEST_REASON else first.text[:_LONGEST_REASON].rstrip() + " ..."
    if names[0] not in text:
        return f"{_listed(names)}: {text}"
    return text + (f" The same holds for {_listed(names[1:], MOST - 1)}." if names[1:] else "")


def _listed(names: t.Sequence[str], most: int = MOST) -> str:
    shown: list[str] = []
    for name in names[:most]:
        if shown and sum(map(len, shown)) + len(name) > _LONGEST_NAMES:
            break
        shown.append(name)
    return first_of(names, len(shown))

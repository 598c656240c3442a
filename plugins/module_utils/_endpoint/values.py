# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values of settings as a task gives them: without what counts as not given, and with their types. Pure."""

from __future__ import annotations

import datetime
import json
import re
import typing as t

from .._core.errors import Refusal
from .._core.options.credentials import SHORTEST_SECRET
from .._core.options.secrets import is_secret_name

Json = dict[str, t.Any]
_DATES = (datetime.date, datetime.time)
_WHOLE = re.compile(r"-?[0-9]{1,10}")
INTEGERS = frozenset(
    (
        *("num_allocations", "num_threads", "min_number_of_allocations", "max_number_of_allocations"),
        *("max_chunk_size", "overlap", "sentence_overlap", "dimensions", "max_input_tokens", "requests_per_minute"),
        *("top_n", "max_chunks_per_doc", "max_new_tokens", "max_batch_size"),
    )
)
"""Settings that Elasticsearch takes only as whole numbers: templates make texts of them."""
FLAGS = frozenset(("enabled", "return_documents"))
_KEY_FILES = frozenset(("service_account_json",))
"""Secrets that are a JSON text, of which templates make a dictionary."""


def cleaned(value: t.Any, name: str = "") -> t.Any:
    """Return *value* without what counts as not given, at any depth, and with the types of the settings.

    Nor is a dictionary given in which nothing is.
    """
    if isinstance(value, dict):
        found = {str(key): cleaned(item, str(key)) for key, item in value.items()}
        return {key: item for key, item in found.items() if item not in (None, "", {})}
    if isinstance(value, (list, tuple)):
        return [cleaned(item) for item in value]
    if isinstance(value, _DATES):
        return value.isoformat()
    return _typed(name, value)


def _typed(name: str, value: t.Any) -> t.Any:
    """Return the text *value* of a setting as the number or the flag that Elasticsearch takes."""
    text = value.strip() if isinstance(value, str) else ""
    if name in INTEGERS and _WHOLE.fullmatch(text):
        return int(text)
    if name in INTEGERS and isinstance(value, float) and value.is_integer():
        return int(value)
    if name in FLAGS and text.lower() in ("true", "false"):
        return text.lower() == "true"
    return value


def refuse_misplaced_secrets(option: str, settings: t.Any) -> None:
    """Refuse a secret in *settings*, which results show. The message has its name alone.

    :raises Refusal: there is one.
    """
    for item in settings if isinstance(settings, (list, tuple)) else ():
        refuse_misplaced_secrets(option, item)
    for name, value in settings.items() if isinstance(settings, dict) else ():
        if is_secret_name(str(name)):
            raise Refusal(
                "misplaced_secret",
                f"{option} has {name}, which is a secret",
                hint="Move it to secrets: what is there is never shown.",
            )
        refuse_misplaced_secrets(f"{option}.{name}", value)


def checked_secrets(secrets: t.Any) -> Json:
    """Return the *secrets* of a task as they are sent.

    :raises Refusal: one is no text, or too short to be masked. The message has its name alone.
    """
    given = secrets if isinstance(secrets, dict) else {}
    return {str(name): _secret(str(name), value) for name, value in given.items() if value not in (None, "", {})}


def _secret(path: str, value: t.Any) -> t.Any:
    name = path.rpartition(".")[2]
    if isinstance(value, dict) and name in _KEY_FILES:
        return json.dumps(value)
    if isinstance(value, dict):
        inner = {str(key): item for key, item in value.items() if item not in (None, "")}
        return {key: _secret(f"{path}.{key}", item) for key, item in inner.items()}
    if not isinstance(value, str):
        raise Refusal("invalid_value", f"secrets.{path} is not a text", hint="Put it into quotes.")
    if len(value) < SHORTEST_SECRET:
        raise Refusal(
            "secret_too_short",
            f"secrets.{path} has fewer than {SHORTEST_SECRET} characters",
            hint="Masking it would mask other text, too. If it is no secret, put it into service_settings.",
        )
    return value

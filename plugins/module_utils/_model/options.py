# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a trained model."""

from __future__ import annotations

import re
import typing as t

from .._core.durations import seconds
from .._core.errors import Refusal
from .._core.options.connection import CONNECTION
from .._core.options.facts import facts
from .._core.options.given import is_given
from .._core.options.spec import Spec
from .._core.run.long_work import WaitPolicy
from .._core.words import joined
from .._ml.model import require_one_id
from .._ml.predictions import PREDICTIONS
from .packages import AGNOSTIC, X86, refuse_unknown_variant
from .records import Desired, Files
from .upload.parts import part_size_option
from .upload.send import MOST_AT_ONCE

FILES = ("config", "vocabulary", "definition", "checksum")
UPLOADS = (*FILES, "upload_concurrency", "upload_part_size", "upload_journal")

MODEL = Spec(
    {
        "model_id": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "config": {"type": "raw"},
        "vocabulary": {"type": "str"},
        "definition": {"type": "str"},
        "checksum": {"type": "str"},
        "upload_concurrency": {"type": "int"},
        "upload_part_size": {"type": "str"},
        "upload_journal": {"type": "path"},
        "variant": {"type": "str", "choices": ["auto", AGNOSTIC, X86], "default": "auto"},
        "check_mirror": {"type": "bool", "default": False},
        "replace": {"type": "str", "choices": ["never", "recreate"], "default": "never"},
        "on_referenced": {"type": "str", "choices": ["fail", "force"], "default": "fail"},
        "force": {"type": "bool", "default": False},
        "wait": {"type": "bool", "default": True},
        "wait_timeout": {"type": "raw", "default": 1800},
        "wait_sleep": {"type": "raw", "default": 5},
    },
    ids=("model_id",),
)

SPEC = CONNECTION.merge(MODEL).merge(facts("elasticsearch_ml_models")).merge(PREDICTIONS)

_ID = re.compile(r"[a-z0-9](?:[a-z0-9_\-.]*[a-z0-9])?")
_LONGEST_ID = 64
_CHECKSUM = re.compile(r"(?:sha256:)?([0-9a-f]{64})", re.IGNORECASE)
Params = t.Mapping[str, t.Any]


def desired(params: Params) -> Desired:
    """Return what validated options ask for.

    :raises Refusal: no version of Elasticsearch accepts it, or options contradict each other.
    """
    model_id = str(params["model_id"] or "")
    present = params["state"] == "present"
    require_one_id("model_id", model_id)
    if present:
        _refuse_bad_id(model_id)
    files = _files(params) if present else None
    found = Desired(
        model_id,
        params["state"],
        params["variant"],
        params["replace"],
        params["on_referenced"] == "force" if present else params["force"],
        files,
        params["check_mirror"],
        WaitPolicy(
            params["wait"] and present,
            seconds("wait_timeout", params["wait_timeout"], zero=True),
            seconds("wait_sleep", params["wait_sleep"]),
        ),
    )
    _refuse_contradictions(found, params)
    return found


def _refuse_bad_id(model_id: str) -> None:
    """Refuse an id that Elasticsearch does not take for a new model (around-deployments.md 2.1, put_model:16)."""
    if len(model_id) > _LONGEST_ID or not _ID.fullmatch(model_id.removeprefix(".")):
        raise Refusal(
            "invalid_value",
            f"model_id '{model_id}' is not an id for a model",
            hint="It takes lowercase letters, digits, '-', '_' and '.', and begins and ends with a letter or a digit; "
            f"at most {_LONGEST_ID} characters. Only the models that Elasticsearch downloads itself begin with a dot.",
        )


def _files(params: Params) -> Files | None:
    """Return the places of the files; ``None`` if the task gives none."""
    given = [name for name in UPLOADS if is_given(params[name])]
    missing = [name for name in ("config", "definition") if name not in given]
    if given and missing:
        raise Refusal(
            "incomplete_options",
            f"{joined(given)} {'are' if len(given) > 1 else 'is'} given without {joined(missing)}",
            hint="A model is uploaded from both. A variable may be empty.",
        )
    if not given:
        return None
    return Files(
        _config(params["config"]),
        params["definition"],
        params["vocabulary"] or None,
        _checksum(params["checksum"]),
        part_size_option(params["upload_part_size"] or None),
        _concurrency(params["upload_concurrency"]),
        params["upload_journal"] or None,
    )


def _config(value: t.Any) -> t.Any:
    if isinstance(value, (str, dict)):
        return value
    raise Refusal("invalid_value", "config is neither a dictionary nor a path or a URL", hint="Give one of these.")


def _checksum(value: str | None) -> str | None:
    if not value:
        return None
    match = _CHECKSUM.fullmatch(value.strip())
    if match is None:
        hint = "Write sha256: and 64 hexadecimal digits."
        raise Refusal("invalid_value", "checksum is not a SHA-256 checksum", hint=hint)
    return f"sha256:{match[1].lower()}"


def _concurrency(value: int | None) -> int | None:
    if value is not None and not 0 < value <= MOST_AT_ONCE:
        raise Refusal("invalid_value", f"upload_concurrency must be between 1 and {MOST_AT_ONCE}, not {value}")
    return value


def _refuse_contradictions(desired: Desired, params: Params) -> None:
    if desired.state == "absent":
        return
    if not desired.is_packaged:
        _refuse_packaged_options(desired, params)
        return
    if desired.files:
        given = " or ".join(name for name in UPLOADS if is_given(params[name]))
        raise Refusal(
            "conflicting_options",
            f"Model '{desired.model_id}' is one that Elasticsearch downloads itself, because its id begins with a dot, "
            f"and it takes no {given}",
            hint="Leave that out, or give a model of your own an id without the dot.",
        )
    refuse_unknown_variant(desired.model_id, desired.variant)


def _refuse_packaged_options(desired: Desired, params: Params) -> None:
    """Refuse a model that is neither downloaded nor uploaded, and what only downloads have."""
    if desired.files is None:
        raise Refusal(
            "incomplete_options",
            f"Model '{desired.model_id}' has neither config nor definition, and Elasticsearch downloads only models "
            "whose id begins with a dot",
            hint="Give config and definition, or check model_id.",
        )
    if params["variant"] != "auto" or desired.check_mirror:
        name = "variant" if params["variant"] != "auto" else "check_mirror"
        raise Refusal(
            "conflicting_options",
            f"{name} is given, and model '{desired.model_id}' is uploaded, not downloaded",
            hint=f"Leave {name} out.",
        )

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Know cluster settings: their types, ranges, defaults and complaints.

Names, defaults and ranges: Elasticsearch's settings reference for machine learning and cluster-level shard
allocation; server-behaviour.md 4.3, 5.1 and 6; http:59, 276, 277 for the texts.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from ..wire import errors, values
from .coordination import NO_MASTER_BLOCK, READ_ONLY, READ_ONLY_ALLOW_DELETE
from .versions import Features

AWARENESS: Final = "cluster.routing.allocation.awareness.attributes"
SCALE_TO_ZERO: Final = "xpack.ml.trained_models.adaptive_allocations.scale_to_zero_time"
COOLDOWN: Final = "xpack.ml.trained_models.adaptive_allocations.scale_up_cooldown_time"
DEFAULT_MIN: Final = "xpack.ml.models.default_allocations.min"
DEFAULT_MAX: Final = "xpack.ml.models.default_allocations.max"
LAZY_NODES: Final = "xpack.ml.max_lazy_ml_nodes"
NODE_SIZE: Final = "xpack.ml.max_ml_node_size"
PROCESSORS_SCALE: Final = "xpack.ml.allocated_processors_scale"
ARCHITECTURES: Final = "xpack.ml.model_platform_architectures"
_ML: Final = "xpack.ml."
_MINUTE: Final = 60 * 10**9

Check = Callable[[str, str], object]


@dataclasses.dataclass(frozen=True)
class Setting:
    """One setting; ``check`` reads a text or raises ``ApiError``."""

    name: str
    check: Check
    default: str | tuple[str, ...]
    """As an answer with defaults shows it."""
    known: Callable[[Features], bool] = lambda version: True
    updateable: bool = True


def _integer(least: int | None = None, most: int | None = None) -> Check:
    def check(text: str, name: str) -> int:
        try:
            # Java reads neither 1_000 nor blanks.
            if not re.fullmatch(r"[+-]?[0-9]+", text):
                raise ValueError
            number = int(text)
        except ValueError:
            reason = f"Failed to parse value [{text}] for setting [{name}]"
            raise errors.illegal_argument(reason, errors.number_format(text)) from None
        if least is not None and number < least:
            raise errors.illegal_argument(f"Failed to parse value [{text}] for setting [{name}] must be >= {least}")
        if most is not None and number > most:
            raise errors.illegal_argument(f"Failed to parse value [{text}] for setting [{name}] must be <= {most}")
        return number

    return check


def _boolean(text: str, name: str) -> bool:
    return values.parse_boolean(text)


def _text(text: str, name: str) -> str:
    return text


def _bytes(text: str, name: str) -> int:
    try:
        return values.parse_bytes(text, name).bytes
    except errors.ApiError as cause:
        raise errors.illegal_argument(cause.reason or "", cause) from None


def _time(least: int, shown: str) -> Check:
    def check(text: str, name: str) -> int:
        nanos = values.parse_time(text, name).nanos
        if nanos < least:
            raise errors.illegal_argument(f"failed to parse value [{text}] for setting [{name}], must be >= [{shown}]")
        return nanos

    return check


def _block_kind(text: str, name: str) -> str:
    if text not in ("all", "write", "metadata_write"):
        raise errors.illegal_argument(f"invalid no-master block [{text}], must be one of [all, write, metadata_write]")
    return text


def _adaptive(version: Features) -> bool:
    return version.scaler_times


_ALL: Final = (
    Setting(LAZY_NODES, _integer(0), "0"),
    Setting(NODE_SIZE, _bytes, "0b"),
    Setting(PROCESSORS_SCALE, _integer(1), "1"),
    Setting(
        "xpack.ml.trained_models.graph_validation_enabled",
        _boolean,
        "true",
        lambda version: version.at_least((9, 4, 0)),
    ),
    Setting(ARCHITECTURES, _text, (), lambda version: version.at_least((9, 5, 0))),
    # The nodes are started so that machine learning may use all of their memory; 30 is the server's own default.
    Setting("xpack.ml.max_machine_memory_percent", _integer(5, 200), "100"),
    Setting("xpack.ml.use_auto_machine_memory_percent", _boolean, "false"),
    Setting("xpack.ml.max_open_jobs", _integer(1, 512), "512"),
    Setting("xpack.ml.node_concurrent_job_allocations", _integer(0), "2"),
    Setting("xpack.ml.max_inference_processors", _integer(1), "50"),
    Setting("xpack.ml.max_model_memory_limit", _bytes, "0b"),
    Setting("xpack.ml.enabled", _boolean, "true", updateable=False),
    Setting(SCALE_TO_ZERO, _time(_MINUTE, "1m"), "24h", _adaptive),
    Setting(COOLDOWN, _time(_MINUTE, "1m"), "5m", _adaptive),
    Setting(DEFAULT_MIN, _integer(0, 32), "0", _adaptive),
    Setting(DEFAULT_MAX, _integer(1, 32), "32", _adaptive),
    Setting("cluster.max_shards_per_node", _integer(1), "1000"),
    Setting(AWARENESS, _text, ()),
    Setting(READ_ONLY, _boolean, "false"),
    Setting(READ_ONLY_ALLOW_DELETE, _boolean, "false"),
    Setting(NO_MASTER_BLOCK, _block_kind, "metadata_write"),
)
KNOWN: Final[Mapping[str, Setting]] = {setting.name: setting for setting in _ALL}


def defaults(
    stored: Mapping[str, Any], version: Features, node_attributes: Iterable[str], *, has_ml: bool
) -> dict[str, str | tuple[str, ...]]:
    """Return the settings that were not set, as they are: by default, or as the nodes were started.

    ``node_attributes`` are the awareness attributes with which the nodes were started.
    """
    found = {
        name: setting.default
        for name, setting in KNOWN.items()
        if stored.get(name) is None and setting.known(version) and (has_ml or not name.startswith(_ML))
    }
    return found | ({AWARENESS: tuple(node_attributes)} if AWARENESS in found else {})


def text_of(value: Any) -> str:
    """Return a value as Elasticsearch keeps it: booleans in lower case, lists joined."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def check(kind: str, desired: Mapping[str, Any], version: Features, *, has_ml: bool = True) -> None:
    """Refuse what is unknown first, then bad values; a null only has to name a setting, or several."""
    for name, value in desired.items():
        setting = KNOWN.get(name)
        if setting is not None and setting.known(version) and (has_ml or not name.startswith(_ML)):
            if not setting.updateable:
                raise errors.illegal_argument(f"{kind} setting [{name}], not dynamically updateable")
        elif value is not None or "*" not in name:
            raise errors.illegal_argument(f"{kind} setting [{name}], not recognized")
    for name, value in desired.items():
        if value is not None:
            KNOWN[name].check(text_of(value), name)


def changed(stored: dict[str, Any], desired: Mapping[str, Any]) -> None:
    """Take over what was checked; null resets, ``*`` stands for several."""
    for name, value in desired.items():
        if value is None:
            for each in fnmatch.filter(list(stored), name):
                del stored[each]
        else:
            stored[name] = value


def attributes(stored: Mapping[str, Any]) -> list[str] | None:
    """Return awareness attributes; ``None`` if they are not set."""
    value = stored.get(AWARENESS)
    return None if value is None else [each.strip() for each in text_of(value).split(",") if each.strip()]


def time_of(stored: Mapping[str, Any], name: str, default: float) -> float:
    """Return a time setting in seconds."""
    value = stored.get(name)
    return default if value is None else values.parse_time(text_of(value), name).seconds


def only_lifts_blocks(names: Iterable[str]) -> bool:
    """Return whether a change sets nothing else; it passes a read-only block, which could not be lifted otherwise."""
    return set(names) <= {READ_ONLY, READ_ONLY_ALLOW_DELETE}

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check definitions of ingest pipelines, and find the models, deployments and endpoints they refer to.

Elasticsearch's public ingest sources (Apache-licensed until 7.10, unchanged in what is played here). Processors that
the emulator can run are checked setting by setting, of others only what all processors share.
"""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from ..wire import errors
from .endpoint_values import java_text
from .versions import Features, Triple

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]

MAX_INFERENCE_PROCESSORS: Final = "xpack.ml.max_inference_processors"
_DEPTH: Final = 10
"""The depth to which the server searches for inference processors."""

_COMMON: Final = ("tag", "description", "if", "ignore_failure", "on_failure")
_NEWER: Final[Mapping[str, Triple]] = {
    "redact": (8, 7, 0),
    "reroute": (8, 8, 0),
    "geo_grid": (8, 9, 0),
    "attachment": (8, 4, 0),
    "ip_location": (8, 16, 0),
    "terminate": (8, 16, 0),
    "normalize_for_stream": (9, 1, 0),
    "recover_failure_document": (9, 2, 0),
}
_NAMES: Final = (
    "append bytes circle community_id convert csv date date_index_name dissect dot_expander drop enrich fail "
    "fingerprint foreach geoip grok gsub html_strip inference join json kv lowercase network_direction pipeline "
    "registered_domain remove rename script set set_security_user sort split trim uppercase uri_parts urldecode "
    "user_agent"
)
_TYPES: Final = frozenset(_NAMES.split(" ")) | frozenset(_NEWER)

_TEXT_SETTINGS: Final = ("field", "target_field", "ignore_missing")
SETTINGS: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "append": (("field", "value"), ("allow_duplicates", "media_type", "ignore_empty_values", "copy_from")),
    "drop": ((), ()),
    "fail": (("message",), ()),
    "foreach": (("field", "processor"), ("ignore_missing",)),
    "inference": (
        ("model_id",),
        ("target_field", "field_map", "field_mappings", "inference_config", "input_output", "ignore_missing"),
    ),
    "lowercase": (_TEXT_SETTINGS[:1], _TEXT_SETTINGS[1:]),
    "pipeline": (("name",), ("ignore_missing_pipeline",)),
    "remove": ((), ("field", "keep", "ignore_missing")),
    "rename": (("field", "target_field"), ("ignore_missing", "override")),
    "set": (("field",), ("value", "copy_from", "override", "media_type", "ignore_empty_value")),
    "trim": (_TEXT_SETTINGS[:1], _TEXT_SETTINGS[1:]),
    "uppercase": (_TEXT_SETTINGS[:1], _TEXT_SETTINGS[1:]),
}
"""Required and optional settings of the processors that the emulator can run."""


@dataclasses.dataclass
class Pipeline:
    """One pipeline; ``config`` is the definition as GET shows it."""

    id: str
    config: Json
    created: int = 0
    modified: int = 0

    @property
    def references(self) -> list[str]:
        """Return the models, deployments, aliases and endpoints of its inference processors, wherever they are."""
        lists = (self.config.get("processors"), self.config.get("on_failure"))
        return sorted({name for each in lists for name in _named(each, _DEPTH)})

    @property
    def checked_references(self) -> set[str]:
        """Return those that the server finds before it deletes an alias (around-deployments.md 3)."""
        return set(_found(self.config.get("processors"), 0))


def _found(processors: Any, level: int) -> Iterator[str]:
    """Return the ids that the server's own search finds: it ends at an inference processor, and skips some handlers."""
    if level > _DEPTH:
        return
    for processor in processors or ():
        for kind, settings in processor.items():
            if not isinstance(settings, dict):
                continue
            if kind == "inference":
                yield str(settings["model_id"])
            elif kind == "foreach":
                yield from _found([settings["processor"]], level + 1)
            else:
                yield from _found(settings.get("on_failure"), level + 1)


def _named(value: Any, depth: int) -> Iterator[str]:
    """Return ``model_id`` of each inference processor below ``value``: lists, failure handlers, loops."""
    if depth < 0:
        return
    if isinstance(value, list):
        for each in value:
            yield from _named(each, depth)
    elif isinstance(value, dict):
        for kind, settings in value.items():
            if not isinstance(settings, dict):
                continue
            if kind == "inference" and "model_id" in settings:
                yield str(settings["model_id"])
            yield from _named(settings.get("processor"), depth - 1)
            yield from _named(settings.get("on_failure"), depth - 1)


def inference_processors(cluster: Cluster, without: str) -> int:
    """Return the number of inference processors in the other pipelines."""
    listed = [each.config.get(part) for each in cluster.pipelines.values() if each.id != without for part in _PARTS]
    return sum(1 for each in listed for _name in _named(each, _DEPTH))


_PARTS: Final = ("processors", "on_failure")


def matching(cluster: Cluster, expression: str) -> list[str]:
    """Return the ids that a comma-separated list of ids and patterns selects."""
    names = {"*" if token == "_all" else token for token in expression.split(",")}
    return sorted(each for each in cluster.pipelines if any(fnmatch.fnmatchcase(each, name) for name in names))


# --- checks ---


def check(cluster: Cluster, pipeline_id: str, config: Json) -> None:
    """Refuse a definition that the server would refuse."""
    rest = dict(config)
    for name, kind in (("description", str), ("version", int), ("_meta", dict), ("deprecated", bool)):
        if name == "deprecated" and not cluster.version.at_least((8, 16, 0)):
            continue
        _optional(rest, name, kind)
    if cluster.version.at_least((9, 2, 0)):
        _optional(rest, "field_access_pattern", str)
    processors = _list(rest, "processors")
    if processors is None:
        raise _wrong("required property is missing", name="processors")
    _Checker(cluster).processors(processors)
    handlers = _list(rest, "on_failure")
    if handlers is not None:
        if not handlers:
            raise errors.parse_failure(f"pipeline [{pipeline_id}] cannot have an empty on_failure option defined")
        _Checker(cluster).processors(handlers)
    if rest:
        what = f"pipeline [{pipeline_id}] doesn't support one or more provided configuration parameters"
        raise errors.parse_failure(f"{what} [{', '.join(rest)}]")
    _check_number(cluster, pipeline_id, config)


def _check_number(cluster: Cluster, pipeline_id: str, config: Json) -> None:
    """Refuse more inference processors than the setting allows [G]."""
    limit = int(cluster.settings.get(MAX_INFERENCE_PROCESSORS, 50))
    mine = sum(1 for part in _PARTS for _name in _named(config.get(part), _DEPTH))
    if mine and inference_processors(cluster, pipeline_id) + mine > limit:
        reason = f"Max number of inference processors reached, total inference processors [{limit}]."
        advice = f"Adjust the setting [{MAX_INFERENCE_PROCESSORS}]: [{limit}] if a greater number is desired."
        raise errors.status(409, f"{reason} {advice}")


def _wrong(reason: str, *, kind: str | None = None, tag: str | None = None, name: str | None = None) -> errors.ApiError:
    """Return a complaint about a definition, with its details beside it in the order of the names."""
    about = {"processor_tag": tag, "processor_type": kind, "property_name": name}
    error = errors.parse_failure(f"[{name}] {reason}" if name is not None else reason)
    error.extra.update({key: value for key, value in about.items() if value is not None})
    return error


def java_class(value: Any) -> str:
    """Return Java's class of a value of JSON."""
    names = {str: "lang.String", bool: "lang.Boolean", int: "lang.Integer", float: "lang.Double", dict: "util.HashMap"}
    return f"java.{names.get(type(value), 'util.ArrayList')}"


def _optional(rest: Json, name: str, kind: type, processor: str | None = None, tag: str | None = None) -> Any:
    value = rest.pop(name, None)
    if value is None:
        return None
    words = {str: "a string", int: "an int", bool: "a boolean", dict: "a map"}
    fits = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
    if kind is int and isinstance(value, str) and value.lstrip("-").isdigit():
        fits = True
    if not fits:
        raise _wrong(
            f"property isn't {words[kind]}, but of type [{java_class(value)}]", kind=processor, tag=tag, name=name
        )
    return value


def _list(rest: Json, name: str, processor: str | None = None, tag: str | None = None) -> list[Any] | None:
    value = rest.pop(name, None)
    if value is not None and not isinstance(value, list):
        reason = f"property isn't a list, but of type [{java_class(value)}]"
        raise _wrong(reason, kind=processor, tag=tag, name=name)
    return value


class _Checker:
    """Processors of one pipeline; all of a list are checked: later complaints come as ``suppressed``."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def processors(self, listed: list[Any]) -> None:
        """Check a list of processors."""
        found: list[errors.ApiError] = []
        for each in listed:
            for kind, settings in each.items() if isinstance(each, dict) else ():
                try:
                    self.processor(kind, settings)
                except errors.ApiError as error:
                    found.append(error)
        if found:
            first, *others = found
            if others:
                first.extra["suppressed"] = [other.as_json() for other in others]
            raise first

    def processor(self, kind: str, settings: Any) -> None:
        """Check one processor."""
        if isinstance(settings, str) and kind == "script":
            return
        if not isinstance(settings, dict):
            raise _wrong(f"property isn't a map, but of type [{java_class(settings)}]", kind=kind)
        rest = dict(settings)
        tag = _optional(rest, "tag", str)
        if not is_known(kind, self._cluster.version):
            raise _wrong(f"No processor type exists with name [{kind}]", kind=kind, tag=tag)
        _optional(rest, "description", str, kind, tag)
        _optional(rest, "ignore_failure", bool, kind, tag)
        handlers = _list(rest, "on_failure", kind, tag)
        if handlers is not None:
            if not handlers:
                raise _wrong("processors list cannot be empty", kind=kind, tag=tag, name="on_failure")
            self.processors(handlers)
        rest.pop("if", None)
        self._own(kind, tag, rest)

    def _own(self, kind: str, tag: str | None, rest: Json) -> None:
        if kind not in SETTINGS:
            return
        required, optional = SETTINGS[kind]
        for name in required:
            # An appended value may come from another field (9.2 on).
            if rest.get(name) is None and not (kind == "append" and name == "value" and "copy_from" in rest):
                raise _wrong("required property is missing", kind=kind, tag=tag, name=name)
        if kind == "set":
            _check_set(tag, rest)
        if kind == "foreach":
            self._inner(rest["processor"], tag)
        unknown = [name for name in rest if name not in (*required, *optional)]
        if unknown:
            what = f"processor [{kind}] doesn't support one or more provided configuration parameters"
            raise _wrong(f"{what} [{', '.join(unknown)}]", kind=kind, tag=tag)

    def _inner(self, inner: Any, tag: str | None) -> None:
        """Check the one processor of a loop."""
        if not isinstance(inner, dict):
            reason = f"property isn't a map, but of type [{java_class(inner)}]"
            raise _wrong(reason, kind="foreach", tag=tag, name="processor")
        if len(inner) != 1:
            raise _wrong("Must specify exactly one processor type", kind="foreach", tag=tag, name="processor")
        for kind, settings in inner.items():
            self.processor(kind, settings)


def _check_set(tag: str | None, rest: Json) -> None:
    """Require either a value or a field to copy."""
    if "value" in rest and "copy_from" in rest:
        reason = "cannot set both `copy_from` and `value` in the same processor"
        raise _wrong(reason, kind="set", tag=tag, name="copy_from")
    if rest.get("value") is None and "copy_from" not in rest:
        raise _wrong("required property is missing", kind="set", tag=tag, name="value")


def is_known(kind: str, version: Features) -> bool:
    """Return whether the version has a processor."""
    return kind in _TYPES and version.at_least(_NEWER.get(kind, (8, 0, 0)))


# --- versions ---


def check_version(current: Pipeline | None, pipeline_id: str, desired: int, config: Json) -> None:
    """Check ``if_version``: no other client may have changed the pipeline."""
    conflict = f"version conflict, required version [{desired}] for pipeline [{pipeline_id}]"
    if current is None:
        raise errors.illegal_argument(f"{conflict} but no pipeline was found")
    now = current.config.get("version")
    if now != desired:
        raise errors.illegal_argument(f"{conflict} but current version is [{java_text(now)}]")
    if config.get("version") == desired:
        raise errors.illegal_argument(f"cannot update pipeline [{pipeline_id}] with the same version [{desired}]")
    if "version" not in config:
        config["version"] = desired + 1

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a pipeline over documents that are only simulated.

The processors of ``pipelines.SETTINGS`` run; any other one, a condition (Painless) or a template with more than a field
is refused in the document's place, saying that it is the emulator that cannot.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from ..wire import errors
from ..wire.values import instant_text
from .pipelines import SETTINGS, is_known, java_class

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]
Infer = Callable[[str, Json, Json], Json]
"""Model, settings of the processor, document: what the model says about it."""

_TEMPLATE: Final = re.compile(r"\{\{\{?\s*([A-Za-z0-9_.]+)\s*\}?\}\}")
_METADATA: Final = ("_index", "_id", "_routing", "_version", "_version_type")
_MISSING: Final = object()


class Dropped(Exception):  # noqa: N818
    """A document that was dropped."""


def not_played(what: str) -> errors.ApiError:
    """Return the refusal of what the emulator does not play."""
    return errors.illegal_argument(f"the double does not play {what}")


class Document:
    """A document on its way: fields, metadata and what belongs to the ingestion."""

    def __init__(self, given: Json, now: int) -> None:
        self.metadata: Json = {"_index": "_index", "_id": "_id", "_version": "-3"}
        self.metadata.update({name: given[name] for name in _METADATA if name in given})
        self.source: Json = copy.deepcopy(given.get("_source") or {})
        self.ingest: Json = {"timestamp": instant_text(now)}

    def as_json(self) -> Json:
        """Return it as the answer shows it."""
        shown = {name: str(value) if name == "_version" else value for name, value in self.metadata.items()}
        return {"doc": {**shown, "_source": self.source, "_ingest": self.ingest}}

    def _root(self, path: str) -> tuple[Json, list[str]]:
        if path in _METADATA:
            return self.metadata, [path]
        first, _dot, rest = path.partition(".")
        if first in ("_source", "_ingest") and rest:
            return (self.source if first == "_source" else self.ingest), rest.split(".")
        return self.source, path.split(".")

    def get(self, path: str) -> Any:
        """Return a value, or ``_MISSING``."""
        at, parts = self._root(path)
        found: Any = at
        for part in parts:
            if isinstance(found, dict) and part in found:
                found = found[part]
            elif isinstance(found, list) and part.isdigit() and int(part) < len(found):
                found = found[int(part)]
            else:
                return _MISSING
        return found

    def required(self, path: str) -> Any:
        """Return a value that must be present."""
        found = self.get(path)
        if found is _MISSING:
            last = path.rpartition(".")[2]
            text = f"field [{last}] not present as part of path [{path}]"
            raise errors.illegal_argument(text)
        return found

    def put(self, path: str, value: Any) -> None:
        """Set a value; objects on the way are made."""
        at, parts = self._root(path)
        for part in parts[:-1]:
            inner = at.setdefault(part, {})
            if not isinstance(inner, dict):
                raise errors.illegal_argument(
                    f"cannot set [{parts[-1]}] with parent object of type as part of [{path}]"
                )
            at = inner
        at[parts[-1]] = value

    def remove(self, path: str) -> None:
        """Remove a value."""
        self.required(path)
        at, parts = self._root(path)
        for part in parts[:-1]:
            at = at[part]
        del at[parts[-1]]

    def rendered(self, value: Any) -> Any:
        """Fill in templates that name one field, anywhere in a value."""
        if isinstance(value, dict):
            return {name: self.rendered(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self.rendered(each) for each in value]
        if not isinstance(value, str):
            return value
        filled = _TEMPLATE.sub(self._field, value)
        if "{{" in filled:
            raise not_played("templates with more than fields")
        return filled

    def _field(self, match: re.Match[str]) -> str:
        found = self.get(match[1])
        return "" if found is _MISSING else str(found)


class Ingestion:
    """Runs pipelines of one cluster; ``infer`` asks a model."""

    def __init__(self, cluster: Cluster, infer: Infer) -> None:
        self._cluster = cluster
        self._infer = infer
        self._running: list[str] = []

    def run(self, config: Json, document: Document) -> None:
        """Run all processors of a pipeline; its ``on_failure`` if one fails."""
        handlers = config.get("on_failure")
        try:
            self._all(config.get("processors", []), document)
        except errors.ApiError as error:
            if not handlers:
                raise
            self._handled(handlers, document, error, "", {})

    def _all(self, processors: list[Json], document: Document) -> None:
        for each in processors:
            for kind, settings in each.items():
                self._one(kind, settings, document)

    def _one(self, kind: str, settings: Json, document: Document) -> None:
        if not is_known(kind, self._cluster.version) or kind not in SETTINGS:
            raise not_played(f"the processor [{kind}]")
        if "if" in settings:
            raise not_played("conditions of processors")
        try:
            _PROCESSORS[kind](self, settings, document)
        except errors.ApiError as error:
            if settings.get("ignore_failure") is True:
                return
            if not settings.get("on_failure"):
                raise
            self._handled(settings["on_failure"], document, error, kind, settings)

    def _handled(self, handlers: list[Json], document: Document, error: errors.ApiError, kind: str, by: Json) -> None:
        about = {"on_failure_message": error.reason, "on_failure_processor_type": kind}
        document.ingest.update({**about, "on_failure_processor_tag": by.get("tag")})
        self._all(handlers, document)
        for name in (*about, "on_failure_processor_tag"):
            document.ingest.pop(name, None)

    # --- processors ---

    def _set(self, settings: Json, document: Document) -> None:
        field = document.rendered(settings["field"])
        if settings.get("override", True) is False and document.get(field) not in (_MISSING, None):
            return
        if "copy_from" in settings:
            value = copy.deepcopy(document.required(settings["copy_from"]))
        else:
            value = document.rendered(settings["value"])
        if settings.get("ignore_empty_value") is True and value in (None, ""):
            return
        document.put(field, value)

    def _remove(self, settings: Json, document: Document) -> None:
        if "keep" in settings:
            kept = set(_listed(settings["keep"]))
            for name in [name for name in document.source if name not in kept]:
                del document.source[name]
            return
        for field in map(document.rendered, _listed(settings.get("field", []))):
            if document.get(field) is _MISSING and settings.get("ignore_missing") is True:
                continue
            document.remove(field)

    def _rename(self, settings: Json, document: Document) -> None:
        field, target = document.rendered(settings["field"]), document.rendered(settings["target_field"])
        if document.get(field) is _MISSING:
            if settings.get("ignore_missing") is True:
                return
            raise errors.illegal_argument(f"field [{field}] doesn't exist")
        if document.get(target) is not _MISSING and settings.get("override") is not True:
            raise errors.illegal_argument(f"field [{target}] already exists")
        value = document.required(field)
        document.remove(field)
        document.put(target, value)

    def _append(self, settings: Json, document: Document) -> None:
        field = document.rendered(settings["field"])
        found = document.get(field)
        values = [] if found is _MISSING else list(_listed(found))
        more = document.required(settings["copy_from"]) if "copy_from" in settings else settings["value"]
        for value in _listed(document.rendered(more)):
            if settings.get("allow_duplicates", True) or value not in values:
                values.append(value)
        document.put(field, values)

    def _text(self, change: Callable[[str], str]) -> Callable[[Json, Document], None]:
        def run(settings: Json, document: Document) -> None:
            field = settings["field"]
            value = document.get(field)
            if value in (_MISSING, None) and settings.get("ignore_missing") is True:
                return
            value = document.required(field)
            if not isinstance(value, str):
                kind = java_class(value)
                raise errors.illegal_argument(f"field [{field}] of type [{kind}] cannot be cast to [java.lang.String]")
            target: str = settings.get("target_field") or field
            document.put(target, change(value))

        return run

    def _fail(self, settings: Json, document: Document) -> None:
        raise errors.ApiError(500, "fail_processor_exception", document.rendered(settings["message"]))

    def _drop(self, settings: Json, document: Document) -> None:
        raise Dropped

    def _pipeline(self, settings: Json, document: Document) -> None:
        name = document.rendered(settings["name"])
        found = self._cluster.pipelines.get(name)
        if found is None:
            if settings.get("ignore_missing_pipeline") is True:
                return
            raise errors.illegal_argument(f"Pipeline processor configured for non-existent pipeline [{name}]")
        if name in self._running:
            raise errors.illegal_argument(f"Cycle detected for pipeline: {name}")
        self._running.append(name)
        try:
            self.run(found.config, document)
        finally:
            self._running.pop()

    def _foreach(self, settings: Json, document: Document) -> None:
        field = settings["field"]
        if document.get(field) in (_MISSING, None) and settings.get("ignore_missing") is True:
            return
        values = document.required(field)
        if not isinstance(values, list):
            raise not_played("loops over objects")
        ((kind, inner),) = settings["processor"].items()
        changed = []
        for value in values:
            document.ingest["_value"] = value
            self._one(kind, inner, document)
            changed.append(document.ingest.pop("_value"))
        document.put(field, changed)

    def _inference(self, settings: Json, document: Document) -> None:
        found = self._infer(str(settings["model_id"]), settings, document.source)
        for field, value in found.items():
            document.put(field, value)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


_PROCESSORS: Final[Mapping[str, Callable[[Ingestion, Json, Document], None]]] = {
    "append": Ingestion._append,
    "drop": Ingestion._drop,
    "fail": Ingestion._fail,
    "foreach": Ingestion._foreach,
    "inference": Ingestion._inference,
    "lowercase": lambda self, settings, document: self._text(str.lower)(settings, document),
    "pipeline": Ingestion._pipeline,
    "remove": Ingestion._remove,
    "rename": Ingestion._rename,
    "set": Ingestion._set,
    "trim": lambda self, settings, document: self._text(str.strip)(settings, document),
    "uppercase": lambda self, settings, document: self._text(str.upper)(settings, document),
}

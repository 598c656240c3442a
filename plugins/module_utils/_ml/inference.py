# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One inference: what a model gets by its task, the request, and whether a refusal of it may pass. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from .._core.durations import elasticsearch_time
from .._core.errors import ApiError
from .._core.features import Feature
from .._core.http.client import Request, quote
from .._core.http.schema import Schema, list_of, object_with, text
from .._core.server import Server

Json = dict[str, t.Any]

# --- the model ---

PYTORCH = "pytorch"
TREE = "tree_ensemble"
_ROWS = "trained_model_configs"
MODEL_QUERY = {
    "filter_path": ",".join(
        f"{_ROWS}.{name}" for name in ("model_id", "model_type", "inference_config", "input.field_names")
    )
}
MODEL_SCHEMA = object_with(
    trained_model_configs=list_of(
        object_with(
            "model_id",
            model_id=text,
            model_type=text,
            inference_config=object_with(),
            input=object_with(field_names=list_of(text)),
        )
    )
)
"""Of the answer to a read of one model with :data:`MODEL_QUERY`."""


@dataclasses.dataclass(frozen=True)
class InferenceModel:
    """A model, as far as an inference needs to know it. ``settings``: its inference configuration for its ``task``."""

    model_id: str
    model_type: str = PYTORCH
    task: str | None = None
    settings: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    field_names: tuple[str, ...] = ()

    @classmethod
    def from_api(cls, raw: t.Mapping[str, t.Any]) -> InferenceModel:
        """Return it from ``GET _ml/trained_models``."""
        task, settings = next(iter((raw.get("inference_config") or {}).items()), (None, None))
        return cls(
            str(raw["model_id"]),
            str(raw.get("model_type") or PYTORCH),
            task,
            settings if isinstance(settings, dict) else {},
            tuple((raw.get("input") or {}).get("field_names") or ()),
        )

    @property
    def needs_deployment(self) -> bool:
        return self.model_type == PYTORCH


# --- what it gets ---

TEXT = "This is a test."
_TEXTS = {"ner": "Ada Lovelace lived in London."}
_FIELD = "input"
"""The input field of a model that names none (around-deployments.md 5.1)."""
_MASKS = {"mpnet": "<mask>", "roberta": "<mask>", "xlm_roberta": "<mask>", "byte_level_bpe": "<mask>"}
_MASK = "[MASK]"
"""What the other tokenizers replace."""
_NEEDED: t.Mapping[str, t.Mapping[str, t.Any]] = {
    "question_answering": {"question": "What is this?"},
    "text_similarity": {"text": "This is another test."},
    "zero_shot_classification": {"labels": ["test", "other"]},
}
"""Task to the settings without which Elasticsearch refuses an inference."""


def example_docs(model: InferenceModel) -> list[Json]:
    """Return one tiny document that *model* can take: a text, or a number in each field of a tree ensemble."""
    if model.model_type == TREE:
        return [dict.fromkeys(model.field_names, 0)]
    example = _TEXTS.get(model.task or "", TEXT)
    if model.task == "fill_mask":
        example = f"This is a {_mask(model.settings)}."
    return [{next(iter(model.field_names), _FIELD): example}]


def needed_config(model: InferenceModel) -> Json | None:
    """Return the ``inference_config`` without which *model* takes no document; ``None`` if it needs none."""
    needed = _NEEDED.get(model.task or "", {})
    missing = {name: value for name, value in needed.items() if not model.settings.get(name)}
    return {str(model.task): missing} if missing else None


def _mask(settings: t.Mapping[str, t.Any]) -> str:
    """Return the word that a model fills in; servers before 8.10 show only the kind of its tokenizer."""
    kind = next(iter(settings.get("tokenization") or ()), "")
    return str(settings.get("mask_token") or _MASKS.get(kind, _MASK))


# --- the request and its answer ---

ANSWER: Schema = object_with(inference_results=list_of(object_with()))


def several_docs(server: Server) -> bool:
    """Return whether one request takes several documents, and a model that needs no deployment."""
    return server.supports(Feature.INFERENCE_BY_NAME)


def to_request(server: Server, name: str, docs: t.Sequence[Json], config: Json | None, timeout: float) -> Request:
    """Return the request of an inference. *timeout*: seconds that Elasticsearch may take, above 0."""
    body: Json = {"docs": list(docs), **({"inference_config": config} if config else {})}
    action = "_infer" if several_docs(server) else "deployment/_infer"
    path = f"/_ml/trained_models/{quote(name)}/{action}"
    return Request("POST", path, {"timeout": elasticsearch_time(timeout)}, body)


def results_in(answer: Json) -> list[Json]:
    """Return the result of each document; before Elasticsearch 8.3 the answer is that of the only one."""
    return list(answer.get("inference_results") or ()) if "inference_results" in answer else [answer]


# --- refusals that may pass ---


class _Passing(t.NamedTuple):
    """*said*: a part of the reason. *why* completes "it does not answer yet: ..."."""

    statuses: t.Sequence[int]
    said: str
    why: str


_RESTARTS = "its process restarts"
_PASSING = (
    _Passing((409,), "is not initialized", "not initialized"),
    _Passing((409,), "is not allocated to any nodes", "no node runs it"),
    _Passing((409,), "process context missing", "not initialized"),
    _Passing((409,), "is [stopping]", "it is being stopped"),
    _Passing((409,), "is STOPPING", "it is being stopped"),
    _Passing((404,), "Unable to find model deployment task", "its task is not found"),
    _Passing((429,), "queue is full", "its queue is full"),
    _Passing((429,), "waiting for an allocation", "too many requests wait for it to wake"),
    _Passing((409, 500), "Timed out when waiting for trained model assignment", "it does not wake yet"),
    _Passing((409, 500, 429), "no ML nodes with sufficient capacity", "no node has room to wake it"),
    _Passing((409, 500), "process died unexpectedly", _RESTARTS),
    _Passing((409, 500), "process is stopping", _RESTARTS),
    _Passing((429,), "worker service has shutdown", _RESTARTS),
    _Passing((408,), "", "it took too long"),
)
"""Sources: around-deployments.md 5.1."""
_PASSING_KINDS = {
    "connection": "no connection",
    "timeout": "no answer in time",
    "unavailable": "the cluster or a gateway is not available",
}


def may_pass(error: ApiError) -> str | None:
    """Return why an inference was refused that may be answered soon, in few words of ours; ``None`` if it never is."""
    reason = error.reason or ""
    for row in _PASSING:
        if error.status in row.statuses and row.said in reason:
            return row.why
    return _PASSING_KINDS.get(error.kind)


class DocumentError(t.NamedTuple):
    """A document that was not inferred, as Elasticsearch says it. ``why``: as of :func:`may_pass`."""

    said: str
    why: str | None


def error_in(results: t.Sequence[Json]) -> DocumentError | None:
    """Return the first error in *results*, which stands in place of a prediction."""
    said = next((str(each) for result in results if (each := result.get("error") or result.get("warning"))), None)
    if said is None:
        return None
    return DocumentError(said, next((row.why for row in _PASSING if row.said and row.said in said), None))

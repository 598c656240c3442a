# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List the inference services of each version, and describe them as ``_services`` does.

Services, their tasks and the release that brought them are those of the public specification; a patch in between is
[U]. Of services outside of the cluster the settings are not described.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from . import task_types
from .endpoints import ANY, ELASTICSEARCH, RERANK, SPARSE, TEXT
from .task_types import CHAT, COMPLETION, EMBEDDING
from .versions import Features, Triple

Json = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Service:
    """One service: its release, its name for people, and its task types."""

    since: Triple
    title: str
    tasks: tuple[str, ...]


_EMBEDS: Final = (TEXT, COMPLETION)
_CHATS: Final = (COMPLETION, CHAT)
_ALL: Final = (TEXT, RERANK, *_CHATS)
SERVICES: Final[Mapping[str, Service]] = {
    ELASTICSEARCH: Service((8, 13, 0), "Elasticsearch", (TEXT, SPARSE, RERANK)),
    "hugging_face": Service((8, 12, 0), "Hugging Face", (*_ALL, SPARSE)),
    "openai": Service((8, 12, 0), "OpenAI", (TEXT, *_CHATS)),
    "cohere": Service((8, 13, 0), "Cohere", _ALL),
    "azureaistudio": Service((8, 14, 0), "Azure AI Studio", _EMBEDS),
    "azureopenai": Service((8, 14, 0), "Azure OpenAI", (TEXT, *_CHATS)),
    "amazonbedrock": Service((8, 15, 0), "Amazon Bedrock", (TEXT, *_CHATS)),
    "googleaistudio": Service((8, 15, 0), "Google AI Studio", _EMBEDS),
    "googlevertexai": Service((8, 15, 0), "Google Vertex AI", _ALL),
    "mistral": Service((8, 15, 0), "Mistral", (TEXT, *_CHATS)),
    "alibabacloud-ai-search": Service((8, 16, 0), "AlibabaCloud AI Search", (TEXT, SPARSE, RERANK, COMPLETION)),
    "anthropic": Service((8, 16, 0), "Anthropic", _CHATS),
    "watsonxai": Service((8, 16, 0), "IBM watsonx", _ALL),
    "elastic": Service((8, 16, 0), "Elastic", (TEXT, SPARSE, RERANK, *_CHATS, EMBEDDING)),
    "jinaai": Service((8, 18, 0), "Jina AI", (TEXT, RERANK, EMBEDDING)),
    "voyageai": Service((8, 19, 0), "Voyage AI", (TEXT, RERANK)),
    "deepseek": Service((8, 19, 0), "DeepSeek", _CHATS),
    "custom": Service((8, 19, 0), "Custom", (TEXT, SPARSE, RERANK, COMPLETION)),
    "amazon_sagemaker": Service((8, 19, 0), "Amazon SageMaker", (*_ALL, SPARSE)),
    "ai21": Service((9, 2, 0), "AI21", _CHATS),
    "contextualai": Service((9, 2, 0), "Contextual AI", (RERANK,)),
    "llama": Service((9, 2, 0), "Llama", (TEXT, *_CHATS)),
    "groq": Service((9, 3, 0), "Groq", (CHAT,)),
    "nvidia": Service((9, 3, 0), "Nvidia", _ALL),
    "openshift_ai": Service((9, 3, 0), "OpenShift AI", _ALL),
    "fireworksai": Service((9, 4, 0), "Fireworks AI", (TEXT, *_CHATS)),
}
_IN_CLUSTER: Final = {
    "model_id": ("Model ID", "str", True, False),
    "num_allocations": ("Number Allocations", "int", False, True),
    "num_threads": ("Number Threads", "int", True, False),
}
"""Settings of the service in the cluster: label, type, whether they are required, and whether they can be updated."""


def is_known(name: str, version: Features) -> bool:
    """Return whether a version has a service."""
    return name in SERVICES and version.at_least(SERVICES[name].since)


def listed(version: Features, task_type: str = ANY) -> list[Json]:
    """Return the description of each service that has a task, by their names."""
    found = []
    for name, service in sorted(SERVICES.items()):
        if is_known(name, version) and task_type in (ANY, *service.tasks):
            described = _configurations(service.tasks) if name == ELASTICSEARCH else {}
            found.append(shown(name, service.title, service.tasks, described, version))
    return found


def shown(name: str, title: str, tasks: tuple[str, ...], configurations: Json, version: Features) -> Json:
    """Return one service; its tasks stand in the server's order, whatever the order in which it names them."""
    ordered = [each for each in task_types.known(version) if each in tasks]
    return {"service": name, "name": title, "task_types": ordered, "configurations": configurations}


def _configurations(tasks: tuple[str, ...]) -> Json:
    return {
        name: {
            "description": label,
            "updatable": updatable,
            "label": label,
            "sensitive": False,
            "type": kind,
            "supported_task_types": list(tasks),
            "required": required,
        }
        for name, (label, kind, required, updatable) in _IN_CLUSTER.items()
    }

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the collection's code on an emulator in the test's own process, with a clock that only sleeps move."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import typing as t
from urllib.parse import urlencode

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from elastic_transport import ApiResponseMeta, BaseNode, ConnectionTimeout, HttpHeaders, NodeConfig
from elastic_transport import ConnectionError as DroppedError
from elastic_transport._models import DEFAULT
from elastic_transport._node._base import NodeApiResponse
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import ReadTimeoutError

from ansible_collections.mlops.elasticsearch.plugins.module_utils._alias import options as alias_options
from ansible_collections.mlops.elasticsearch.plugins.module_utils._alias import run as alias
from ansible_collections.mlops.elasticsearch.plugins.module_utils._alias.api import AliasCluster
from ansible_collections.mlops.elasticsearch.plugins.module_utils._cache import options as cache_options
from ansible_collections.mlops.elasticsearch.plugins.module_utils._cache import run as cache
from ansible_collections.mlops.elasticsearch.plugins.module_utils._cache.api import CacheCluster
from ansible_collections.mlops.elasticsearch.plugins.module_utils._capacity_info import options as capacity_options
from ansible_collections.mlops.elasticsearch.plugins.module_utils._capacity_info import run as capacity_info
from ansible_collections.mlops.elasticsearch.plugins.module_utils._capacity_info.api import CapacityCluster
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.http.client import Client
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.connection import (
    CONNECTION,
    Connection,
    connection,
)
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment import run as deployment
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment import run_fleet as deployments
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment import run_info as info
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.api.cluster import Cluster
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options import deployment as options
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options import fleet as fleet_options
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.task_run import TaskRun
from ansible_collections.mlops.elasticsearch.plugins.module_utils._endpoint import options as endpoint_options
from ansible_collections.mlops.elasticsearch.plugins.module_utils._endpoint import run as endpoint
from ansible_collections.mlops.elasticsearch.plugins.module_utils._endpoint.api import EndpointCluster
from ansible_collections.mlops.elasticsearch.plugins.module_utils._endpoint_info import options as endpoint_info_options
from ansible_collections.mlops.elasticsearch.plugins.module_utils._endpoint_info import run as endpoint_info
from ansible_collections.mlops.elasticsearch.plugins.module_utils._endpoint_info.api import EndpointInfoCluster
from ansible_collections.mlops.elasticsearch.plugins.module_utils._inference import options as inference_options
from ansible_collections.mlops.elasticsearch.plugins.module_utils._inference import run as inference
from ansible_collections.mlops.elasticsearch.plugins.module_utils._inference.api import InferenceCluster
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model import options as model_options
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model import run as trained_model
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.api import ModelCluster
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model_info import options as model_info_options
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model_info import run as model_info
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model_info.api import ModelInfoCluster
from ansible_collections.mlops.elasticsearch.plugins.module_utils._region_policy import options as region_policy_options
from ansible_collections.mlops.elasticsearch.plugins.module_utils._region_policy import run as region_policy
from ansible_collections.mlops.elasticsearch.plugins.module_utils._region_policy.api import RegionPolicyCluster
from ansible_collections.mlops.elasticsearch.plugins.module_utils._semantic_text import options as semantic_text_options
from ansible_collections.mlops.elasticsearch.plugins.module_utils._semantic_text import run as semantic_text
from ansible_collections.mlops.elasticsearch.plugins.module_utils._semantic_text.api import FieldCluster
from ansible_collections.mlops.elasticsearch.plugins.module_utils._upgrade_mode import options as upgrade_mode_options
from ansible_collections.mlops.elasticsearch.plugins.module_utils._upgrade_mode import run as upgrade_mode
from ansible_collections.mlops.elasticsearch.plugins.module_utils._upgrade_mode.api import UpgradeModeCluster
from ansible_collections.mlops.elasticsearch.plugins.module_utils._watch import options as watch_options
from ansible_collections.mlops.elasticsearch.plugins.module_utils._watch import run as watch
from ansible_collections.mlops.elasticsearch.plugins.module_utils._watch.api import WatchCluster
from emulator.inprocess import ConnectionDropped
from emulator.state.nodes import parse_node
from support import emulated_versions
from support.untraced import UntracedCluster

Json = dict[str, t.Any]
Answer = tuple[int, list[tuple[str, str]], bytes]
USER = {"username": "runner", "password": "not-a-secret"}
NODES = ("n1=4,16gb", "n2=4,16gb")
MODELS = (("m", 1 << 20), ("other", 2 << 20))
NEVER_ANSWERED = "no answer, ever"
"""The emulator's words for a request that it would never answer."""


class Killed(BaseException):
    """The end of the process."""


class TurnedClock:
    """A clock that only sleeps move; each sleep lets the nodes catch up once."""

    def __init__(self, tick: t.Callable[[], object]) -> None:
        self._tick = tick
        self._now = 0.0

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds
        self._tick()


class Emulator:
    """A cluster of its own, and the collection's code on it."""

    def __init__(
        self,
        version: str,
        nodes: t.Sequence[str] = NODES,
        models: t.Sequence[tuple[str, int]] = MODELS,
        flavor: str = "default",
    ) -> None:
        self.version = version
        self.flavor = flavor
        emulated_versions.VERSIONS.add(version)
        self._inner = UntracedCluster(version, [parse_node(node) for node in nodes], models, flavor=flavor)
        self.clock = TurnedClock(self.pass_time)
        self.login: Json = {}
        self.unsound = False
        """True if the test is about an internal error of the code under test."""
        self.reported: list[str] = []
        """The messages that a user sees during a wait."""
        self.task_runs: list[TaskRun] = []
        """The runs of tasks, with the states of their deployments."""

    def close(self) -> None:
        self._inner.close()

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def request(self, method: str, target: str, headers: t.Mapping[str, str], body: bytes | None) -> Answer:
        """Answer a request of the code under test; a test may replace this method.

        :raises ConnectionDropped: there is no answer.
        """
        return self._inner.request(method, target, headers, body)

    def pass_time(self) -> None:
        """Let time pass while the code under test sleeps once; a test may replace this method."""
        self._inner.tick()

    def _client(self, connection: Connection, sleep: t.Callable[[float], None]) -> Client:
        return Client(connection, sleep, node_class=_node_class(self, connection.request_timeout))

    def connect(self, connection: Connection, sleep: t.Callable[[float], None]) -> Cluster:
        return Cluster(self._client(connection, sleep))

    def connect_aliases(self, connection: Connection, sleep: t.Callable[[float], None]) -> AliasCluster:
        return AliasCluster(self._client(connection, sleep))

    def connect_models(self, connection: Connection, sleep: t.Callable[[float], None]) -> ModelCluster:
        return ModelCluster(self._client(connection, sleep), sleep)

    def connect_endpoints(self, connection: Connection, sleep: t.Callable[[float], None]) -> EndpointCluster:
        return EndpointCluster(self._client(connection, sleep), sleep)

    def connect_capacity(self, connection: Connection, sleep: t.Callable[[float], None]) -> CapacityCluster:
        return CapacityCluster(self._client(connection, sleep))

    def connect_caches(self, connection: Connection, sleep: t.Callable[[float], None]) -> CacheCluster:
        return CacheCluster(self._client(connection, sleep))

    def connect_upgrade_mode(self, connection: Connection, sleep: t.Callable[[float], None]) -> UpgradeModeCluster:
        return UpgradeModeCluster(self._client(connection, sleep))

    def connect_endpoint_info(self, connection: Connection, sleep: t.Callable[[float], None]) -> EndpointInfoCluster:
        return EndpointInfoCluster(self._client(connection, sleep))

    def connect_region_policy(self, connection: Connection, sleep: t.Callable[[float], None]) -> RegionPolicyCluster:
        return RegionPolicyCluster(self._client(connection, sleep))

    def connect_fields(self, connection: Connection, sleep: t.Callable[[float], None]) -> FieldCluster:
        return FieldCluster(self._client(connection, sleep))

    def connect_inference(self, connection: Connection, sleep: t.Callable[[float], None]) -> InferenceCluster:
        return InferenceCluster(self._client(connection, sleep))

    def connect_watch(self, connection: Connection, sleep: t.Callable[[float], None]) -> WatchCluster:
        return WatchCluster(self._client(connection, sleep))

    def connect_model_info(self, connection: Connection, sleep: t.Callable[[float], None]) -> ModelInfoCluster:
        return ModelInfoCluster(self._client(connection, sleep))

    def connected(self) -> Cluster:
        """Return the cluster as the collection sees it, with the privileges of :meth:`allow`. Its server is read."""
        given = {"hosts": ["http://double:9200"], "request_retries": 1, **self.login}
        checked = ArgumentSpecValidator(**CONNECTION.to_kwargs()).validate(given)
        assert not checked.error_messages, checked.error_messages
        cluster = self.connect(connection(checked.validated_parameters), self.clock.sleep)
        cluster.read_server()
        return cluster

    def run(self, check_mode: bool = False, **given: t.Any) -> Json:
        """Return the result of the module ``trained_model_deployment``; ``warnings`` beside it."""
        checked = ArgumentSpecValidator(**options.SPEC.to_kwargs()).validate(
            {"hosts": ["http://double:9200"], "wait_timeout": 30, "request_retries": 1, **self.login, **given}
        )
        assert not checked.error_messages, checked.error_messages
        params = checked.validated_parameters
        outcome = deployment.run(params, check_mode, **self._surroundings)
        return {**self._sound(outcome.result), "warnings": list(outcome.warnings)}

    def run_many(self, items: t.Sequence[Json], check_mode: bool = False, **given: t.Any) -> Json:
        """Return the result of the module ``trained_model_deployments``; ``warnings`` beside it."""
        checked = ArgumentSpecValidator(**fleet_options.SPEC.to_kwargs()).validate(
            {
                "hosts": ["http://double:9200"],
                "wait_timeout": 30,
                "request_retries": 1,
                **self.login,
                **given,
                "deployments": list(items),
            }
        )
        assert not checked.error_messages, checked.error_messages
        params = checked.validated_parameters
        outcome = deployments.run(params, check_mode, **self._surroundings)
        return {**self._sound(outcome.result), "warnings": list(outcome.warnings)}

    @property
    def _surroundings(self) -> Json:
        """Return what a run gets from outside. It stays in :attr:`task_runs`, also if it is killed."""
        return {
            "connect": self.connect,
            "clock": self.clock,
            "show_progress": self.reported.append,
            "begun": self.task_runs.append,
        }

    def _ended(
        self, options: t.Any, module: t.Any, connect: t.Any, given: Json, check_mode: bool, **more: t.Any
    ) -> Json:
        """Return the result of a module with what is *given*; ``warnings`` beside it."""
        checked = ArgumentSpecValidator(**options.SPEC.to_kwargs()).validate(
            {"hosts": ["http://double:9200"], "request_retries": 1, **self.login, **given}
        )
        assert not checked.error_messages, checked.error_messages
        outcome = module.run(checked.validated_parameters, check_mode, connect=connect, clock=self.clock, **more)
        return {**self._sound(outcome.result), "warnings": list(outcome.warnings)}

    @property
    def _watched(self) -> Json:
        return {"show_progress": self.reported.append}

    def run_alias(self, check_mode: bool = False, **given: t.Any) -> Json:
        """Return the result of the module ``trained_model_alias``; ``warnings`` beside it."""
        return self._ended(alias_options, alias, self.connect_aliases, given, check_mode)

    def clear_cache(self, deployment_id: str = "m", check_mode: bool = False, **given: t.Any) -> Json:
        """Return the result of the module ``trained_model_cache``; ``warnings`` beside it."""
        given = {"deployment_id": deployment_id, **given}
        return self._ended(cache_options, cache, self.connect_caches, given, check_mode)

    def upgrade_mode(self, enabled: bool, check_mode: bool = False, **given: t.Any) -> Json:
        """Return the result of the module ``ml_upgrade_mode``; ``warnings`` beside it."""
        given = {"enabled": enabled, **given}
        connect = self.connect_upgrade_mode
        return self._ended(upgrade_mode_options, upgrade_mode, connect, given, check_mode, **self._watched)

    def region_policy(self, check_mode: bool = False, **given: t.Any) -> Json:
        """Return the result of the module ``inference_region_policy``; ``warnings`` beside it."""
        return self._ended(region_policy_options, region_policy, self.connect_region_policy, given, check_mode)

    def field(self, check_mode: bool = False, **given: t.Any) -> Json:
        """Return the result of the module ``semantic_text_field``; ``warnings`` beside it."""
        given = {"index": "i", "field": "f", "inference_id": "e", **given}
        return self._ended(semantic_text_options, semantic_text, self.connect_fields, given, check_mode)

    def infer(self, deployment_id: str = "m", check_mode: bool = False, **given: t.Any) -> Json:
        """Return the result of the module ``trained_model_infer``; ``warnings`` beside it."""
        given = {"wait_timeout": 30, "deployment_id": deployment_id, **given}
        return self._ended(inference_options, inference, self.connect_inference, given, check_mode, **self._watched)

    def watch(self, *ids: str, check_mode: bool = False, **given: t.Any) -> Json:
        """Return the result of the module ``trained_model_deployment_watch``; ``warnings`` beside it."""
        given = {"deployment_id": list(ids or ("m",)), **given}
        return self._ended(watch_options, watch, self.connect_watch, given, check_mode, **self._watched)

    def run_model(self, check_mode: bool = False, **given: t.Any) -> Json:
        """Return the result of the module ``trained_model``; ``warnings`` beside it."""
        return self._ended(model_options, trained_model, self.connect_models, given, check_mode, **self._watched)

    def run_endpoint(self, check_mode: bool = False, **given: t.Any) -> Json:
        """Return the result of the module ``inference_endpoint``; ``warnings`` beside it."""
        given = {"wait_timeout": 30, **given}
        return self._ended(endpoint_options, endpoint, self.connect_endpoints, given, check_mode, **self._watched)

    def info(self, *patterns: str, gather: t.Sequence[str] = ("routing", "nodes", "usage", "references")) -> Json:
        """Return the result of the module ``trained_model_deployment_info``; ``warnings`` beside it."""
        params = {
            "hosts": ["http://double:9200"],
            "validate_certs": True,
            "request_timeout": 60.0,
            "request_retries": 1,
            "deployment_id": list(patterns or ("*",)),
            "gather": list(gather),
            **self.login,
        }
        outcome = info.run(params, False, connect=self.connect, clock=self.clock)
        return {**self._sound(outcome.result), "warnings": list(outcome.warnings)}

    def models(self, *patterns: str, check_mode: bool = False, **given: t.Any) -> Json:
        """Return the result of the module ``trained_model_info``; ``warnings`` beside it."""
        given = {**({"model_id": list(patterns)} if patterns else {}), **given}
        return self._ended(model_info_options, model_info, self.connect_model_info, given, check_mode)

    def endpoints(self, *patterns: str, check_mode: bool = False, **given: t.Any) -> Json:
        """Return the result of the module ``inference_endpoint_info``; ``warnings`` beside it."""
        given = {**({"inference_id": list(patterns)} if patterns else {}), **given}
        return self._ended(endpoint_info_options, endpoint_info, self.connect_endpoint_info, given, check_mode)

    def capacity(self, check_mode: bool = False, **given: t.Any) -> Json:
        """Return the result of the module ``ml_capacity_info``; ``warnings`` beside it."""
        return self._ended(capacity_options, capacity_info, self.connect_capacity, given, check_mode)

    def _sound(self, result: Json) -> Json:
        """Return *result*; fail the test if it reports an internal error."""
        assert self.unsound or result.get("failure") != {"code": "internal_error"}, result["msg"]
        return result

    def api(self, method: str, target: str) -> int:
        """Return the status of a request, by none of the collection's code."""
        return self._inner.request(method, target, {}, None)[0]

    def send(self, call: Json) -> int:
        """Send a write as check mode lists it, by none of the collection's code, and return its status.

        With security on, it comes from the user of :meth:`allow`.
        """
        body = None if call["body"] is None else json.dumps(call["body"]).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        if self.login:
            credentials = f"{self.login['username']}:{self.login['password']}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(credentials).decode()}"
        return self._inner.request(call["method"], f"{call['path']}?{urlencode(call['query'])}", headers, body)[0]

    @contextlib.contextmanager
    def kill(self, survived: int = 0, sent: bool = False, what: str = "") -> t.Iterator[None]:
        """Let the process die at the request after *survived* others; *sent*: once that was answered.

        *what*: a part of their paths, so that others do not count.
        Nothing in the code under test catches :class:`Killed`, as nothing catches a SIGKILL.
        """
        request, numbers = self._inner.request, itertools.count()

        def dying(method: str, target: str, *arguments: t.Any) -> t.Any:
            number = next(numbers) if what in target else None
            if number == survived and not sent:
                raise Killed
            answer = request(method, target, *arguments)
            if number == survived:
                raise Killed
            return answer

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(self._inner, "request", dying)
            with contextlib.suppress(Killed):
                yield

    def control(self, method: str, path: str, body: t.Any = None) -> t.Any:
        return self._inner.control(method, path, body)

    def effect(self, do: str, **arguments: t.Any) -> None:
        self.control("POST", "/effects", {"do": do, **arguments})

    def fault(
        self, operation: str, do: Json, when: str = "before", times: int = 1, after: int = 0, path: str = "/**"
    ) -> None:
        body = {"operation": operation, "path": path, "when": when, "times": times, "after": after, "do": do}
        self.control("POST", "/faults", body)

    def settle(self) -> None:
        self.control("POST", "/settle")

    def allow(self, *privileges: str, indices: t.Mapping[str, str] | None = None) -> None:
        """Turn security on: from now on all requests come from one user with just these cluster privileges.

        *indices*: a pattern of indices to the privilege on them.
        """
        grants = [{"names": [pattern], "privileges": [name]} for pattern, name in (indices or {}).items()]
        self.control("POST", "/privileges", {**USER, "privileges": list(privileges), "indices": grants})
        self.login = dict(USER)

    def deployments(self) -> dict[str, Json]:
        """Return the assignments by deployment id, by none of the collection's code."""
        return t.cast("dict[str, Json]", self.control("GET", "/state")["deployments"])

    def journal(self) -> list[Json]:
        """Return every write that arrived."""
        return t.cast("list[Json]", self.control("GET", "/journal"))

    def forget(self) -> None:
        self.control("DELETE", "/journal")

    def read_only(self) -> None:
        self.control("POST", "/read_only", {"enabled": True})

    def has(self, *since: int) -> bool:
        return tuple(int(part) for part in self.version.split(".")) >= since


def _node_class(emulator: Emulator, patience: float) -> type[BaseNode]:
    class EmulatorNode(BaseNode):
        """A node of the client whose socket is a function call."""

        def __init__(self, config: NodeConfig) -> None:
            super().__init__(config)

        def perform_request(
            self,
            method: str,
            target: str,
            body: bytes | None = None,
            headers: HttpHeaders | None = None,
            request_timeout: t.Any = DEFAULT,
        ) -> NodeApiResponse:
            if self.config.host == "dead":
                raise DroppedError("connection refused")
            try:
                path = self.path_prefix + target
                status, answered, content = emulator.request(method, path, dict(headers or {}), body)
            except ConnectionDropped as exc:
                if NEVER_ANSWERED in str(exc):
                    emulator.clock.sleep(patience if request_timeout is DEFAULT else request_timeout)
                    late = ReadTimeoutError(ConnectionPool("emulator"), "", "Read timed out.")
                    raise ConnectionTimeout("Connection timed out during request") from late
                raise DroppedError("connection dropped", errors=(exc,)) from exc
            meta = ApiResponseMeta(
                node=self.config, duration=0.0, http_version="1.1", status=status, headers=HttpHeaders(answered)
            )
            return NodeApiResponse(meta, content)

        def close(self) -> None:
            """Close nothing."""

    return EmulatorNode

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replay exceptions as error objects."""

from __future__ import annotations

from collections.abc import Callable

from emulator.security import authentication, authorization, file
from emulator.security.store import Security
from emulator.state import coordination, licence, models, operations
from emulator.state.unknowns import Choices
from emulator.state.versions import Features, features
from emulator.wire import errors as made
from emulator.wire.call import Reply
from emulator.wire.errors import ApiError
from emulator.wire.failures import failure, version_conflict
from emulator.wire.router import Prepared
from emulator_tests.recordings import Row
from emulator_tests.replay import UNPLAYED, Outcome

_CODES = {
    "bad_request": 400,
    "conflict": 409,
    "too_many_requests": 429,
    "request_timeout": 408,
    "forbidden": 403,
    "internal_server_error": 500,
    "not_found": 404,
    "service_unavailable": 503,
}
_UPDATE = "cluster:admin/xpack/ml/trained_models/deployment/update"
_NUMBER = "[number_of_allocations] must be a positive integer"
_NO_NODES = "Could not start deployment because no suitable nodes were found, allocation explanation [none]"


def _security(version: Features, *, tokens: bool = False) -> Security:
    body = {"username": "bob", "privileges": ["monitor_ml"], "roles": ["monitor_only"]}
    return Security(file.one_user({**body, "bearer_token": "token" if tokens else None}, version), version, lambda: 0)


def _forbidden(version: Features) -> ApiError:
    security = _security(version)
    identity = authentication.of_user(security, security.users["bob"])
    try:
        authorization.authorize(Prepared(_UPDATE, _nothing), identity, security)
    except ApiError as error:
        return error
    raise AssertionError("monitor_ml is no right to update")


async def _nothing() -> Reply:
    return Reply(200)


def _unauthorized(reason: str, *, tokens: bool) -> Callable[[Features], ApiError]:
    return lambda version: authentication.unauthorized(_security(version, tokens=tokens), reason)


def _missing_model(version: Features) -> ApiError:
    return models.missing_model("ID", version)


def _capacity(version: Features) -> ApiError:
    return made.status(429, operations.NO_CAPACITY, ApiError(500, "illegal_state_exception", _NO_NODES))


def _blocked(settings: dict[str, bool], **state: bool) -> ApiError:
    """Return the refusal of a write to metadata."""
    blocks = coordination.Coordination(**state).blocking(coordination.METADATA_WRITE, settings)
    return coordination.blocked(blocks)


def _known(reason: str) -> Callable[[Features], ApiError]:
    """Return an error of a part of machine learning that is not played: its form only."""
    return lambda version: failure("resource_already_exists_exception", reason)


def _missing(reason: str) -> Callable[[Features], ApiError]:
    return lambda version: failure("resource_not_found_exception", reason)


def _guessed_timeout(version: Features) -> ApiError:
    """Return the recorder's guess, which is the other possibility of a switch."""
    choices = Choices()
    choices.choose("start_timeout_type", "status_exception")
    return operations.start_timed_out("dep", "30s", choices)


_MADE: dict[str, Callable[[Features], ApiError]] = {
    "timeout_exception": lambda version: coordination.timed_out("timeout_exception", "timed out", version, 500),
    "cluster_block_no_master": lambda version: _blocked({}, master=False),
    "cluster_block_not_recovered": lambda version: _blocked({}, recovered=False),
    "cluster_block_read_only": lambda version: _blocked({coordination.READ_ONLY: True}),
    "resource_not_found": lambda version: made.not_found("No known model deployment with id [dep]"),
    "resource_not_found_model": lambda version: made.not_found("Could not find trained model [mod]"),
    "status_with_cause": _capacity,
    "action_request_validation": lambda version: made.validation([_NUMBER, "second"]),
    "validation_exception": lambda version: made.validation([operations.NUMBER_WITH_ADAPTIVE], "validation_exception"),
    "illegal_argument": lambda version: made.illegal_argument("bad thing"),
    "runtime_null_message": lambda version: ApiError(500, "runtime_exception", None),
    "elasticsearch_exception": lambda version: ApiError(500, "exception", "plain [x]"),
    "elasticsearch_exception_wrapping_illegal_argument": lambda version: ApiError(
        500, "exception", "outer", made.illegal_argument("inner")
    ),
    "receive_timeout_transport": lambda version: ApiError(
        500, "exception", "wrapped", made.status(409, "inner conflict")
    ),
    "remote_transport_wrapping_conflict": lambda version: made.status(
        409, "cannot update deployment that is not in [started] state"
    ),
    "remote_transport_wrapping_validation": lambda version: made.validation([_NUMBER, "second"]),
    "remote_transport_wrapping_not_found": lambda version: made.not_found("No known model deployment with id [dep]"),
    "security_403": _forbidden,
    "security_401_unable": _unauthorized(
        "unable to authenticate user [bob] for REST request [/_ml/trained_models/dep/deployment/_update]", tokens=False
    ),
    "security_401_missing": _unauthorized("missing authentication credentials for REST request [/_ml]", tokens=True),
    "license_ml": lambda version: licence.non_compliant("ml"),
    "ExceptionsHelper.missingModelDeployment": lambda version: made.not_found("No known model deployment with id [ID]"),
    "ExceptionsHelper.missingTrainedModel": _missing_model,
    "ExceptionsHelper.serverError": lambda version: ApiError(500, "exception", "ID"),
    "ExceptionsHelper.badRequestException(varargs)": lambda version: made.status(400, "text [A]"),
    "ExceptionsHelper.serverError(varargs)": lambda version: ApiError(500, "exception", "text [A]"),
    "master_not_discovered": lambda version: failure("master_not_discovered_exception", ""),
    "not_master": lambda version: failure("not_master_exception", "no longer master"),
    "failed_to_commit": lambda version: failure(
        "failed_to_commit_cluster_state_exception", "node is no longer the master"
    ),
    "es_rejected": lambda version: failure("es_rejected_execution_exception", "queue full"),
    "version_conflict": lambda version: version_conflict("id1", 1, "idx", "uuid"),
    "task_cancelled": lambda version: failure("task_cancelled_exception", "task cancelled [by user request]"),
    "ExceptionsHelper.dataFrameAnalyticsAlreadyExists": _known("A data frame analytics with id [ID] already exists"),
    "ExceptionsHelper.datafeedAlreadyExists": _known("A datafeed with id [ID] already exists"),
    "ExceptionsHelper.jobAlreadyExists": _known("The job cannot be created with the Id 'ID'. The Id is already used."),
    "ExceptionsHelper.missingDataFrameAnalytics": _missing("No known data frame analytics with id [ID]"),
    "ExceptionsHelper.missingDatafeedException": _missing("No datafeed with id [ID] exists"),
    "ExceptionsHelper.missingJobException": _missing("No known job with id 'ID'"),
    "model_deployment_timeout_like": _guessed_timeout,
    "model_deployment_timeout": lambda version: operations.start_timed_out("dep", "30s", Choices()),
}


def _made(case: str, version: Features) -> ApiError | None:
    if case.startswith("status_") and case.removeprefix("status_") in _CODES:
        return made.status(_CODES[case.removeprefix("status_")], "message [a]")
    return _MADE[case](version) if case in _MADE else None


def errors(row: Row, version: str) -> Outcome:
    """Replay one exception as a REST answer."""
    if "error" not in row.data:
        # The class was not published: the record says nothing about what the server answers.
        return row.data, UNPLAYED
    error = _made(row.data["case"], features(version))
    played = UNPLAYED if error is None else [error.status, error.error_object()]
    return [row.data["status"], row.data["error"]], played

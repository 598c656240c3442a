# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How to reach a cluster: options, their environment variables, and who wins."""

from __future__ import annotations

import base64
import dataclasses
import math
import ssl
import typing as t
import urllib.parse

from .._records.errors import Refusal
from .spec import Spec

CONNECTION = Spec(
    {
        "hosts": {"type": "list", "elements": "str"},
        "api_key": {"type": "str", "no_log": True},
        "username": {"type": "str"},
        "password": {"type": "str", "no_log": True},
        "bearer_token": {"type": "str", "no_log": True},
        "validate_certs": {"type": "bool", "default": True},
        "ca_path": {"type": "path"},
        "request_timeout": {"type": "float", "default": 60.0},
        "request_retries": {"type": "int", "default": 3},
    }
)

AUTHENTICATION = ("api_key", "username", "password", "bearer_token")

ENVIRONMENT: dict[str, tuple[str, ...]] = {
    "hosts": ("ELASTICSEARCH_ENDPOINTS", "ELASTICSEARCH_URL"),
    "api_key": ("ELASTICSEARCH_API_KEY",),
    "username": ("ELASTICSEARCH_USERNAME",),
    "password": ("ELASTICSEARCH_PASSWORD",),
    "bearer_token": ("ELASTICSEARCH_BEARER_TOKEN",),
    "validate_certs": ("ELASTICSEARCH_VALIDATE_CERTS",),
    "ca_path": ("ELASTICSEARCH_CA_PATH",),
}
"""Option to variables, the first that is set wins. Late binding: read when a task runs, not when the file loads."""

INSECURE = "ELASTICSEARCH_INSECURE"
VARIABLES = {INSECURE}.union(*ENVIRONMENT.values())
_BOOLEANS = {
    **dict.fromkeys(("y", "yes", "on", "1", "true", "t"), True),
    **dict.fromkeys(("n", "no", "off", "0", "false", "f"), False),
}


@dataclasses.dataclass(frozen=True)
class Connection:
    """Where, as whom, and how patiently. Times in seconds."""

    hosts: tuple[str, ...]
    api_key: str | None = dataclasses.field(default=None, repr=False)
    username: str | None = None
    password: str | None = dataclasses.field(default=None, repr=False)
    bearer_token: str | None = dataclasses.field(default=None, repr=False)
    validate_certs: bool = True
    ca_path: str | None = None
    request_timeout: float = 60.0
    request_retries: int = 3

    def credentials(self) -> dict[str, t.Any]:
        """The one authentication argument of the client, or none."""
        if self.api_key:
            key_id, colon, key = self.api_key.partition(":")
            return {"api_key": (key_id, key) if colon else self.api_key}
        if self.username:
            return {"basic_auth": (self.username, self.password)}
        return {"bearer_auth": self.bearer_token} if self.bearer_token else {}


def secrets(params: t.Mapping[str, t.Any]) -> set[str]:
    """Every text in the options that gives credentials away, also in the form that a request carries.

    Credentials inside an address are refused later, and must not be shown until then either.
    """
    api_key, username, password = (params.get(name) or "" for name in ("api_key", "username", "password"))
    found = {api_key, api_key.partition(":")[2], password, params.get("bearer_token") or ""}
    found |= {text.strip() for text in found}
    pairs = {api_key.strip()} if ":" in api_key else set()
    pairs |= {f"{username}:{password}"} if password else set()
    found |= {base64.b64encode(pair.encode()).decode() for pair in pairs}
    for text in params.get("hosts") or ():
        userinfo = text.rpartition("@")[0].rpartition("//")[2]
        found |= {userinfo, userinfo.partition(":")[2]}
    return found - {""}


def with_environment(given: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> dict[str, t.Any]:
    """*given* options, completed from *environ*. Empty texts count as not given, on both sides.

    By group: one authentication option that is given leaves all authentication variables out of account.
    """
    options = {name: value for name, value in given.items() if name not in CONNECTION.argument_spec or _is_set(value)}
    sources: dict[str, str] = {}
    authenticated = any(name in options for name in AUTHENTICATION)
    for name, variables in ENVIRONMENT.items():
        if name in options or (authenticated and name in AUTHENTICATION):
            continue
        variable = next((variable for variable in variables if environ.get(variable)), None)
        if variable is not None:
            options[name] = _split(environ[variable]) if name == "hosts" else environ[variable]
            sources[name] = variable
    if "validate_certs" not in options and environ.get(INSECURE):
        options["validate_certs"] = not _boolean(INSECURE, environ[INSECURE])
    elif "validate_certs" in options and "validate_certs" not in given:
        options["validate_certs"] = _boolean(ENVIRONMENT["validate_certs"][0], options["validate_certs"])
    _refuse_two_ways(options, sources)
    return options


def connection(params: t.Mapping[str, t.Any]) -> Connection:
    """The connection that validated options describe.

    :raises Refusal: what the argument spec cannot say, before anything is sent.
    """
    values: dict[str, t.Any] = {name: params.get(name) for name in CONNECTION.argument_spec}
    hosts = tuple(_host(text) for text in values.pop("hosts") or ())
    if not hosts:
        raise Refusal("No cluster is named", hint="Set hosts, or the variable ELASTICSEARCH_URL.")
    _refuse_two_ways(values, {})
    _refuse_bad_numbers(values)
    for name in ("api_key", "bearer_token"):
        values[name] = _header_text(name, values[name])
    if values["ca_path"]:
        _refuse_unreadable(values["ca_path"])
    return Connection(hosts=hosts, **values)


def _host(text: str) -> str:
    try:
        url = urllib.parse.urlsplit(text.strip())
        port = url.port
    except ValueError as exc:
        raise Refusal("An address in hosts is not a URL", hint="It looks like https://es.example.com:9200.") from exc
    if url.username is not None or url.password is not None:
        raise Refusal(
            f"The address of {url.hostname} in hosts contains credentials",
            hint="Take them out of the URL and set username and password.",
        )
    if url.scheme not in ("http", "https") or not url.hostname:
        raise Refusal(f"'{text}' in hosts is not a URL", hint="It looks like https://es.example.com:9200.")
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    return f"{url.scheme}://{host}:{port or (443 if url.scheme == 'https' else 80)}{url.path.rstrip('/')}"


def _refuse_two_ways(values: t.Mapping[str, t.Any], sources: t.Mapping[str, str]) -> None:
    """*sources*: option to the variable it comes from, for those that come from one."""
    given = [name for name in AUTHENTICATION if values.get(name)]
    told = [f"{name} (from {sources[name]})" if name in sources else name for name in given]
    if len({"basic" if name in ("username", "password") else name for name in given}) > 1:
        raise Refusal(
            f"More than one way to authenticate is given: {', '.join(told)}",
            hint="Give one, as options or as ELASTICSEARCH_ variables.",
        )
    if given in (["username"], ["password"]):
        missing = "password" if given == ["username"] else "username"
        raise Refusal(f"{told[0]} is given without {missing}", hint="Both are needed to authenticate with a password.")


def _header_text(name: str, value: str | None) -> str | None:
    """A secret that a header carries as it is. The line end of a file or a block in YAML is not part of it."""
    if value is None:
        return None
    text = value.strip()
    if not text.isascii() or not text.isprintable():
        raise Refusal(f"{name} contains characters that no {name} has", hint="Perhaps it spans several lines.")
    return text


def _refuse_bad_numbers(values: t.Mapping[str, t.Any]) -> None:
    if not 0 < values["request_timeout"] < math.inf:
        raise Refusal(f"request_timeout must be above 0 seconds, not {values['request_timeout']}")
    if values["request_retries"] < 0:
        raise Refusal(f"request_retries must be 0 or more, not {values['request_retries']}")


def _refuse_unreadable(path: str) -> None:
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError as exc:  # a kind of OSError
        raise Refusal(f"ca_path {path} has no certificate in PEM format") from exc
    except OSError as exc:
        raise Refusal(f"ca_path {path} cannot be read: {exc.strerror}") from exc


def _is_set(value: t.Any) -> bool:
    return value is not None and value != "" and value != [] and value != [""]


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _boolean(variable: str, text: str) -> bool:
    if text.strip().lower() not in _BOOLEANS:
        raise Refusal(f"The variable {variable} is '{text}', which is neither true nor false")
    return _BOOLEANS[text.strip().lower()]

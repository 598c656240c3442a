# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Environment variables for connection options, and their precedence."""

from __future__ import annotations

import typing as t

from ..errors import Refusal
from .addresses import cloud_address, host_address, is_excepted, proxy_address, scheme, without_userinfo
from .credentials import AUTHENTICATION, header_text, refuse_two_auth_methods, require_proxy_pair, with_source
from .headers import refuse_short_secrets
from .tls import TLS, fingerprint, refuse_half_certificate, refuse_two_trusts

_BOOLEANS = {
    **dict.fromkeys(("y", "yes", "on", "1", "true", "t"), True),
    **dict.fromkeys(("n", "no", "off", "0", "false", "f"), False),
}


def _text(variable: str, text: str) -> str:
    return text


def _items(variable: str, text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _boolean(variable: str, text: str) -> bool:
    if text.strip().lower() not in _BOOLEANS:
        raise Refusal(
            "invalid_value",
            f"The variable {variable} is '{text}', which is neither true nor false",
            hint="Set it to true or false, or unset it.",
        )
    return _BOOLEANS[text.strip().lower()]


def _inverted(variable: str, text: str) -> bool:
    return not _boolean(variable, text)


class Variable(t.NamedTuple):
    """An environment variable for an ``option``; ``read`` makes a value of its name and text.

    ``scheme``: the variable counts only for addresses with this scheme.
    """

    name: str
    option: str
    read: t.Callable[[str, str], t.Any] = _text
    scheme: str = ""


VARIABLES = (
    Variable("ELASTICSEARCH_ENDPOINTS", "hosts", _items),
    Variable("ELASTICSEARCH_URL", "hosts", _items),
    Variable("ELASTIC_CLOUD_ID", "cloud_id"),
    Variable("ELASTICSEARCH_API_KEY", "api_key"),
    Variable("ELASTICSEARCH_USERNAME", "username"),
    Variable("ELASTICSEARCH_PASSWORD", "password"),
    Variable("ELASTICSEARCH_BEARER_TOKEN", "bearer_token"),
    Variable("ELASTICSEARCH_VALIDATE_CERTS", "validate_certs", _boolean),
    Variable("ELASTICSEARCH_INSECURE", "validate_certs", _inverted),
    Variable("ELASTICSEARCH_CA_PATH", "ca_path"),
    Variable("ELASTICSEARCH_CA_FINGERPRINT", "ca_fingerprint"),
    Variable("ELASTICSEARCH_CLIENT_CERT", "client_cert"),
    Variable("ELASTICSEARCH_CLIENT_KEY", "client_key"),
    Variable("https_proxy", "proxy", scheme="https"),
    Variable("HTTPS_PROXY", "proxy", scheme="https"),
    Variable("http_proxy", "proxy", scheme="http"),
    Variable("HTTP_PROXY", "proxy", scheme="http"),
    Variable("no_proxy", "no_proxy", _items),
    Variable("NO_PROXY", "no_proxy", _items),
)
"""Of those for the same option (and scheme) the first that is set wins. Read when a task runs."""

NAMES = frozenset(variable.name for variable in VARIABLES)

CLUSTER = ("hosts", "cloud_id")
PROXY = ("proxy", "proxy_username", "proxy_password")
GROUPS = (CLUSTER, AUTHENTICATION, ("ca_path", "ca_fingerprint"), ("client_cert", "client_key"), PROXY)
"""If the task gives one option of a group, no variable of the group counts. Other options stand for themselves."""

_WITHOUT_VARIABLE = ("headers", "secret_headers", "request_timeout", "request_retries")

Options = dict[str, t.Any]


def with_environment(given: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> Options:
    """Return the *given* options, completed from *environ*. Empty texts, lists and dicts count as not given in both.

    :raises Refusal: for options that contradict each other, with their sources, and for what must not reach a log.
    """
    known = {*(variable.option for variable in VARIABLES), *PROXY, *_WITHOUT_VARIABLE}
    options = {name: value for name, value in given.items() if name not in known or _is_set(value)}
    sources: dict[str, str] = {}
    hidden = {name for group in GROUPS if not options.keys().isdisjoint(group) for name in group} | options.keys()
    usual = [variable for variable in VARIABLES if variable.option not in ("proxy", "no_proxy", *TLS)]
    _complete(usual, options, sources, hidden, environ)
    refuse_two_clusters(options, sources)
    _refuse_bad_addresses(options, sources)
    if any(scheme(address) == "https" for address in _addresses(options)):
        _complete([variable for variable in VARIABLES if variable.option in TLS], options, sources, hidden, environ)
    if options.keys().isdisjoint(PROXY):
        _complete_proxy(options, sources, hidden, environ)
    _refuse(options, sources)
    return options


def insecure_variable(given: t.Mapping[str, t.Any], options: Options, environ: t.Mapping[str, str]) -> str:
    """Return the name of the variable that turns off the check of certificates, or nothing.

    *options*: what :func:`with_environment` made of the *given* ones.
    """
    if options.get("validate_certs") is not False or _is_set(given.get("validate_certs")):
        return ""
    names = (variable.name for variable in VARIABLES if variable.option == "validate_certs")
    return next((name for name in names if environ.get(name)), "")


def _complete(
    variables: t.Sequence[Variable],
    options: Options,
    sources: dict[str, str],
    hidden: t.AbstractSet[str],
    environ: t.Mapping[str, str],
) -> None:
    for variable in variables:
        text = environ.get(variable.name)
        if not text or variable.option in hidden or variable.option in options:
            continue  # a variable that does not count may have any text
        value = variable.read(variable.name, text)
        if _is_set(value):
            options[variable.option] = value
            sources[variable.option] = variable.name


def _complete_proxy(
    options: Options, sources: dict[str, str], hidden: t.AbstractSet[str], environ: t.Mapping[str, str]
) -> None:
    """Complete the proxy for the hosts that need one; ``no_proxy`` matters only together with one."""
    exempt: Options = {}
    _complete([variable for variable in VARIABLES if variable.option == "no_proxy"], exempt, {}, hidden, environ)
    no_proxy = options.get("no_proxy") or exempt.get("no_proxy") or []
    schemes = {scheme(address) for address in _addresses(options) if not is_excepted(address, _list(no_proxy))}
    found = {}
    for used in schemes:
        names = (variable.name for variable in VARIABLES if variable.option == "proxy" and variable.scheme == used)
        found[used] = next((name for name in names if environ.get(name)), "")
    if len({environ.get(name) for name in found.values()}) > 1:
        variables = " and ".join(sorted(filter(None, found.values())))
        raise Refusal(
            "conflicting_options",
            f"hosts has http and https addresses, but not the same proxy for both (from {variables})",
            hint="Set proxy, or use addresses of one kind.",
        )
    name = next(iter(found.values()), "")
    if name:
        address, *credentials = without_userinfo(environ[name])
        proxy_address(address, f"proxy (from {name})")
        new = dict(zip(PROXY, (address, *credentials), strict=True))
        options.update({option: value for option, value in (*new.items(), ("no_proxy", no_proxy)) if value})
        sources.update(dict.fromkeys(PROXY, name))


def _refuse(options: Options, sources: t.Mapping[str, str]) -> None:
    refuse_two_auth_methods(options, sources)
    refuse_two_trusts(options, sources)
    refuse_half_certificate(options, sources)
    require_proxy_pair(options, sources)
    refuse_short_secrets(options)
    texts = {name: value for name, value in options.items() if isinstance(value, str)}
    for name in ("api_key", "bearer_token"):
        header_text(name, texts.get(name), sources)
    fingerprint(texts.get("ca_fingerprint"), with_source("ca_fingerprint", sources))
    if "proxy" in texts:
        proxy_address(texts["proxy"], with_source("proxy", sources))


def _refuse_bad_addresses(options: Options, sources: t.Mapping[str, str]) -> None:
    """Refuse bad addresses before Ansible logs the options of a module, and where their sources are still known."""
    if isinstance(options.get("cloud_id"), str):
        cloud_address(options["cloud_id"], with_source("cloud_id", sources))
    for text in _list(options.get("hosts")):
        host_address(text, with_source("hosts", sources))


def refuse_two_clusters(options: t.Mapping[str, t.Any], sources: t.Mapping[str, str]) -> None:
    if options.get("hosts") and options.get("cloud_id"):
        both = " and ".join(with_source(name, sources) for name in CLUSTER)
        raise Refusal("conflicting_options", f"{both} are both given", hint="Give one: each names a cluster.")


def _addresses(options: Options) -> list[str]:
    """Return the addresses of the cluster before they are checked."""
    if isinstance(options.get("cloud_id"), str):
        return [cloud_address(options["cloud_id"])]
    return _list(options.get("hosts"))


def _list(value: t.Any) -> list[str]:
    """Return the list of texts that Ansible makes of *value*."""
    if isinstance(value, str):
        return _items("", value)
    return [item for item in value if isinstance(item, str) and item.strip()] if isinstance(value, list) else []


def _is_set(value: t.Any) -> bool:
    return value is not None and value not in ("", [], [""], {})

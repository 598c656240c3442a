# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write the documentation that several places share, between the lines BEGIN and END of each of them.

The source is the documentation of ``trained_model_deployment`` and of the fragments; for the variables of the roles it
is that of the modules that they use, and so are the arguments that the role ``builtin_model`` hands on. And write the
project for AWX, which has a file for each playbook. Run it with ``make generate``; a test fails where it was forgotten.
"""

from __future__ import annotations

import functools
import importlib
import re
import sys
import typing as t

import yaml

import conftest  # makes the collection importable
from ansible_collections.mlops.elasticsearch.plugins.module_utils._deployment.options.fleet import INHERITED, ITEM, SPEC
from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.settings import START_SETTINGS
from ansible_collections.mlops.elasticsearch.plugins.module_utils._model.options import UPLOADS
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.rollout.given import NEW
from checks.collection import NAME
from support.documents import block

Json = dict[str, t.Any]
Change = t.Callable[[str], str]
ROOT = conftest.ROOT
MANY, INFO, ALIAS = (f"plugins/modules/trained_model_{name}.py" for name in ("deployments", "deployment_info", "alias"))
CAPACITY = "plugins/modules/ml_capacity_info.py"
OTHERS = tuple(
    f"plugins/modules/{name}.py"
    for name in (
        "inference_endpoint_info",
        "inference_region_policy",
        "ml_upgrade_mode",
        "semantic_text_field",
        "trained_model_cache",
        "trained_model_deployment_watch",
        "trained_model_infer",
        "trained_model_info",
    )
)
"""Modules that take from other modules only the documentation of what each task returns."""
OWN_FAILURE = (ALIAS, "plugins/modules/inference_endpoint.py", "plugins/modules/trained_model.py")
"""Those that have failures of their own to show."""
ROLE = "roles/deployments/meta/argument_specs.yml"
BUILTIN, SEARCH, ROLLOUT = "roles/builtin_model", "roles/semantic_search", "roles/model_rollout"
WIDTH = 120
KEYS = ("description", "type", "elements", "choices", "default", "returned", "contains", "suboptions", "sample")
_NOT_LEFT_OUT = "unless detail is changed and it was not changed"
_MARKED = re.compile(r"^( *)# BEGIN (.+)\n(?:.*\n)*?\1# END \2\n", re.MULTILINE)


_LIST, _MAP = "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"


class _Lines(yaml.SafeDumper):
    """A dumper with indented lists, and with short values on one line."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: t.Any) -> bool:
        return True


def _is_short(data: t.Any) -> bool:
    """Return whether *data* fits on one line and is no paragraph of text."""
    inner = data.values() if isinstance(data, dict) else data
    text = any(isinstance(each, (dict, list)) or " " in str(each) for each in inner)
    return not text and "description" not in data and len(str(data)) < WIDTH - 50


_Lines.add_representer(list, lambda dumper, data: dumper.represent_sequence(_LIST, data, flow_style=_is_short(data)))
_Lines.add_representer(dict, lambda dumper, data: dumper.represent_mapping(_MAP, data, flow_style=_is_short(data)))


def dumped(value: t.Any, indent: int) -> str:
    """Return *value* as YAML for lines that begin at column *indent*, as long as they may be."""
    # The dumper breaks a line after the word that is too long for it.
    for width in range(WIDTH - indent, 0, -5):
        text = yaml.dump(value, Dumper=_Lines, sort_keys=False, width=width, allow_unicode=True)
        lines = [f"{' ' * indent}{line}" for line in text.splitlines()]
        if max(map(len, lines)) <= WIDTH:
            break
    return "".join(f"{line.rstrip()}\n" for line in lines)


def options() -> Json:
    """Return the documentation of the options of one deployment, those of the fragments too."""
    found: Json = dict(block("trained_model_deployment", "DOCUMENTATION")["options"])
    for name in ("guard", "preflight", "wait"):
        found |= fragment(name)
    return found


def fragment(name: str, part: str = "DOCUMENTATION") -> Json:
    """Return the options that a fragment documents."""
    module = importlib.import_module(f"ansible_collections.mlops.elasticsearch.plugins.doc_fragments.{name}")
    documented: Json = yaml.safe_load(getattr(module.ModuleDocFragment, part))["options"]
    return documented


def paragraphs(entry: Json) -> list[str]:
    """Return the description of an option or a result."""
    given = entry["description"]
    return [given] if isinstance(given, str) else list(given)


def ordered(entry: Json, description: list[str], **more: t.Any) -> Json:
    """Return *entry* with another *description*, and its keys in one order."""
    text: t.Any = description[0] if len(description) == 1 else description
    changed = {**entry, "description": text, **more}
    return {name: changed[name] for name in KEYS if changed.get(name) is not None}


def items() -> Json:
    """Return the documentation of the options of an item: what the first paragraph of each option says."""

    def of_item(text: str) -> str:
        return re.sub(r"O\((?=[a-z_.]+(?:=[a-z_]+)?\))", "O(deployments[].", text)

    found: Json = {}
    for name, entry in options().items():
        if name in INHERITED:
            found[name] = ordered(entry, [f"Overrides O({name}) for this deployment."], default=None)
        elif name in ITEM.argument_spec:
            found[name] = _shortened(entry, of_item)
    return found


def planned_items() -> Json:
    """Return the documentation of the options of an item that is only planned."""
    return {
        name: {**entry, "description": "Has no effect here."} if name in INHERITED else entry
        for name, entry in items().items()
    }


def _shortened(entry: Json, change: Change) -> Json:
    inner = {name: _shortened(each, change) for name, each in entry.get("suboptions", {}).items()}
    return ordered(entry, [change(paragraphs(entry)[0])], suboptions=inner or None)


def results(*names: str, returned: str = "", change: Change = str) -> Json:
    """Return the documentation of results of one deployment. *returned*: instead of always."""
    documented = block("trained_model_deployment", "RETURN")
    found: Json = {}
    for name in names or [each for each in documented if each not in ("server", "failure", "ansible_facts")]:
        entry = documented[name]
        condition = returned if returned and entry["returned"] == "always" else entry["returned"]
        found[name] = ordered(entry, list(map(change, paragraphs(entry))), returned=condition)
    return found


def other_results(*names: str) -> Json:
    """Return the documentation of results that other modules have, too, with a link for the longest one."""
    found = results(*names)
    text = f"The error of the server or the connection, as M({NAME}.trained_model_deployment) returns it."
    sample = {
        "kind": "credentials",
        "status": 401,
        "type": "security_exception",
        "reason": "unable to authenticate user",
    }
    return {**found, "error": ordered(found["error"], [text], sample=sample)}


def _of_item(text: str) -> str:
    """Return *text* about a result of the module as one about a key of an item."""
    return re.sub(r"RV\(([a-z_]+)\)", r"C(\1)", text)


def _details(found: Json) -> Json:
    found["details"]["returned"] = "unless detail is changed and there is nothing to report"
    return found


def deployment(*names: str, returned: str = "") -> Json:
    """Return the documentation of the keys of a deployment."""
    contains = block("trained_model_deployment", "RETURN")["deployment"]["contains"]
    chosen = {name: contains[name] for name in names or contains}
    return {name: {**entry, "returned": returned or entry["returned"]} for name, entry in chosen.items()}


def item_lines() -> list[str]:
    """Return a sentence for each option of an item, without links: a role cannot link to items of a module."""
    return [f"C({name}) - {_sentence(entry)}." for name, entry in items().items()]


def _sentence(entry: Json) -> str:
    """Return the first sentence about an option, with its choices and the names within it."""
    text = _plain(paragraphs(entry)[0]).split(". ")[0].rstrip(".").replace("Overrides C(", "Overrides O(deployments_")
    within = [*entry.get("choices", ()), *entry.get("suboptions", ())]
    missing = [f"C({each})" for each in within if f"C({each})" not in text]
    return f"{text} ({', '.join(missing)})" if missing else text


def _plain(text: str) -> str:
    return re.sub(r"(?:RV|[OV])\(((?:deployments\[\]\.)?)([^)]*)\)", r"C(\2)", text)


def variables() -> Json:
    """Return the documentation of the variables that the role hands to the options of the list."""
    documented = (
        block("trained_model_deployments", "DOCUMENTATION")["options"] | fragment("preflight") | fragment("wait")
    )
    documented |= fragment("facts", "DEPLOYMENTS")
    names = [name for name in documented if name in SPEC.argument_spec and name != "deployments"]

    def of_role(text: str) -> str:
        text = re.sub(rf"O\(({'|'.join(names)})\b", r"O(deployments_\1", text)
        text = text.replace("RV(deployments)", "C(deployments_results)").replace(
            "O(deployments)", "O(deployments_list)"
        )
        return re.sub(r"(?<![A-Z])V\(|O\((?!deployments_)", "C(", text)

    def lines(entry: Json) -> t.Iterator[str]:
        text = list(map(of_role, paragraphs(entry)))
        yield from text
        choices = [f"C({choice})" for choice in entry.get("choices", ())]
        if not all(choice in " ".join(text) for choice in choices):
            yield f"One of {', '.join(choices)}."
        for name, inner in entry.get("suboptions", {}).items():
            yield f"C({name}) - {of_role(' '.join(paragraphs(inner)))}"

    return {f"deployments_{name}": {"description": list(lines(documented[name])), "type": "raw"} for name in names}


def _handed_on(role: str) -> dict[str, tuple[str, Json]]:
    """Return the parts of the variable of *role*: where their values are, and the options of the module."""

    def of(module: str, *left_out: str, **more: t.Any) -> Json:
        documented = block(module, "DOCUMENTATION")["options"] | more
        return {name: entry for name, entry in documented.items() if name not in left_out}

    deployment = options() | fragment("facts", "DEPLOYMENTS")
    kept = ("state", "wait", "force", "on_missing")
    infer = of("trained_model_infer", "deployment_id")
    if role == ROLLOUT:
        return {
            "deployment": ("__step.arguments", {name: entry for name, entry in deployment.items() if name in NEW}),
            "smoke test": ("__step.arguments", infer),
        }
    if role == BUILTIN:
        return {
            "model": ("builtin_model", of("trained_model", *kept, *UPLOADS)),
            "deployment": ("__deployment", of("trained_model_deployment", "model_id", *kept, **deployment)),
            "smoke test": ("__smoke_test", infer),
            "alias": ("__alias", of("trained_model_alias", "model_id", "state")),
        }
    return {
        "model": ("__model", of("trained_model", *kept)),
        "deployment": ("__deployment", of("trained_model_deployment", *kept, **deployment)),
        "endpoint": ("__endpoint", of("inference_endpoint", *kept)),
        "smoke test": ("__smoke_test", infer),
        "index": ("__index", of("semantic_text_field", "inference_id")),
    }


COMPLETED = (("deployment", "model_id"), ("endpoint", "service_settings"))
"""Parts and options that a role completes by what the steps before made."""


def role_options(role: str, part: str) -> Json:
    """Return the documentation of options that the role hands on: what they are. The module validates."""
    _where, found = _handed_on(role)[part]
    return {name: {"description": f"{_sentence(entry)}.", "type": "raw"} for name, entry in found.items()}


def role_arguments(role: str, part: str) -> Json:
    """Return the arguments of the task to which the role hands them on."""
    where, found = _handed_on(role)[part]

    def value(name: str, entry: Json) -> str:
        # A null becomes an empty text in a template of ansible-core 2.18, and an empty text is no dictionary.
        given = "default(omit, true)" if entry["type"] == "dict" else "default(omit)"
        return f"{{{{ {where}.{name} | {given} }}}}"

    return {name: value(name, entry) for name, entry in found.items() if (part, name) not in COMPLETED}


PARTS: dict[str, dict[str, t.Callable[[], t.Any]]] = {
    MANY: {
        "items": items,
        "item results": lambda: _details(results(returned=_NOT_LEFT_OUT, change=_of_item)),
        "results": lambda: results("server", "error", "ansible_facts"),
    },
    INFO: {
        "deployment": deployment,
        "start settings": lambda: deployment(*START_SETTINGS, returned="if it is known, and a start has to set it"),
        "results": lambda: other_results("server", "failure", "error"),
    },
    CAPACITY: {"items": planned_items, "results": lambda: other_results("server", "failure", "error")},
    **{path: {"results": lambda: other_results("server", "failure", "error")} for path in OTHERS},
    **{path: {"results": lambda: other_results("server", "error")} for path in OWN_FAILURE},
    ROLE: {"items": item_lines, "variables": variables},
    **{
        f"{role}/{path}": {part: functools.partial(make, role, part) for part in _handed_on(role)}
        for role in (BUILTIN, SEARCH)
        for path, make in (("meta/argument_specs.yml", role_options), ("tasks/main.yml", role_arguments))
    },
    f"{ROLLOUT}/meta/argument_specs.yml": {
        part: functools.partial(role_options, ROLLOUT, part) for part in _handed_on(ROLLOUT)
    },
    f"{ROLLOUT}/tasks/steps/deploy.yml": {
        "deployment": functools.partial(role_arguments, ROLLOUT, "deployment"),
    },
    f"{ROLLOUT}/tasks/steps/try.yml": {"smoke test": functools.partial(role_arguments, ROLLOUT, "smoke test")},
}
"""File to what stands between its marks."""


def generated(path: str) -> str:
    """Return the text of the file at *path* with all its parts as they should be."""
    text = (ROOT / path).read_text(encoding="utf-8")

    def part(match: re.Match[str]) -> str:
        indent, name = match[1], match[2]
        return f"{indent}# BEGIN {name}\n{dumped(PARTS[path][name](), len(indent))}{indent}# END {name}\n"

    return _MARKED.sub(part, text)


def projects() -> dict[str, str]:
    """Return the playbooks of the project for AWX, which does not take those of a collection by their names."""
    found = {}
    for path in sorted((ROOT / "playbooks").glob("*.yml")):
        head = "".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:4])
        name = yaml.safe_load(path.read_text(encoding="utf-8"))[0]["name"]
        play = f"---\n- name: {name}\n  import_playbook: {NAME}.{path.stem}\n"
        found[f"extensions/awx/project/{path.name}"] = head + play
    return found


def main() -> None:
    # The role repeats what the list of deployments says, which has to be written first.
    for path in PARTS:
        text = generated(path)
        if text != (ROOT / path).read_text(encoding="utf-8"):
            (ROOT / path).write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {path}\n")
    for path, text in projects().items():
        (ROOT / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

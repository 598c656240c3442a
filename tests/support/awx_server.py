# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stand in for AWX: keep what is made, and answer the modules of awx.awx as its API does.

Rules are those of ``awx/api/serializers.py`` and of :mod:`support.awx_rules`, at commit e21dd0a0933f of AWX.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import itertools
import json
import threading
import typing as t
import urllib.parse
from collections.abc import Iterator

from support import awx_rules

Json = dict[str, t.Any]
Answer = tuple[int, t.Any]
NAMES = (
    *("organizations", "credential_types", "credentials", "execution_environments", "projects", "inventories", "hosts"),
    *("notification_templates", "job_templates", "schedules", "workflow_job_templates", "workflow_job_template_nodes"),
    "workflow_approval_templates",
)
LISTS = {name: name[:-1] if name != "inventories" else "inventory" for name in NAMES}
"""Lists, and the type of what is in them. Fields that refer to one have the name of the type."""
TEMPLATES = ("job_templates", "projects", "workflow_job_templates", "workflow_approval_templates")
NOTIFICATIONS = {
    f"notification_templates_{event}": "notification_templates"
    for event in ("started", "success", "error", "approvals")
}
LINKED = {
    "job_templates": {"credentials": "credentials", **NOTIFICATIONS},
    "workflow_job_templates": NOTIFICATIONS,
    "workflow_job_template_nodes": dict.fromkeys(
        ("success_nodes", "failure_nodes", "always_nodes"), "workflow_job_template_nodes"
    ),
}
"""What can be associated with an object of a list, and the list that it is in."""


@dataclasses.dataclass
class Awx:
    """All that was made: by list and id, surveys and associations by their place. ``writes`` are in their order."""

    token: str
    playbooks: tuple[str, ...]
    """Those of each project."""
    url: str = ""
    lists: dict[str, dict[int, Json]] = dataclasses.field(default_factory=lambda: {name: {} for name in LISTS})
    surveys: dict[str, Json] = dataclasses.field(default_factory=dict)
    links: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    writes: list[str] = dataclasses.field(default_factory=list)
    ids: Iterator[int] = dataclasses.field(default_factory=lambda: itertools.count(1))

    def named(self, name: str) -> dict[str, Json]:
        """Return what a list holds, by name."""
        return {item["name"]: item for item in self.lists[name].values()}

    def answer(self, method: str, path: str, given: Json) -> Answer:
        """Return status and body of an answer. *given*: the body of a write, or the filters of a read."""
        name, *rest = path.strip("/").split("/")
        if method != "GET":
            self.writes.append(f"{method} {path}")
        if name == "project_updates":
            return 200, {"finished": "now", "failed": False, "status": "successful", "scm_revision": "1"}
        if not rest:
            return self._listed(name, given) if method == "GET" else self._create(name, given)
        item = self.lists[name].get(int(rest[0]))
        if item is None:
            return 404, {"detail": "Not found."}
        if len(rest) > 1:
            return self._below(method, name, item, rest[1], given)
        return (200, self._shown(name, item)) if method == "GET" else self._change(name, item, given)

    def _listed(self, name: str, filters: Json) -> Answer:
        lists = TEMPLATES if name == "unified_job_templates" else (name,)
        found = [self._shown(each, item) for each in lists for item in self.lists[each].values()]
        for field, value in filters.items():
            found = [item for item in found if field in item and str(item[field]) == value]
        return 200, {"count": len(found), "next": None, "results": found}

    def _shown(self, name: str, item: Json) -> Json:
        """Return an object as AWX shows it."""
        url = f"/api/v2/{name}/{item['id']}/"
        related = {each: f"{url}{each}/" for each in ("survey_spec", "update")}
        if runs := item.get("unified_job_template"):
            [templates] = [each for each in TEMPLATES if runs in self.lists[each]]
            related["unified_job_template"] = f"/api/v2/{templates}/{runs}/"
        hidden = awx_rules.without_secrets(item, self._type_of(item))
        return {**hidden, "url": url, "related": related, "summary_fields": {}, "type": LISTS[name]}

    def _type_of(self, item: Json) -> Json | None:
        return self.lists["credential_types"].get(item.get("credential_type", 0))

    def _create(self, name: str, given: Json) -> Answer:
        item = {**given, "id": next(self.ids)}
        if name == "projects":
            item["scm_revision"] = ""
        if name == "notification_templates":
            item = awx_rules.with_defaults(item)
        return self._keep(201, name, item)

    def _change(self, name: str, item: Json, given: Json) -> Answer:
        used = any(each["credential_type"] == item["id"] for each in self.lists["credentials"].values())
        if name == "credential_types" and used and given.get("inputs") != item["inputs"]:
            return 403, {"detail": "Modifications to inputs are not allowed for credential types that are in use"}
        return self._keep(200, name, {**item, **given})

    def _keep(self, status: int, name: str, item: Json) -> Answer:
        if refused := self._refused(name, item) or awx_rules.refused_rule(item.get("rrule")):
            return 400, refused
        if name == "credentials":
            item["inputs"] = {field: "" if value is None else value for field, value in item["inputs"].items()}
        self.lists[name][item["id"]] = item
        return status, self._shown(name, item)

    def _refused(self, name: str, item: Json) -> Json:
        """Return why AWX does not keep an object."""
        references = {kind: self.lists[each] for each, kind in LISTS.items() if item.get(kind)}
        if gone := {kind: ["object does not exist."] for kind, known in references.items() if item[kind] not in known}:
            return gone
        if any(each["id"] != item["id"] and _key(each) == _key(item) for each in self.lists[name].values()):
            return {"__all__": ["An object with these fields already exists."]}
        if name == "job_templates" and item["playbook"] not in self.playbooks:
            return {"playbook": ["Playbook not found for project."]}
        if name == "credentials":
            return awx_rules.refused_inputs(item["inputs"], self._type_of(item) or {})
        survey = self.surveys.get(f"job_templates/{item.get('unified_job_template')}", {})
        return awx_rules.refused_answers(survey, item.get("extra_data", {}), required=name == "schedules")

    def _below(self, method: str, name: str, item: Json, part: str, given: Json) -> Answer:
        """Answer below an object: its survey, an update, an approval, or what is associated with it."""
        place = f"{name}/{item['id']}"
        if part == "update":
            item["scm_revision"] = "1"
            return 202, {"url": "/api/v2/project_updates/1/"}
        if part == "survey_spec":
            return self._survey(method, place, given)
        if part == "create_approval_template":
            status, approval = self._keep(201, "workflow_approval_templates", {**given, "id": next(self.ids)})
            item["unified_job_template"] = approval["id"]
            return status, approval
        if part not in LINKED.get(name, {}):
            return 404, {"detail": "Not found."}
        linked = self.links.setdefault(f"{place}/{part}", [])
        if method == "POST":
            (linked.remove if given.get("disassociate") else linked.append)(given["id"])
            return 204, None
        found = [self.lists[LINKED[name][part]][each] for each in linked]
        return 200, {"count": len(found), "next": None, "results": found}

    def _survey(self, method: str, place: str, given: Json) -> Answer:
        if method == "GET":
            return 200, self.surveys.get(place, {})
        if refused := awx_rules.refused_survey(given):
            return 400, {"error": refused}
        self.surveys[place] = given
        return 200, {}


def _key(item: Json) -> list[t.Any]:
    names = ("name", "identifier", "organization", "inventory", "workflow_job_template", "unified_job_template")
    return [item.get(name) for name in names]


@contextlib.contextmanager
def awx(token: str, playbooks: tuple[str, ...]) -> Iterator[Awx]:
    """Serve an AWX that has an organization, on a free port of the loopback."""
    state = Awx(token, playbooks)
    state.lists["organizations"][0] = {"id": 0, "name": "Default"}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urllib.parse.urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            given = json.loads(body) if body else dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
            allowed = self.headers["Authorization"] == f"Bearer {token}"
            path = url.path.rpartition("/v2/")[2]
            status, answer = state.answer(self.command, path, given) if allowed else (401, None)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"" if answer is None else json.dumps(answer).encode())

        do_POST = do_PATCH = do_GET

        def log_message(self, *_args: t.Any) -> None:
            """Print nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield state
        server.shutdown()

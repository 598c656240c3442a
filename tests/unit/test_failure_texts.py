# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every text of a failure that the code can make has a row in a guide, so that none is forgotten."""

from __future__ import annotations

import ast
import itertools
import re
import typing as t

from support.documents import ROOT, rows

Texts = dict[str, list[str]]

SAYS = {
    "Refusal",
    "Unsatisfied",
    "NotReached",
    "ApiError",
    "WriteOutcome",
    "Readiness",
    "ProxyFailure",
    "TlsFailure",
    "_Diagnosis",
    "diagnosis",
}
"""What is called with the text of a failure, or with a part of one. What follows ``raise`` counts, too."""

SORTED = {"ApiError", "WriteOutcome", "Readiness", "_Diagnosis", "diagnosis"}
"""Those whose first argument is a kind of failure, which nobody is shown as a text."""

ELSEWHERE = {"SchemaError", "SSLError", "TimeoutError", "ValueError", "_bypasses_owner", "schema_error", "within"}
"""Raised to be caught, or a function for the error: the sentence is made where that is done, or there."""

COLLECTED = {"wrong", "broken"}
"""Lists of sentences, and of parts of them, that end as one failure."""

FRAMES = {
    "Deployment '{}' is not {} after {} seconds: ": "what lacks has rows, such as 'allocations run, and it is'",
    "Deployment '{}' is guarded: ": "what is broken has rows, after 'number_of_allocations would go'",
    "it is {}": "stands after 'ready for an update' or 'is not as planned'",
    "{} Nothing was stopped.": "what precedes it is a refusal of the recovery file",
    "Cannot {}: {} answered {}: {}.": "there are rows for the numbers, and for hints",
    "Cannot {}: {}. Check hosts and proxy, ": "what happened has rows, such as 'connection refused'",
    "Cannot {}: no TLS connection to {}: {}. {}": "what happened has rows, such as 'the certificate has expired'",
    "Check api_key, ": "the row is that of 401",
    "a gateway at {}. {}": "there is a row for each number",
    "what answers at {}. It is not Elasticsearch: ": "there are rows for 403 and 404",
    "no connection to {}: {}. ": "what goes in are words of urllib3, for what is not foreseen",
    "{}. Check hosts, and what TLS versions, ": "as above",
}
"""How texts begin that say nothing without what goes in; and where that has its rows."""


def texts(node: ast.expr, known: Texts) -> list[str]:
    """What an expression may come to, with ``{}`` for what only a run tells. *known*: what names may stand for."""
    if isinstance(node, ast.Constant):
        return [node.value if isinstance(node.value, str) else "{}"]
    if isinstance(node, ast.JoinedStr):
        return _joined("", (texts(part, known) for part in node.values))
    if isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.Name):
        return texts(node.value, known)
    if isinstance(node, ast.BinOp):
        return _joined("", (texts(part, known) for part in (node.left, node.right)))
    if isinstance(node, ast.IfExp):
        return texts(node.body, known) + texts(node.orelse, known)
    return known.get(node.id, ["{}"]) if isinstance(node, ast.Name) else ["{}"]


def _joined(by: str, parts: t.Iterable[list[str]]) -> list[str]:
    return [by.join(filter(None, each)) for each in itertools.product(*parts)]


def assigned(nodes: t.Iterable[ast.AST]) -> Texts:
    found: Texts = {}
    for node in nodes:
        if isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
            pairs = [(target, value)]
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                pairs = list(zip(target.elts, value.elts, strict=True))
            for name, text in pairs:
                if isinstance(name, ast.Name) and isinstance(text, (ast.Constant, ast.JoinedStr)):
                    found.setdefault(name.id, []).extend(texts(text, {}))
    return found


def said(function: ast.FunctionDef) -> t.Iterator[list[ast.expr]]:
    """The parts of each text of a failure in *function*, in their order."""
    pairs = function.returns is not None and ast.unparse(function.returns) == "tuple[str, str]"
    raised = {node.exc for node in ast.walk(function) if isinstance(node, ast.Raise)}
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple) and pairs:
            yield node.value.elts
        if isinstance(node, ast.Call) and (_name(node) in SAYS or node in raised or _collects(node)):
            arguments = node.args[1:] if _name(node) in SORTED else node.args
            if _name(node) not in ELSEWHERE:
                yield [*arguments, *(each.value for each in node.keywords if each.arg == "hint")]


def _name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def _collects(call: ast.Call) -> bool:
    func = call.func
    to_list = isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) and func.value.id in COLLECTED
    return (to_list and _name(call) == "append") or _name(call) == "__init__"


def inventory() -> set[str]:
    found = set()
    for path in (ROOT / "plugins").rglob("*.py"):
        module = ast.parse(path.read_text())
        for function in (node for node in ast.walk(module) if isinstance(node, ast.FunctionDef)):
            known = assigned(module.body) | assigned(ast.walk(function))
            for parts in said(function):
                found.update(_joined(". ", (texts(part, known) for part in parts)))
    return {text for text in found if re.search(r"\b[a-z]{2}", text)}  # others are frames without a word of their own


TEXTS = inventory()
QUOTED = [cells[0].strip("`") for guide in ("failures", "connection_errors") for cells in rows(guide)]
PATTERN = re.compile("|".join(".*".join(map(re.escape, quoted.split("..."))) for quoted in QUOTED), re.DOTALL)
UNQUOTED = {text for text in TEXTS if not PATTERN.search(text)}


def test_each_text_of_a_failure_has_a_row() -> None:
    assert len(TEXTS) > 150
    assert [text for text in UNQUOTED if not text.startswith(tuple(FRAMES))] == []


def test_each_frame_is_needed() -> None:
    assert [frame for frame in FRAMES if not any(text.startswith(frame) for text in UNQUOTED)] == []


def test_each_row_says_why_and_what_to_do() -> None:
    assert [cells for cells in rows("failures") if len(cells) != 3 or not all(cells)] == []

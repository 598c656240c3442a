# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test that the repository keeps to one vocabulary: that of Elasticsearch, Ansible and Kubernetes, in plain English."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from checks.collection import ROOT, python_files, versioned_files

# The word to use instead, by a pattern of those that were retired. CONTRIBUTING.md has the vocabulary itself.
RETIRED = {
    r"told|foretells?|foretold": "message, report, predict",
    r"goneness|glances?|glanced": "poll, read",
    r"sight|sights|sighted": "snapshot",
    r"hopeless": "failed",
    r"somebody|nobody|whoever": "the one who acts: another client, the user, the task, Elasticsearch",
    r"anew": "again",
    r"wish|wishes|wished|wanted": "desired",
    r"scalers?|autoscalers?": "adaptive allocations",
    r"brought about|brings? about|bringing about": "apply",
    r"carry out|carries out|carried out|carrying out": "apply",
    r"in passing": "transient",
    r"uneventful": "unchanged",
    r"misshapen": "does not fit the schema",
    r"happenings?": "event",
    r"server double|the double|a double": "emulator",
}
PATTERN = re.compile("|".join(rf"(?<![A-Za-z])(?:{words})(?![A-Za-z])" for words in RETIRED), re.IGNORECASE)
# The result key `allocations.wanted` is public, and so are switches, texts and the command of the emulator.
PUBLIC = re.compile(
    r"""allocations\.wanted|\bwanted['"]?\]?: |["']wanted["']|[({,] ?wanted[=:]|C\(wanted\)|``wanted``"""
    r"""|wanted warnings|scaler (from zero|bounds|tick)|elasticsearch-double|of the double there are"""
    r"""|the double (is read-only|does not (play|call)|has no Kerberos|reads YAML)"""
)
# Elasticsearch's own class is the AdaptiveAllocationsScaler: the emulator plays it.
OF_THE_EMULATOR = re.compile("scalers?", re.IGNORECASE)
# Facts about other software, recorded answers, licences, and this list.
ELSEWHERE = ("LICENSES/", "docs/development/", "tests/recorded/", "tests/checks/test_words.py", "docs/images/")

FIRST_WORDS = re.compile(r"\W*(What|Whether|Who|Whose|How|Where|When|That|Which|Why)\b")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def texts() -> list[Path]:
    return sorted(ROOT / path for path in versioned_files() if not path.startswith(ELSEWHERE))


def retired_words(text: str, allowed: re.Pattern[str] | None = None) -> Iterator[str]:
    """Yield line and word of each retired word in *text*."""
    for number, line in enumerate(text.splitlines(), 1):
        for match in PATTERN.finditer(PUBLIC.sub("", line.replace("_", " "))):
            if not (allowed and allowed.fullmatch(match[0])):
                yield f"line {number}: {match[0]}"


@pytest.mark.parametrize("path", texts(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_retired_word(path: Path) -> None:
    emulates = str(path.relative_to(ROOT)).startswith(("tests/emulator/", "tests/emulator_tests/"))
    assert list(retired_words(path.read_text(errors="replace"), OF_THE_EMULATOR if emulates else None)) == []


@pytest.mark.parametrize("line", ["def _told():", "Nobody knows", "the scaler's", "is carried out", "self.wanted = 1"])
def test_retired_words_are_seen(line: str) -> None:
    assert list(retired_words(line))


@pytest.mark.parametrize(
    "line", ['"wanted": 2', "allocations: {wanted: 4}", "x.allocations.wanted", "unwanted", "tells"]
)
def test_other_words_are_not(line: str) -> None:
    assert not list(retired_words(line))


@pytest.mark.parametrize("path", python_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_begin_with_a_verb_or_a_noun(path: Path) -> None:
    documented = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, DOCUMENTED)]
    docstrings = [docstring for node in documented if (docstring := ast.get_docstring(node))]
    assert [docstring for docstring in docstrings if FIRST_WORDS.match(docstring)] == []

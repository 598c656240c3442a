# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the file with the versions of secrets that were sent."""

from __future__ import annotations

import json
import os
import stat
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal, Unsatisfied
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.run.version_file import VersionFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "versions.json"


def test_it_keeps_versions_by_cluster_and_name(path: Path) -> None:
    file = VersionFile(str(path))
    assert file.read("c", "e") is None
    file.keep("c", "e", "1")
    file.keep("c", "f", "1")
    file.keep("d", "e", "7")
    file.keep("c", "e", "2")
    assert (file.read("c", "e"), file.read("c", "f"), file.read("d", "e")) == ("2", "1", "7")
    assert json.loads(path.read_text()) == {"c": {"e": "2", "f": "1"}, "d": {"e": "7"}}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    file.keep("d", "e", None)
    file.keep("d", "e", None)
    assert json.loads(path.read_text()) == {"c": {"e": "2", "f": "1"}}
    assert list(path.parent.iterdir()) == [path]


def test_what_is_kept_already_is_not_written(path: Path) -> None:
    VersionFile(str(path)).keep("c", "e", "1")
    before = path.stat().st_ino
    VersionFile(str(path)).keep("c", "e", "1")
    assert path.stat().st_ino == before


def test_a_link_is_followed(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(path)
    VersionFile(str(link)).keep("c", "e", "1")
    assert link.is_symlink()
    assert VersionFile(str(path)).read("c", "e") == "1"


def test_leftovers_of_killed_processes_go(path: Path) -> None:
    VersionFile(str(path)).keep("c", "e", "1")
    prefix = next(iter(_prefixes(path)))
    (path.parent / f"{prefix}abc.new").write_text("half")
    VersionFile(str(path)).keep("c", "e", "2")
    assert list(path.parent.iterdir()) == [path]


def _prefixes(path: Path) -> t.Iterator[str]:
    """Yield how the temporary files of *path* begin, as a write shows them."""
    seen: list[str] = []

    def replaced(source: str, _target: object) -> None:
        seen.append(Path(source).name)
        raise OSError("watched")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", replaced)
        with pytest.raises(Unsatisfied):
            VersionFile(str(path)).keep("c", "e", "3")
    yield seen[0][: seen[0].rindex("-") + 1]


@pytest.mark.parametrize("content", ["no json", "[]", '{"c": 1}', '{"c": {"e": 1}}', '{"a":' * 2000])
def test_other_content_is_refused_and_stays(path: Path, content: str) -> None:
    path.write_text(content)
    with pytest.raises(Refusal) as caught:
        VersionFile(str(path)).read("c", "e")
    assert caught.value.code == "secrets_state_file"
    with pytest.raises(Unsatisfied):
        VersionFile(str(path)).keep("c", "e", "1")
    assert path.read_text() == content


def test_an_empty_file_knows_none(path: Path) -> None:
    path.touch()
    assert VersionFile(str(path)).read("c", "e") is None


def test_only_a_file_is_read(tmp_path: Path, path: Path) -> None:
    with pytest.raises(Refusal, match="not a regular file"):
        VersionFile(str(tmp_path)).read("c", "e")
    os.mkfifo(path)
    with pytest.raises(Refusal, match="not a regular file"):
        VersionFile(str(path)).read("c", "e")


def test_a_file_that_cannot_be_opened_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text("{}")

    def forbidden(*_arguments: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", forbidden)
    with pytest.raises(Refusal, match="Permission denied"):
        VersionFile(str(path)).read("c", "e")


def test_a_folder_that_cannot_be_written_is_refused_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    VersionFile(str(tmp_path / "versions.json")).refuse_unwritable()
    with pytest.raises(Refusal, match="does not exist"):
        VersionFile(str(tmp_path / "nowhere" / "versions.json")).refuse_unwritable()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(Refusal, match="not writable"):
        VersionFile(str(tmp_path / "versions.json")).refuse_unwritable()

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the recovery file in the file system: whole or absent, wherever the process dies, and private."""

from __future__ import annotations

import errno
import itertools
import json
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mlops.elasticsearch.plugins.module_utils._ml.settings import SETTINGS
from support.emulated_cluster import Emulator, Killed

Json = dict[str, t.Any]
OWN: Json = {"number_of_allocations": 2, "threads_per_allocation": 2, "queue_capacity": 77, "cache_size": "123kb"}
_LATER = {name: setting.known_default for name, setting in SETTINGS.items() if setting.since}
DEFAULTS: Json = {name: default for name, default in _LATER.items() if default is not None}
REPLACE: Json = {"threads_per_allocation": 1, "replace": "stop_start"}
CALLS = ("stat", "open", "read", "write", "scandir", "fsync", "replace", "unlink", "close")
"""What :mod:`os` does for those who write a file."""


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    with Emulator("9.5.3") as made:
        made.effect("start_deployment", model_id="m", deployment_id="d", **OWN)
        made.settle()
        made.forget()
        yield made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "d.json"


def replace(emulator: Emulator, path: Path, check_mode: bool = False) -> Json:
    return emulator.run(check_mode, deployment_id="d", recovery_file=str(path), **REPLACE)


def left(emulator: Emulator, path: Path) -> bytes:
    """Kill a run right before its start, so that it leaves a recovery file."""
    with emulator.kill(what="_start"):
        replace(emulator, path)
    assert emulator.deployments() == {}
    emulator.forget()
    return path.read_bytes()


def test_what_is_in_it(emulator: Emulator, path: Path) -> None:
    was = emulator.run(deployment_id="d")["deployment"]
    left(emulator, path)
    cluster = emulator.connected().server
    assert cluster.cluster_uuid
    assert json.loads(path.read_text()) == {
        "format": 1,
        "deployment_id": "d",
        "cluster_name": cluster.cluster_name,
        "cluster_uuid": cluster.cluster_uuid,
        "start_time": was["start_time"],
        "settings": {"model_id": "m", **OWN, "threads_per_allocation": 1, **DEFAULTS},
        "before": {"model_id": "m", **OWN, **DEFAULTS},
    }
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a device"])
def test_what_is_no_file_is_refused_at_once(emulator: Emulator, path: Path, kind: str) -> None:
    """Test that the task waits for no other end of a pipe, and replaces no device."""
    if kind == "a folder":
        path.mkdir()
    elif kind == "a pipe":
        os.mkfifo(path)
    else:
        path = Path("/dev/null")
    for mode in (True, False):
        said = replace(emulator, path, mode)["msg"]
        assert said == f"The recovery file '{path}' is not a regular file. Choose another path."
    assert emulator.journal() == []


def test_a_file_that_becomes_a_pipe_does_not_block(
    emulator: Emulator, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Test a change between the check of its type, and the opening."""
    left(emulator, path)
    opened = os.open

    def exchange(name: t.Any, flags: int, *rest: t.Any, **options: t.Any) -> int:
        if Path(name) == path and not path.is_fifo():
            path.unlink()
            os.mkfifo(path)
        return opened(name, flags, *rest, **options)

    monkeypatch.setattr(os, "open", exchange)
    assert "cannot be understood" in replace(emulator, path)["msg"]


def test_what_cannot_be_read_is_not_lost(emulator: Emulator, path: Path) -> None:
    path.symlink_to(path)
    for mode in (True, False):
        said = replace(emulator, path, mode)["msg"]
        assert said.startswith(f"The recovery file '{path}' cannot be read: Too many levels of symbolic links. It may")
    assert emulator.journal() == []


@pytest.mark.parametrize("length", [255, 256])
def test_a_name_is_as_long_as_the_file_system_allows(emulator: Emulator, path: Path, length: int) -> None:
    """Test that a name that check mode accepts is written, too."""
    path = path.with_name("x" * length)
    checked, result = replace(emulator, path, True), replace(emulator, path)
    assert [each.get("failed", False) for each in (checked, result)] == [length > 255] * 2
    assert checked.get("msg") == result.get("msg")
    assert bool(emulator.journal()) == (length == 255)


def test_a_folder_that_is_not_there_is_refused_before_the_stop(emulator: Emulator, path: Path) -> None:
    nowhere = path.parent / "missing" / "d.json"
    for mode in (True, False):
        result = replace(emulator, nowhere, mode)
        assert result["msg"].startswith(f"The recovery file '{nowhere}' cannot be written: its folder does not exist.")
    assert emulator.journal() == []


def test_a_folder_that_cannot_be_written_is_refused_before_the_stop(
    emulator: Emulator, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_arguments: False)  # the user who runs this may be allowed everything
    for mode in (True, False):
        result = replace(emulator, path, mode)
        assert "cannot be written: its folder is not writable. Create a writable folder on" in result["msg"]
    assert emulator.journal() == []


@pytest.mark.parametrize("target", ["there", "dangling"])
def test_a_link_stays_a_link(emulator: Emulator, path: Path, target: str) -> None:
    kept = path.parent / "kept" / "d.json"
    kept.parent.mkdir()
    path.symlink_to(kept)
    if target == "there":
        left(emulator, kept)
        emulator.effect("start_deployment", model_id="m", deployment_id="d", **OWN)
        emulator.settle()
    left(emulator, path)
    assert (path.is_symlink(), kept.is_symlink(), os.listdir(kept.parent)) == (True, False, ["d.json"])
    assert not replace(emulator, path).get("failed")
    assert (path.is_symlink(), os.listdir(kept.parent)) == (True, [])


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_stops_nothing_and_leaves_nothing(
    emulator: Emulator, path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_arguments: t.Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    result = replace(emulator, path)
    assert result["msg"].startswith(f"The recovery file '{path}' cannot be written: No space left on device. Create")
    assert result["msg"].endswith("choose another path. This deployment was not stopped.")
    assert (result["changed"], emulator.journal(), os.listdir(path.parent)) == (False, [], [])


def test_an_unremovable_file_is_reported(emulator: Emulator, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    result = replace(emulator, path)
    assert not result.get("failed")
    assert "is no longer needed and could not be removed: Permission denied." in result["warnings"][0]


def test_it_is_on_the_disk_before_the_stop(emulator: Emulator, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Test that the content comes before the name, and the name before the request: a power cut takes none of them."""
    done: list[t.Any] = []
    fsync, moved, send = os.fsync, os.replace, emulator.request

    def synced(handle: int) -> None:
        fsync(handle)
        done.append(("synced", os.fstat(handle).st_ino))

    def replaced(source: str, target: Path) -> None:
        moved(source, target)
        done.append(("moved", os.stat(target).st_ino))

    def sent(method: str, target: str, *rest: t.Any) -> t.Any:
        if "_stop" in target:
            done.append("stop")
        return send(method, target, *rest)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    monkeypatch.setattr(emulator, "request", sent)
    with emulator.kill(what="_start"):
        replace(emulator, path)
    file, folder = path.stat().st_ino, path.parent.stat().st_ino
    assert done == [("synced", file), ("moved", file), ("synced", folder), "stop"]


class Dying:
    """The process dies at one of its calls of the file system: this one and none after it is made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, survived: int) -> None:
        self.dead = False
        self._left = survived
        self._folder = str(folder)
        self._handles: set[int] = set()
        for call in CALLS:
            monkeypatch.setattr(os, call, self._watched(call, getattr(os, call)))

    def _watched(self, name: str, call: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def watched(what: t.Any, *rest: t.Any, **options: t.Any) -> t.Any:
            ours = what in self._handles if isinstance(what, int) else self._folder in str(what)
            if not ours:
                return call(what, *rest, **options)
            if not self._left:
                self.dead = True
                raise Killed
            self._left -= 1
            answer = call(what, *rest, **options)
            if name == "open":
                self._handles.add(answer)
            return answer

        return watched


@pytest.mark.parametrize("there", ["nothing", "another start"])
def test_wherever_the_process_dies_the_file_is_the_old_or_the_new_one(
    emulator: Emulator, path: Path, monkeypatch: pytest.MonkeyPatch, there: str
) -> None:
    old = None
    if there != "nothing":
        old = left(emulator, path)
        emulator.effect("pass_time", seconds=1)
        emulator.effect("start_deployment", model_id="m", deployment_id="d", **OWN)
        emulator.settle()
    was, found = emulator.deployments(), set()
    for survived in itertools.count():
        with monkeypatch.context() as patch, emulator.kill(what="_stop"):
            dying = Dying(patch, path.parent, survived)
            replace(emulator, path)
        found.add(path.read_bytes() if path.exists() else None)
        assert emulator.deployments() == was
        path.unlink(missing_ok=True)
        if old:
            path.write_bytes(old)
        if not dying.dead:
            break
    assert survived > 6
    [new] = found - {old}
    assert new is not None
    assert json.loads(new)["before"]["queue_capacity"] == 77
    assert not replace(emulator, path).get("failed")
    assert os.listdir(path.parent) == []


def test_what_another_cluster_has_written_meanwhile_is_not_lost(emulator: Emulator, path: Path) -> None:
    """Test two runs that have both looked for the file, and found nothing."""
    with Emulator("9.5.3") as far:
        far.effect("start_deployment", model_id="m", deployment_id="d", **{**OWN, "queue_capacity": 5})
        far.settle()
        content = written_in_between(emulator, path, lambda: left(far, path))
    assert json.loads(content)["before"]["queue_capacity"] == 5


def test_what_another_run_has_written_meanwhile_is_not_lost(emulator: Emulator, path: Path) -> None:
    def other() -> bytes:
        with emulator.kill(what="_stop"):
            emulator.run(deployment_id="d", recovery_file=str(path), queue_capacity=9, replace="stop_start")
        return path.read_bytes()

    content = written_in_between(emulator, path, other)
    assert json.loads(content)["settings"]["queue_capacity"] == 9


def test_what_is_written_meanwhile_and_cannot_be_understood_is_not_lost(emulator: Emulator, path: Path) -> None:
    def other() -> bytes:
        path.write_bytes(b"{")
        return b"{"

    written_in_between(emulator, path, other)


def written_in_between(emulator: Emulator, path: Path, write: t.Callable[[], bytes]) -> bytes:
    """Let others *write* after a run has looked for the file; it stops nothing, and leaves theirs as it is."""
    content: list[bytes] = []
    send = emulator.request

    def late(method: str, target: str, *rest: t.Any) -> t.Any:
        if "_ingest" in target and not content:  # who uses it is asked after everything else
            content.append(b"")
            content[0] = write()
        return send(method, target, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(emulator, "request", late)
        result = replace(emulator, path)
    assert f"The recovery file '{path}' " in result["msg"]
    assert result["msg"].endswith(" This deployment was not stopped.")
    assert (result["changed"], emulator.journal(), path.read_bytes()) == (False, [], content[0])
    assert result["deployment"]["assignment_state"] == "started"
    return content[0]


@pytest.mark.parametrize("happens", ["removed", "changed"])
def test_it_is_right_once_more_right_before_the_stop(emulator: Emulator, path: Path, happens: str) -> None:
    """Test that a run with nothing to do may remove it, and a client may change the number, before the stop is sent."""
    send = emulator.request
    looks: list[str] = []
    change: Json = {"number_of_allocations": 1, "state": "restarted"}

    def late(method: str, target: str, *rest: t.Any) -> t.Any:
        if path.exists() and "_stats" in target and not looks:
            looks.append(target)
            if happens == "removed":
                path.unlink()
            else:
                emulator.effect("set_number", deployment_id="d", number_of_allocations=3)
        return send(method, target, *rest)

    with pytest.MonkeyPatch.context() as patch, emulator.kill(what="_start"):
        patch.setattr(emulator, "request", late)
        emulator.run(deployment_id="d", recovery_file=str(path), **change)
    assert emulator.deployments() == {}
    kept = json.loads(path.read_text())
    assert kept["settings"] == {"model_id": "m", **OWN, **DEFAULTS, "number_of_allocations": 1}
    assert kept["before"]["number_of_allocations"] == (2 if happens == "removed" else 3)


@pytest.mark.parametrize("refused", [False, True])
@pytest.mark.parametrize("what", ["another's", "a pipe", "nothing"])
def test_what_has_come_in_its_place_is_left_alone(emulator: Emulator, path: Path, what: str, refused: bool) -> None:
    """Test a change between stop and start. It is not the record of this run, so no message is about it."""
    if refused:
        body = {"error": {"type": "t", "reason": "planted"}, "status": 400}
        emulator.fault("start", {"type": "answer", "status": 400, "body": body}, times=-1)
    send = emulator.request

    def late(method: str, target: str, *rest: t.Any) -> t.Any:
        if "_start" in target:
            path.unlink(missing_ok=True)
            if what == "another's":
                path.write_text(what)
            elif what == "a pipe":
                os.mkfifo(path)
        return send(method, target, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(emulator, "request", late)
        result = replace(emulator, path)
    assert (result.get("failed", False), result["warnings"]) == (refused, [])
    assert (path.is_file(), path.is_fifo()) == (what == "another's", what == "a pipe")

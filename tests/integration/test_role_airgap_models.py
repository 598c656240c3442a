# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the role airgap_models with folders of this machine as nodes, and with a web server."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support.forked.python import python
from support.playbook import Json, Played, run_playbook

MODEL = ".tiny_linux-x86_64"
NAMES = ["tiny_linux-x86_64.pt", "tiny_linux-x86_64.vocab.json", "tiny_linux-x86_64.metadata.json"]
ENVIRONMENT = {"ANSIBLE_INJECT_FACT_VARS": "false"}
DEFINITION = b"a definition" * 100


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a folder with the files of one model."""
    folder = tmp_path / "source"
    folder.mkdir()
    write(folder)
    return folder


def write(folder: Path, definition: bytes = DEFINITION, **metadata: t.Any) -> None:
    described = {
        "packaged_model_id": MODEL[1:],
        "size": len(definition),
        "sha256": hashlib.sha256(definition).hexdigest(),
        "vocabulary_file": NAMES[1],
        **metadata,
    }
    (folder / NAMES[0]).write_bytes(definition)
    (folder / NAMES[1]).write_text('{"vocabulary": ["ä"]}')
    (folder / NAMES[2]).write_text(json.dumps(described))


class Server(http.server.ThreadingHTTPServer):
    """A web server for a folder, which knows ranges below ``/ranges`` alone. It notes what is asked for."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked = folder, list[str]()
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.SimpleHTTPRequestHandler):
    server: Server

    def __init__(self, request: t.Any, address: t.Any, server: Server) -> None:
        super().__init__(request, address, server, directory=str(server.folder))

    def do_GET(self) -> None:
        self.server.asked.append(self.path[1:])
        if self.path.startswith("/ranges/") and self.headers["Range"] == "bytes=0-0":
            self.send_response(206)
            self.send_header("Content-Length", "1")
            self.end_headers()
            self.wfile.write(DEFINITION[:1])
        else:
            super().do_GET()

    def log_message(self, *args: t.Any) -> None:
        pass


@pytest.fixture
def server(source: Path) -> Iterator[Server]:
    with Server(source) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def bring(tmp_path: Path, *args: str, nodes: int = 1, uses: t.Sequence[Json] = ({},), **given: t.Any) -> Played:
    """Use the role once for each of *uses* on *nodes*, whose folders are ``node-1/models`` and so on."""
    hosts = {}
    for number in range(1, nodes + 1):
        (tmp_path / f"node-{number}").mkdir(exist_ok=True)
        hosts[f"node-{number}"] = {"ansible_connection": "local", "config": str(tmp_path / f"node-{number}")}
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"nodes": {"hosts": hosts}}))
    tasks = []
    for number, more in enumerate(uses):
        variables = {"airgap_models": {"model_ids": [MODEL], "folder": "{{ config }}/models", **given, **more}}
        role = {"ansible.builtin.include_role": {"name": "mlops.elasticsearch.airgap_models"}, "vars": variables}
        why = {"name": f"Why {number}", "ansible.builtin.debug": {"msg": "{{ ansible_failed_result }}"}}
        tasks += [
            {"block": [role], "rescue": [why]},
            {
                "name": f"Results {number}",
                "ansible.builtin.debug": {"msg": "{{ airgap_models_results | default({}) }}"},
            },
        ]
    play = {"name": "The nodes", "hosts": "nodes", "gather_facts": False, "tasks": tasks}
    interpreter = {"ansible_python_interpreter": python()}
    return run_playbook(yaml.safe_dump([play]), "-i", str(inventory), *args, env=ENVIRONMENT, extra_vars=interpreter)


def contents(folder: Path) -> Json:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def results(played: Played, number: int = 0) -> list[Json]:
    """Return the results that a use of the role left on each node."""
    assert played.must_pass().named(f"Why {number}") == [], played.output
    return [task.result["msg"] for task in sorted(played.named(f"Results {number}"), key=lambda task: task.host)]


def why(played: Played, number: int = 0) -> str:
    """Return what a use of the role says that failed, and left no results."""
    assert played.must_pass().result(f"Results {number}")["msg"] == {}, number
    failed = played.result(f"Why {number}")["msg"]
    return f"{failed['msg']} {failed.get('argument_errors', '')} {failed.get('results', '')}"


def test_check_mode_then_real_then_again_then_newer_from_a_url(tmp_path: Path, source: Path, server: Server) -> None:
    """Test it with one node; the molecule scenario does with two, and a folder."""
    given: Json = {"source": f"{server.url}/", "owner": "", "group": None, "checksums": None}
    checked = bring(tmp_path, "--check", url=f"{server.url}/none", **given)
    assert not (tmp_path / "node-1/models").exists()
    first = bring(tmp_path, **given)
    assert first.changed() == checked.changed()
    [before], [after] = results(checked), results(first)
    assert before["files"] == after["files"]
    assert [file["changed"] for file in after["files"]] == [True] * 3
    assert [Path(file["path"]).name for file in after["files"]] == NAMES
    assert before["setting"] == f"xpack.ml.model_repository: {server.url}/none/"
    assert after["setting"] == f"xpack.ml.model_repository: file://{tmp_path}/node-1/models/"
    assert after["setting"] in first.output
    assert contents(tmp_path / "node-1/models") == contents(source)

    server.asked.clear()
    assert bring(tmp_path, **given).must_pass().changed() == []
    assert server.asked == [NAMES[2]]

    write(source, b"a new definition")
    (source / NAMES[1]).write_text('{"vocabulary": []}')
    newer = bring(tmp_path, **given)
    assert [file["changed"] for file in results(newer)[0]["files"]] == [True] * 3
    assert contents(tmp_path / "node-1/models") == contents(source)


def test_a_damaged_file_is_brought_again_and_permissions_are_set(tmp_path: Path, source: Path) -> None:
    folder = tmp_path / "node-1/models"
    folder.mkdir(parents=True)
    for name, content in contents(source).items():
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o640)
    (folder / NAMES[0]).write_bytes(b"damaged")
    played = bring(tmp_path, source=str(source), mode="0640", folder_mode="0750")
    assert [file["changed"] for file in results(played)[0]["files"]] == [True, False, False]
    assert contents(folder) == contents(source)
    assert [oct(path.stat().st_mode)[-3:] for path in (folder, *folder.iterdir())] == ["750", "640", "640", "640"]


IS_NOT = "is not the metadata of .tiny_linux-x86_64"
CANNOT = "The metadata of .tiny_linux-x86_64 cannot be read from "
SPOILT: list[tuple[bool, t.Callable[[Path], t.Any], str]] = [
    (False, lambda folder: (folder / NAMES[0]).unlink(), "has no tiny_linux-x86_64.pt in"),
    (False, lambda folder: write(folder, packaged_model_id="other"), IS_NOT),
    (False, lambda folder: write(folder, vocabulary_file="../../passwd"), IS_NOT),
    (False, lambda folder: write(folder, size=1), "has 1200 bytes. Its metadata says 1."),
    (False, lambda folder: write(folder, sha256="0" * 64), "SHA-256 of tiny_linux-x86_64.pt is not what the metadata"),
    (True, lambda folder: (folder / NAMES[1]).unlink(), "has no tiny_linux-x86_64.vocab.json."),
    (True, lambda folder: (folder / NAMES[2]).write_text("<html>"), CANNOT),
    (True, lambda folder: write(folder, size=1), "has 1200 bytes. Its metadata says 1."),
    # That is seen only when the file is there.
    (True, lambda folder: write(folder, sha256="0" * 64), "did not match"),
]
"""Whether the source is a URL, what is wrong with it, and the message."""


def test_what_is_wrong_is_said_and_no_file_is_left(tmp_path: Path, source: Path, server: Server) -> None:
    uses = []
    for number, (from_url, spoil, _sentence) in enumerate(SPOILT):
        (source / str(number)).mkdir()
        write(source / str(number))
        spoil(source / str(number))
        uses.append({"source": f"{server.url if from_url else source}/{number}"})
    played = bring(tmp_path, uses=uses)
    for number, (_from_url, _spoil, sentence) in enumerate(SPOILT):
        assert sentence in why(played, number), uses[number]
    assert len(played.changed()) == 1
    assert contents(tmp_path / "node-1/models") == {}


def test_given_checksums_count(tmp_path: Path, source: Path, server: Server) -> None:
    sums = {name: hashlib.sha256((source / name).read_bytes()).hexdigest() for name in NAMES}
    right = {NAMES[0]: sums[NAMES[0]].upper(), NAMES[1]: f"sha256:{sums[NAMES[1]]}"}
    uses = [
        {"source": server.url, "checksums": {**right, NAMES[2]: "f" * 64}},
        {"source": server.url, "checksums": right},
        {"source": str(source), "checksums": {NAMES[1]: "f" * 64}},
        {"source": server.url, "checksums": {NAMES[0]: "f" * 64}},
        {"source": server.url, "checksums": {"tiny.pt": "f" * 64}},
    ]
    played = bring(tmp_path, uses=uses)
    assert NAMES[2] in why(played, 0)
    assert [file["changed"] for file in results(played, 1)[0]["files"]] == [False, False, True]
    assert f"the SHA-256 of {NAMES[1]} is not what" in why(played, 2)
    assert f"airgap_models.checksums says {'f' * 64}." in why(played, 3)
    assert "airgap_models.checksums has tiny.pt." in why(played, 4)
    assert contents(tmp_path / "node-1/models") == contents(source)


def test_a_web_server_must_answer_ranges(tmp_path: Path, source: Path, server: Server) -> None:
    played = bring(
        tmp_path, source=str(source), uses=[{"url": f"{server.url}/{how}"} for how in ("ranges", "", "none")]
    )
    assert results(played)
    for number, status in ((1, 200), (2, 404)):
        assert f"its answer has {status}" in played.result(f"Why {number}")["msg"]["msg"]


REFUSED: list[tuple[Json, str]] = [
    ({"folder": "{{ config }}/file"}, "/node-1/file is no folder on node-1"),
    ({"folder": "{{ config }}/none/models"}, "/none does not exist on node-1. The role makes only"),
    ({"folder": "models"}, "airgap_models.folder takes an absolute path"),
    ({"folder": "/"}, "airgap_models.folder takes an absolute path"),
    ({"model_ids": []}, "airgap_models.model_ids takes ids"),
    ({"model_ids": ["../.elser"]}, "airgap_models.model_ids takes ids"),
    ({"source": "https://user:hidden@es.example.com"}, "take no user and no password"),
    ({"url": "es.example.com"}, "airgap_models.url begins with http:// or https://."),
    ({"checksums": {"tiny.pt": "123"}}, "airgap_models.checksums takes the 64 hexadecimal digits"),
    ({"checksum": {}}, "checksum"),
    ({"source": None}, "source"),
]
"""Keys of the variable, and the beginning of the message."""


def test_what_cannot_be_meant_is_refused(tmp_path: Path, source: Path) -> None:
    (tmp_path / "node-1").mkdir()
    (tmp_path / "node-1/file").touch()
    played = bring(tmp_path, source=str(source), uses=[given for given, _sentence in REFUSED])
    for number, (given, sentence) in enumerate(REFUSED):
        assert sentence in why(played, number), given
    assert "hidden" not in played.output
    assert contents(tmp_path / "node-1") == {"file": b""}

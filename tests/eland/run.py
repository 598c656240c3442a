# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Let eland and the collection meet over models on the emulator: what one uploads, the other can use.

Usage: python tests/eland/run.py PYTHON    (the Python of an environment with eland; ``make eland``)
"""

from __future__ import annotations

import base64
import json
import os
import random
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

TESTS: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))

from emulator_tests.process import Process, running  # noqa: E402
from support.playbook import run_playbook  # noqa: E402

Json = dict[str, Any]
PEER: Final = Path(__file__).resolve().parent / "peer.py"
PART: Final = 1 << 20
"""Bytes of a part, as eland sends them."""
TASK: Final = "Have the model"


def peer(python: str, url: str, *arguments: str) -> Any:
    """Do something with eland, and return what it shows."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [python, str(PEER), url, *arguments], capture_output=True, text=True, check=False, env=environment, timeout=120
    )
    if done.returncode:
        raise SystemExit(f"eland {arguments[0]}: {done.stderr}")
    return json.loads(done.stdout)


def have(url: str, model_id: str, config: Json, files: Path) -> Json:
    """Have a model with the module, and return its result."""
    options = {
        "hosts": url,
        "model_id": model_id,
        "config": config,
        "definition": str(files / "model.pt"),
        "vocabulary": str(files / "vocabulary.json"),
    }
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [{"name": TASK, "mlops.elasticsearch.trained_model": options}],
    }
    playbook = files / "play.json"
    playbook.write_text(json.dumps([play]))
    return run_playbook(playbook, forked=False).must_pass().result(TASK)


def check(what: str, found: Any, desired: Any) -> None:
    """Print a line for each thing that is as it should be; end at the first that is not."""
    if found != desired:
        raise SystemExit(f"{what}: {found!r} instead of {desired!r}")
    print(f"ok  {what}")


def parts(emulator: Process, model_id: str) -> list[tuple[int, int]]:
    kept = emulator.control("GET", "/uploads")[model_id]["parts"]
    return [(part["bytes"], part["crc32"]) for _number, part in sorted(kept.items(), key=lambda item: int(item[0]))]


def files_in(folder: Path) -> bytes:
    """Write a definition and a vocabulary, and return the definition."""
    definition = random.Random(17).randbytes(3 * PART + 12345)
    (folder / "model.pt").write_bytes(definition)
    (folder / "vocabulary.json").write_text(json.dumps({"vocabulary": ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a"]}))
    return definition


def meet(python: str, emulator: Process, folder: Path) -> None:
    url, definition = str(emulator.first["url"]), files_in(folder)
    config: Json = peer(python, url, "upload", "of-eland", str(folder))
    sent = [base64.b64encode(definition[at : at + PART]) for at in range(0, len(definition), PART)]
    bytes_of = [min(PART, len(definition) - at) for at in range(0, len(definition), PART)]
    check("the parts of eland are those of the file", parts(emulator, "of-eland"),
          list(zip(bytes_of, map(zlib.crc32, sent), strict=True)))  # fmt: skip
    emulator.control("DELETE", "/journal")
    result = have(url, "of-eland", config, folder)
    check("a model of eland is unchanged for the module", result["changed"], False)
    check("the module writes nothing", emulator.control("GET", "/journal"), [])
    check("the module says that it does not know the parts", result["model"]["verified"], False)

    result = have(url, "of-the-module", config, folder)
    check("the module uploads", result["changed"], True)
    check("the bytes arrive", sum(size for size, _crc in parts(emulator, "of-the-module")), len(definition))
    check("eland lists both", peer(python, url, "list", "-"), ["of-eland", "of-the-module"])
    answers = [peer(python, url, "infer", name) for name in ("of-eland", "of-the-module")]
    check("eland infers with both alike", answers[0], answers[1])
    peer(python, url, "delete", "of-the-module")
    check("eland deletes a model of the module", peer(python, url, "list", "-"), ["of-eland"])


def main(arguments: Sequence[str]) -> int:
    (python,) = arguments
    with tempfile.TemporaryDirectory() as folder, running("--version", "9.5.3") as emulator:
        meet(python, emulator, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test files for TLS, and fingerprints: each mistake is reported before any connection."""

from __future__ import annotations

import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal
from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.connection import connection

HOST = {"hosts": ["https://127.0.0.1:9200"], "validate_certs": True, "request_timeout": 60.0, "request_retries": 3}
PRINTED = "A1:" * 31 + "B2"


class Files(t.NamedTuple):
    """Paths. ``other`` is the key of another certificate, ``both`` has a certificate and its key."""

    ca: str
    cert: str
    key: str
    other: str
    both: str
    encrypted: str
    traditional: str
    words: str
    empty: str
    folder: str


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("tls")
    ca = trustme.CA()
    mine, other = ca.issue_cert("client@localhost"), ca.issue_cert("other@localhost")
    key = serialization.load_pem_private_key(mine.private_key_pem.bytes(), None)
    locked = serialization.BestAvailableEncryption(b"hunter2")
    content = {
        "ca": ca.cert_pem.bytes(),
        "cert": mine.cert_chain_pems[0].bytes(),
        "key": mine.private_key_pem.bytes(),
        "other": other.private_key_pem.bytes(),
        "both": mine.private_key_and_cert_chain_pem.bytes(),
        "encrypted": key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked),
        "traditional": key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, locked
        ),
        "words": b"-----BEGIN CERTIFICATE-----\nhello\n-----END CERTIFICATE-----\n",
        "empty": b"",
    }
    for name, text in content.items():
        (folder / name).write_bytes(text)
    return Files(**{name: str(folder / name) for name in content}, folder=str(folder))


def refused(**options: t.Any) -> str:
    with pytest.raises(Refusal) as caught:
        connection({**HOST, **options})
    return str(caught.value)


def test_files_that_fit(files: Files) -> None:
    made = connection({**HOST, "ca_path": files.ca, "client_cert": files.cert, "client_key": files.key})
    assert (made.ca_path, made.client_cert, made.client_key) == (files.ca, files.cert, files.key)
    both = connection({**HOST, "client_cert": files.both, "client_key": files.both})
    assert both.client_key == files.both


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"ca_path": "words"}, "ca_path {words} has no certificate in PEM format."),
        ({"ca_path": "empty"}, "ca_path {empty} has no certificate in PEM format."),
        ({"ca_path": "key"}, "ca_path {key} has no certificate in PEM format."),
        ({"ca_path": "folder"}, "ca_path {folder} cannot be read: Is a directory."),
        ({"ca_path": "missing"}, "ca_path {missing} cannot be read: No such file or directory."),
        (
            {"client_cert": "cert"},
            "client_cert is given without client_key. A client certificate needs its key; both may",
        ),
        ({"client_key": "key"}, "client_key is given without client_cert."),
        ({"client_cert": "cert", "client_key": "other"}, "client_key {other} does not belong to client_cert {cert}."),
        ({"client_cert": "cert", "client_key": "encrypted"}, "client_key {encrypted} is encrypted. Decrypt it, for"),
        ({"client_cert": "cert", "client_key": "traditional"}, "client_key {traditional} is encrypted."),
        ({"client_cert": "cert", "client_key": "cert"}, "client_key {cert} has no private key in PEM format."),
        ({"client_cert": "cert", "client_key": "empty"}, "client_key {empty} has no private key in PEM format."),
        ({"client_cert": "cert", "client_key": "missing"}, "client_key {missing} cannot be read: No such file or"),
        ({"client_cert": "key", "client_key": "key"}, "client_cert {key} has no certificate in PEM format."),
        ({"client_cert": "missing", "client_key": "key"}, "client_cert {missing} cannot be read: No such file"),
    ],
)
def test_files_that_do_not(files: Files, options: dict[str, str], said: str) -> None:
    paths = {**files._asdict(), "missing": f"{files.folder}/missing"}
    sentence = refused(**{name: paths[value] for name, value in options.items()})
    assert sentence.startswith(said.format(**paths))


def test_no_one_is_asked_for_a_password(files: Files, tmp_path: Path) -> None:
    """OpenSSL asks on the terminal of the process, where there is one."""
    program = tmp_path / "program.py"
    program.write_text(
        "from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.tls import refuse_bad_tls\n"
        "from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.errors import Refusal\n"
        f"values = {{'ca_path': None, 'client_cert': {files.cert!r}, 'client_key': {files.encrypted!r}}}\n"
        "try:\n    refuse_bad_tls(values, ['https://a'])\nexcept Refusal as exc:\n    print(exc)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import pty; pty.spawn({[sys.executable, str(program)]!r})"],
        input="hunter2\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "is encrypted" in done.stdout
    assert "pass phrase" not in done.stdout


def test_an_unreadable_file_is_reported(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_args: t.Any) -> t.NoReturn:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", forbidden)  # root may read every file
    sentence = refused(ca_path=files.ca)
    where = "The file must be on the machine where the task runs."
    assert sentence == f"ca_path {files.ca} cannot be read: Permission denied. {where}"


@pytest.mark.parametrize("text", [PRINTED, PRINTED.lower(), PRINTED.replace(":", ""), f" {PRINTED}\n"])
def test_fingerprints(text: str) -> None:
    assert connection({**HOST, "ca_fingerprint": text}).ca_fingerprint == "a1" * 31 + "b2"


@pytest.mark.parametrize("text", ["a1b2", "x1" * 32, "a1" * 20, "a1" * 33, "sha256:" + "a1" * 32, ":"])
def test_what_is_no_fingerprint(text: str) -> None:
    assert refused(ca_fingerprint=text).startswith("ca_fingerprint is not a SHA-256 fingerprint. Give 64 hexadecimal")


def test_one_trust(files: Files) -> None:
    assert refused(ca_path=files.ca, ca_fingerprint=PRINTED).startswith("ca_path and ca_fingerprint are both given.")


@pytest.mark.parametrize("option", ["ca_path", "ca_fingerprint", "client_cert", "client_key"])
def test_options_for_tls_need_it(files: Files, option: str) -> None:
    values = {"ca_path": files.ca, "ca_fingerprint": PRINTED, "client_cert": files.cert, "client_key": files.key}
    sentence = refused(hosts=["http://a:1", "http://b:2"], **{option: values[option]})
    assert sentence.startswith(f"{option} is given, but no address in hosts uses TLS. Begin addresses with https://")


def test_one_address_with_tls_is_enough(files: Files) -> None:
    assert connection({**HOST, "hosts": ["http://a:1", "https://b:2"], "ca_path": files.ca}).ca_path == files.ca

"""`doctor --security` on homes with one fault each: what others may read or change, what listens, where a secret is."""

from __future__ import annotations

import base64
import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

import copied_process
from onetape.preflight.findings import ERROR, OK, Finding
from onetape.security.tokens import make_token
from onetape.store.config import load_config
from onetape.supervisor import security_check
from onetape.supervisor.security_check import check_security
from waiting import wait_for

CONFIG = """
[venues.sim]
kind = "binance-usdm"
mode = "sim"

[accounts.main]
venue = "sim"
key = "file:key"
secret = "file:secret"
"""
SECRET = "5dK/+canary-of-a-secret=="


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    for name, text in (("onetape.toml", CONFIG), ("key", "key-of-the-account"), ("secret", SECRET)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    make_token(tmp_path / "h", "operator")
    (tmp_path / "h").chmod(0o700)
    return tmp_path


def findings(folder: Path, environ: dict[str, str] | None = None) -> list[Finding]:
    path = folder / "onetape.toml"
    config = load_config(path, {})
    return list(check_security(folder / "h", path, config, environ or {}, lambda words: None))


def bad(folder: Path, subject: str) -> list[str]:
    return [each.text for each in findings(folder) if each.subject == subject and each.state != OK]


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o600)
    return path


def test_a_home_of_its_owner_has_no_error(folder: Path):
    found = findings(folder)
    assert [each for each in found if each.state == ERROR] == []
    assert {each.subject for each in found} == {"user", "files", "code", "ports", "leaks"}


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o602])
def test_a_file_that_others_may_use_is_named(folder: Path, mode: int):
    put(folder / "h" / "runs" / "note", b"").chmod(mode)
    assert bad(folder, "files") == [f"{folder}/h/runs/note is open to other users"]


def test_a_link_to_elsewhere_is_named_and_one_within_is_not(folder: Path):
    put(folder / "h" / "runs" / "note", b"")
    (folder / "h" / "latest").symlink_to("runs")
    assert bad(folder, "files") == []
    (folder / "h" / "there").symlink_to("/etc")
    assert bad(folder, "files") == [f"{folder}/h/there is a link to a place outside of the home"]


def test_a_file_of_another_user_is_named(folder: Path):
    if os.geteuid():
        pytest.skip("NOT_AVAILABLE: only root gives a file to another user")
    os.chown(put(folder / "h" / "note", b""), 12345, -1)
    assert bad(folder, "files") == [f"{folder}/h/note is another user's"]


@pytest.mark.parametrize("name", ["onetape.toml", "."])
def test_a_configuration_that_others_may_write_is_an_error(folder: Path, name: str):
    (folder / name).chmod(0o702 if name == "." else 0o602)
    assert any(str((folder / name).absolute()).rstrip("/.") in text for text in bad(folder, "code"))


# --- processes ------------------------------------------------------------------------------------


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    """Listens on all addresses, and may leave a core file."""
    code = "import socket; s = socket.create_server(('', 0)); print(s.getsockname()[1], flush=True); input()"
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (hard, hard)),
    )
    yield process
    process.communicate("\n")


def test_a_port_that_is_open_beyond_the_machine_is_an_error(child):
    port = int(child.stdout.readline())
    (found,) = security_check._ports([{"pid": child.pid, "name": "gateway:main"}], None)
    assert found.state == ERROR and f"gateway:main listens on 0.0.0.0 port {port}" in found.text
    with socket.create_server(("127.0.0.1", 0)):
        (found,) = security_check._ports([{"pid": os.getpid(), "name": "gateway:main"}], None)
        assert found.state == OK


def test_a_process_that_may_leave_a_core_file_is_named(child):
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        pytest.skip("NOT_AVAILABLE: no process may leave a core file here")
    child.stdout.readline()
    (found,) = security_check._cores([{"pid": child.pid, "name": "gateway:main"}])
    assert found.state != OK and "gateway:main" in found.text


# --- secrets --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        SECRET.encode(),
        SECRET.encode().hex().encode(),
        base64.b64encode(SECRET.encode()),
        b"GET /?signature=5dK%2F%2Bcanary-of-a-secret%3D%3D HTTP/1.1",
    ],
)
@pytest.mark.parametrize("is_compressed", [False, True])
def test_a_secret_in_a_file_of_the_home_is_found_in_all_its_forms(folder: Path, form: bytes, is_compressed: bool):
    data = b"\0" * 5000 + form + b"\xff" * 5000
    name = "0000000001.tape.zst" if is_compressed else "gateway.log"
    file = put(folder / "h" / "journal" / name, zstandard.compress(data) if is_compressed else data)
    assert bad(folder, "leaks") == [f"{file} has file:secret"]
    assert not any(SECRET in each.text + each.todo for each in findings(folder))


@pytest.mark.parametrize("before", range(40, 70))
def test_a_secret_between_two_chunks_is_found(folder: Path, monkeypatch, before: int):
    monkeypatch.setattr(security_check, "CHUNK", 64)
    file = put(folder / "h" / "log", b"." * before + SECRET.encode() + b"." * 200)
    assert bad(folder, "leaks") == [f"{file} has file:secret"]


def test_a_token_and_the_configuration_are_looked_at_too(folder: Path):
    token = make_token(folder / "h", "operator")
    with (folder / "onetape.toml").open("a") as file:
        file.write(f"# {token}\n")
    assert bad(folder, "leaks") == [f"{folder}/onetape.toml has the token operator"]


def test_a_secret_among_the_arguments_of_a_process_is_found(folder: Path):
    code = "input()"
    process = subprocess.Popen([sys.executable, "-c", code, SECRET], stdin=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: SECRET.encode() in Path(f"/proc/{process.pid}/cmdline").read_bytes())
        (text,) = bad(folder, "leaks")
        assert text.startswith(f"the arguments of process {process.pid} have file:secret")
    finally:
        process.communicate("\n")


def test_a_secret_that_others_may_read_is_refused_with_its_number(folder: Path):
    (folder / "secret").chmod(0o644)
    (found,) = [each for each in findings(folder) if each.subject == "secrets"]
    assert (found.state, found.error) == (ERROR, "PERMISSION_DENIED") and "chmod 600" in found.todo


def test_the_command_ends_with_2_where_there_is_an_error(folder: Path):
    args = ["doctor", "--security", "--json", "--home", f"{folder}/h", "--config", f"{folder}/onetape.toml"]
    clean = copied_process.run(*args, cwd=folder)
    assert clean.returncode == 0 and json.loads(clean.stdout)["ok"] is True
    put(folder / "h" / "log", SECRET.encode())
    found = copied_process.run(*args, cwd=folder)
    assert found.returncode == 2 and json.loads(found.stdout)["errors"] == 1

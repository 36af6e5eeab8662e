"""NATS servers and hosts' processes, for tests."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from worlds.stream_feeds import free_port, wait_for_server

__all__ = ["ended", "free_port", "host", "server", "serving"]


@contextmanager
def server(folder: Path, port: int, more: str = "") -> Iterator[subprocess.Popen[bytes]]:
    config = folder / "nats.conf"
    config.write_text(f'listen: 127.0.0.1:{port}\njetstream {{ store_dir: "{folder}/store", max_file: 2GB }}\n{more}')
    with serving(config, port) as process:
        yield process


@contextmanager
def serving(config: Path, port: int, folder: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A server with this file, from which it listens to this port. folder: where it is started."""
    program = shutil.which("nats-server")
    if program is None:
        pytest.skip("NOT_AVAILABLE: no nats-server on this machine")
    process = subprocess.Popen([program, "-c", str(config)], cwd=folder, stderr=subprocess.DEVNULL)
    try:
        wait_for_server(port, process)
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def host(
    name: str, folder: Path, port: int, *follows: str, credentials: str = "", stderr: int | None = None, **more: Any
) -> Iterator[subprocess.Popen[bytes]]:
    options: dict[str, Any] = {
        "host": name,
        "home": str(folder / name),
        "servers": [f"nats://127.0.0.1:{port}"],
        "follow": follows,
        **more,
    }
    options["credentials"] = credentials
    process = subprocess.Popen(
        [sys.executable, "-m", "onetape.cluster.main"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(json.dumps(options).encode())
    process.stdin.close()
    assert process.stdout.readline() == b"ready\n"
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def ended(name: str, folder: Path, port: int, **more: Any) -> subprocess.CompletedProcess[str]:
    """A host's process that ends by itself."""
    options = {"host": name, "home": str(folder / name), "servers": [f"nats://127.0.0.1:{port}"], **more}
    return subprocess.run(
        [sys.executable, "-m", "onetape.cluster.main"],
        input=json.dumps(options),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

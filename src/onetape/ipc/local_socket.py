"""Unix sockets at paths of any length, though a socket address has at most 107 bytes."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["bound", "connect", "request"]

ADDRESS_MAX: Final = 107


def bound(path: Path) -> socket.socket:
    """Returns a socket bound to this path, to listen on. Raises OSError."""
    return _opened(path, socket.socket.bind)


def connect(path: Path, *, timeout_s: float) -> socket.socket:
    """Connects to a socket at this path. Raises OSError."""

    def reach(made: socket.socket, address: str) -> None:
        made.settimeout(timeout_s)
        made.connect(address)

    return _opened(path, reach)


def request(path: Path, line: bytes, *, timeout_s: float) -> bytes:
    """Sends one line over a connection of its own, and returns the line of the answer; b"": it was closed. Raises
    OSError."""
    with connect(path, timeout_s=timeout_s) as made, made.makefile("rwb") as file:
        file.write(line + b"\n")
        file.flush()
        return file.readline()


def _opened(path: Path, do: Callable[[socket.socket, str], None]) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _address(path) as address:
            do(made, address)
    except OSError:
        made.close()
        raise
    return made


@contextmanager
def _address(path: Path) -> Iterator[str]:
    """Returns a short path to a deep folder: by its open descriptor (Linux)."""
    if len(os.fsencode(path)) <= ADDRESS_MAX:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)

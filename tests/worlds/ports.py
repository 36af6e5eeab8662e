"""Ports of this machine that are ours."""

from __future__ import annotations

import socket
from typing import Final

_held: Final[list[socket.socket]] = []


def free_port() -> int:
    """One that nobody else is given until this process ends, also while its server is away. It is bound here and
    nobody listens: a server may, as they all set SO_REUSEADDR."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", 0))
    _held.append(made)
    return int(made.getsockname()[1])

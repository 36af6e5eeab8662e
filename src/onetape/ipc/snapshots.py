"""Follows the state that a process shows.

    async for shown in snapshots("robot:mm"):
        shown["strategies"][0]["position"]

The first comes at once, then one a second and one after each command.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Final

import msgspec

from onetape.ipc.local_socket import connect
from onetape.ipc.names import process_socket
from onetape.ipc.server import FOLLOW
from onetape.model.errors import ProcessDown
from onetape.model.home import StrPath, home_of

__all__ = ["snapshots"]

BYTES_MAX: Final = 1 << 20
CONNECT_WITHIN_S: Final = 1.0


async def snapshots(process: str, *, home: StrPath | None = None) -> AsyncGenerator[dict[str, Any], None]:
    """Follows a process until it ends: then ProcessDown is raised."""
    path = process_socket(home_of(home), process)
    try:
        made = connect(path, timeout_s=CONNECT_WITHIN_S)
    except OSError as error:
        raise ProcessDown(f"{process} does not answer", location=str(path)) from error
    made.setblocking(False)
    reader, writer = await asyncio.open_unix_connection(sock=made, limit=BYTES_MAX)
    try:
        writer.write(msgspec.json.encode({"do": FOLLOW}) + b"\n")
        while (line := await reader.readline()).endswith(b"\n"):
            message = msgspec.json.decode(line, type=dict[str, Any])
            if "snapshot" not in message:
                raise ProcessDown(f"{process} has no state to follow", location=str(path))
            yield message["snapshot"]
    except OSError:
        pass
    finally:
        writer.close()
    raise ProcessDown(f"{process} has ended", location=str(path))

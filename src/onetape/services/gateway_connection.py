"""A gateway's sockets: to the venue, and for who asks it on this machine."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final, cast

import msgspec
import picows

from onetape.services.local_socket import bound
from onetape.store.private import private_folder

__all__ = ["connected", "listen", "reconnect_after"]

RECONNECT_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)  # then the last


def reconnect_after(failures: int) -> float:
    """Seconds until the next try; failures: how many in a row."""
    return RECONNECT_S[min(failures, len(RECONNECT_S) - 1)]


async def connected(
    url: str,
    hello: Sequence[bytes],
    take: Callable[[bytes], bool | None],
    opened: Callable[[], None] = lambda: None,
) -> None:
    """Until the connection ends, or `take` says True: it is of no use any more."""

    class Listener(picows.WSListener):
        def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
            if frame.msg_type == picows.WSMsgType.TEXT and is_open:
                if take(frame.get_payload_as_bytes()):
                    transport.disconnect()
            elif frame.msg_type == picows.WSMsgType.CLOSE:
                transport.send_close()
                transport.disconnect()

    is_open = True

    transport, _ = await picows.ws_connect(
        Listener, url, enable_auto_ping=True, auto_ping_idle_timeout=10,
        auto_ping_reply_timeout=10, enable_auto_pong=True, websocket_handshake_timeout=5,
    )  # fmt: skip
    try:
        for message in hello:
            transport.send(picows.WSMsgType.TEXT, message)
        opened()
        await transport.wait_disconnected()
    finally:
        is_open = False
        transport.disconnect()


async def listen(
    path: Path, answer: Callable[[dict[str, Any]], dict[str, Any]]
) -> Coroutine[Any, Any, None]:
    """Opens the socket on which one line of JSON gets one line of answer; gives what serves it."""
    private_folder(path.parent)
    with contextlib.suppress(FileNotFoundError):
        path.unlink()

    talks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = cast(asyncio.Task[None], asyncio.current_task())
        talks.add(talk)
        try:
            # A transport that has ended refuses what is written (uvloop: RuntimeError, "the handler
            # is closed"), although lines of who hung up are still to be read.
            while (line := await reader.readline()) and not writer.is_closing():
                try:
                    told = answer(msgspec.json.decode(line))
                except (msgspec.DecodeError, KeyError, TypeError, AttributeError) as error:
                    told = {"error": f"not a request: {type(error).__name__}"}
                writer.write(msgspec.json.encode(told) + b"\n")
                await writer.drain()
        except (ConnectionError, asyncio.LimitOverrunError, ValueError, asyncio.CancelledError):
            pass  # it hung up, or we end
        finally:
            talks.discard(talk)
            writer.close()

    async def serve_all() -> None:
        """Until cancelled; nobody is answered afterwards."""
        try:
            await asyncio.Event().wait()
        finally:
            server.close()
            for talk in talks:
                talk.cancel()
            await asyncio.gather(*talks, return_exceptions=True)

    server = await asyncio.start_unix_server(serve, sock=bound(path), limit=1 << 20)
    path.chmod(0o600)
    return serve_all()

"""A gateway's sockets to the venue."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import picows

from onetape.net.egress import Egress, socket_of

__all__ = ["PING_EVERY_S", "back_off", "connected", "reconnect_after"]

PING_EVERY_S: Final = 20.0  # Pacifica ends a connection after 60 s without a message of its client (as of 2026-07)
RECONNECT_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)  # delays; the last one repeats


def reconnect_after(failures: int) -> float:
    """Returns the largest delay in seconds before the next attempt, after that many failures in a row."""
    return RECONNECT_S[min(failures, len(RECONNECT_S) - 1)]


async def back_off(failures: int) -> None:
    """Waits before the next attempt, partly at random, so that clients that lost the same connection do not return
    together."""
    await asyncio.sleep(reconnect_after(failures) * random.uniform(0.5, 1.0))


async def connected(
    url: str,
    hello: Sequence[bytes],
    take: Callable[[bytes], bool | None],
    opened: Callable[[], None] = lambda: None,
    cut: asyncio.Event | None = None,
    ping: bytes = b"",
    *,
    due: Callable[[], Iterable[bytes]] = tuple,
    egress: Egress | None = None,
) -> None:
    """Runs a WebSocket until it ends, `take` returns True for a message, or `cut` is set. ping: a message that the
    venue requires periodically, in addition to WebSocket pings. due: returns what a message requires to be sent."""

    class Listener(picows.WSListener):
        def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
            if frame.msg_type == picows.WSMsgType.TEXT and is_open:
                ends = take(frame.get_payload_as_bytes())
                for message in () if ends else due():
                    transport.send(picows.WSMsgType.TEXT, message)
                if ends:
                    transport.disconnect()
            elif frame.msg_type == picows.WSMsgType.CLOSE:
                transport.send_close()
                transport.disconnect()

    async def speak() -> None:
        while True:
            await asyncio.sleep(PING_EVERY_S)
            transport.send(picows.WSMsgType.TEXT, ping)

    is_open = True
    transport, _ = await picows.ws_connect(
        Listener,
        url,
        enable_auto_ping=True,
        auto_ping_idle_timeout=10,
        auto_ping_reply_timeout=10,
        enable_auto_pong=True,
        websocket_handshake_timeout=5,
        max_redirects=0,
        socket_factory=socket_of(egress),
    )
    try:
        for message in hello:
            transport.send(picows.WSMsgType.TEXT, message)
        opened()
        ends: list[asyncio.Future[Any]] = [asyncio.ensure_future(transport.wait_disconnected())]
        if cut is not None:
            ends.append(asyncio.ensure_future(cut.wait()))
        if ping:
            ends.append(asyncio.ensure_future(speak()))
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in ends:
                each.cancel()
    finally:
        is_open = False
        transport.disconnect()

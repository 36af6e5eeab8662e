"""A client that goes while its stream is being opened leaves nothing behind."""

from __future__ import annotations

import socket
from typing import Any

from aiohttp import web

from exchange.venue_client import served
from waiting import wait_for

UPGRADE = (
    "GET /market/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def test_a_stream_whose_client_has_gone_before_it_is_open_is_no_connection(monkeypatch):
    async def gone(*_: Any) -> None:
        raise ConnectionResetError

    left: list[Any] = []
    monkeypatch.setattr(web.WebSocketResponse, "prepare", gone)
    with served("binance-usdm", seed=1) as (dialect, port):
        disconnect = dialect.disconnect
        monkeypatch.setattr(dialect, "disconnect", lambda connection: [left.append(connection), disconnect(connection)])
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(UPGRADE.encode())
            wait_for(lambda: left)

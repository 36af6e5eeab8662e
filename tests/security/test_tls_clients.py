"""What goes to a venue goes by TLS to who proves its name: an unknown certificate, or one of another name, ends the
handshake before any request."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from onetape.web.listening import server_tls
from waiting import PATIENCE_S
from worlds.certificates import write_certificate

# Each client calls once, or until it is ended.
CODE = """
import asyncio, sys
from onetape.feeds.query_line import VenueLine
from onetape.feeds.venue_clock import VenueClock
from onetape.net.connection import connected
from onetape.net.kept_http import KeptConnections
from onetape.orders.calls import Call, Purpose
from onetape.preflight.venue_access import VenueAccess
from onetape.venues.contract import Addresses
from onetape.venues.open import open_trading_venue

client, at = sys.argv[1], "127.0.0.1:" + sys.argv[2]
rest, ws = "https://" + at, "wss://" + at
call = Call(Purpose.QUERY, "GET", "/x", b"", {"X-Key": "a-secret"}, 1)

async def gateway():
    venue = open_trading_venue("binance-usdm", "k", "s", Addresses(rest, ws, ws))
    line = VenueLine(venue, rest, VenueClock(), keeps=False)
    async with line.open():
        await line.request(call)

async def kept():
    line = KeptConnections(rest, kept=1)
    keeper = asyncio.ensure_future(line.keep())
    while line.send(call) is None:
        await asyncio.sleep(0.01)
    await keeper

async def stream():
    await connected(ws, [b"a-secret"], print)

if client == "doctor":
    VenueAccess(rest).ask(call)
else:
    asyncio.run({"gateway": gateway, "kept": kept, "stream": stream}[client]())
"""


@pytest.mark.parametrize("client", ["doctor", "gateway", "kept", "stream"])
@pytest.mark.parametrize(("is_trusted", "name"), [(True, ""), (False, ""), (True, "other.example")])
def test_a_client_speaks_only_to_who_proves_its_name(tmp_path: Path, client: str, is_trusted: bool, name: str):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    write_certificate(cert, key, name)
    context = server_tls(str(cert), str(key))
    assert context is not None and context.minimum_version == ssl.TLSVersion.TLSv1_2
    heard: list[bytes] = []

    def serve(listening: socket.socket) -> None:
        accepted, _ = listening.accept()
        accepted.settimeout(PATIENCE_S)
        try:
            with context.wrap_socket(accepted, server_side=True) as secure:
                heard.append(secure.recv(1 << 16))
        except OSError as error:
            heard.append(str(error).encode())

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(PATIENCE_S)
        serving = threading.Thread(target=serve, args=(listening,))
        serving.start()
        environ = {**os.environ, "SSL_CERT_FILE": str(cert) if is_trusted else "", "SSL_CERT_DIR": str(tmp_path)}
        words = [sys.executable, "-c", CODE, client, str(listening.getsockname()[1])]
        with subprocess.Popen(words, env=environ, stderr=subprocess.DEVNULL) as process:
            serving.join()
            process.kill()
    (text,) = heard
    expected = b"GET /" if is_trusted and not name else b"[SSL: "
    assert text.startswith(expected), text

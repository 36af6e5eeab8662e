"""Connections through an HTTP proxy: what is wrong with it is an error that names it, and an alert that ends."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest

from onetape.model.config import parse_config
from onetape.model.errors import BadConfig, ProxyFailed, UsageError
from onetape.model.proxy import Proxy, parse_proxy_url
from onetape.net.egress import Egress, EgressError, connector_of
from onetape.orders.calls import Call, Purpose
from onetape.orders.managed import HealthOut
from onetape.preflight.configured import proxy_of
from onetape.preflight.venue_access import VenueAccess
from onetape.simulation.tcp_proxy import Proxy as Relay
from worlds.certificates import write_certificate
from worlds.tcp_proxy import HttpProxy

SAYS = {
    b"HTTP/1.1 407 Who\r\n\r\n": "HTTP 407 for venue.example:443",
    b"HTTP/1.1 502 No\r\nA: b\r\n\r\n": "HTTP 502 for venue.example:443",
    b"SSH-2.0-x\r\n\r\n": "it does not speak HTTP",
    b"HTTP/1.1 2\r\n\r\n": "it does not speak HTTP",
    b"HTTP/1.1 200 OK\r\n\r\nhello": "HTTP 200 for venue.example:443",  # what it says would be taken for the venue's
    b"HTTP/1.1 200 OK\r\n": "it hung up",
    b"x" * 20_000: "it does not speak HTTP",
    b"": "it hung up",
}


async def answering(reply: bytes) -> asyncio.Server:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        await writer.drain()
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


def at(port: int, **more) -> Proxy:
    return Proxy(name="corp", host="127.0.0.1", port=port, **more)


@pytest.mark.parametrize(("reply", "why"), SAYS.items(), ids=[*map(str, range(len(SAYS)))])
def test_a_proxy_that_makes_no_tunnel_is_an_error_that_names_it(reply, why):
    async def run() -> list:
        said = []
        async with await answering(reply) as server:
            egress = Egress(at(server.sockets[0].getsockname()[1]), said.append)
            for _ in range(2):
                with pytest.raises(EgressError, match=f"^proxy corp: {why}$"):
                    await egress.open("venue.example", 443)
        with pytest.raises(ProxyFailed, match=why):
            egress.check()
        return said

    assert asyncio.run(run()) == [HealthOut("proxy", "corp", why, "warning")]


def test_each_address_of_a_proxy_is_tried(monkeypatch):
    async def run() -> None:
        with HttpProxy() as proxy, Relay() as target, socket.create_server(("127.0.0.1", 0)) as closed:
            ports = [closed.getsockname()[1], proxy.port]
            closed.close()
            found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", each)) for each in ports]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
            (await Egress(at(proxy.port)).open("127.0.0.1", target.port)).close()

    asyncio.run(run())


def test_its_alert_begins_once_and_ends_with_the_last_host_that_is_reached_again():
    async def run() -> list:
        said = []
        with HttpProxy() as proxy, Relay() as one, Relay() as other:
            egress = Egress(at(proxy.port), said.append)
            hosts = [("127.0.0.1", each.port) for each in (one, other)]
            for mode, outcome in (("pass", 0), ("cut", 2), ("pass", 0)):
                proxy.set(mode)
                failed = 0
                for host in hosts:
                    try:
                        (await egress.open(*host)).close()
                    except EgressError:
                        failed += 1
                    said.append(bool(egress.failure))
                assert failed == outcome
        return [each if isinstance(each, bool) else (each.state, each.severity) for each in said]

    begun, *rest = [each for each in asyncio.run(run()) if not isinstance(each, bool)]
    assert begun[1] == "warning" and rest == [("works again", "info")]


@pytest.mark.parametrize("secure", [False, True])
def test_requests_of_doctor_and_of_gateways_go_by_it_with_its_password(tmp_path, monkeypatch, secure):
    import aiohttp

    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    write_certificate(cert, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    async def ask(egress: Egress, url: str) -> str:
        async with aiohttp.ClientSession(connector=connector_of(egress)) as session, session.get(url) as reply:
            return await reply.text()

    async def run() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert b"Proxy-Authorization" not in await reader.readuntil(b"\r\n\r\n")  # is the proxy's alone
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context if secure else None)
        port = server.sockets[0].getsockname()[1]
        url = f"http{'s' * secure}://127.0.0.1:{port}"
        with HttpProxy("me:a b:c") as proxy:
            mine = at(proxy.port, user="me", password="a b:c")
            assert await ask(Egress(mine), f"{url}/x") == "ok"

            def answer(by: Proxy) -> bytes:
                access = VenueAccess(url, proxy=by)
                try:
                    return access.ask(Call(Purpose.QUERY, "GET", "/x", b"", {}, 1))[2]
                finally:
                    access.close()

            assert await asyncio.to_thread(answer, mine) == b"ok"
            with pytest.raises(ProxyFailed, match="proxy corp: HTTP 407"):
                await asyncio.to_thread(answer, at(proxy.port))
            assert proxy.targets == {f"127.0.0.1:{port}": 2}
        server.close()

    asyncio.run(run())


BAD = {
    '[proxies.p]\nurl = "socks5://h:1"': "not the address of an HTTP proxy at proxies.p.url",
    '[proxies.p]\nurl = "http://h"': "not the address",
    '[proxies.p]\nurl = ""': "not the address",
    '[proxies.p]\nurl = "http://me:hunter2@h:1"': "a secret in the open at proxies.p.url",
    '[proxies.p]\nurl = "http://h:1"\nuser = "me"': "`user` and `password` belong together",
    '[proxies.p]\nurl = "http://h:1"\nuser = "me"\npassword = "hunter2"': "a secret in the open",
    '[proxies.p]\nurl = "http://h:1"\nuser = "me"\npassword = "fd:3"': "a secret in the open",
    '[collectors.c]\nkind = "zeromq"\naddress = "tcp://h:1"\nproxy = "p"\n[proxies.p]\nurl = "http://h:1"': (
        "a collector of kind zeromq cannot use a proxy at collectors.c.proxy"
    ),
    '[venues.v]\nkind = "kraken"\n[accounts.a]\nvenue = "v"\nproxy = "p"': "no proxy `p` at accounts.a.proxy",
}


@pytest.mark.parametrize(("text", "what"), BAD.items(), ids=[*map(str, range(len(BAD)))])
def test_what_cannot_be_is_refused_with_its_place_and_without_its_secret(text, what):
    with pytest.raises(BadConfig, match=what) as caught:
        parse_config(text)
    assert "hunter2" not in str(caught.value) + caught.value.todo


def test_its_password_comes_from_where_secrets_come_from_and_is_not_shown(tmp_path):
    config = parse_config('[proxies.p]\nurl = "http://[::1]:3128"\nuser = "me"\npassword = "env:P"')
    made = proxy_of(config, "p", {"P": "hunter@2"}, tmp_path)
    assert (made.url, "hunter" in repr(made)) == ("http://me:hunter%402@[::1]:3128", False)
    assert proxy_of(config, "", {}, tmp_path) is None
    with pytest.raises(UsageError):
        parse_proxy_url("http://h:99999")

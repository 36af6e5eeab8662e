"""Who may look and act at the pages, over real sockets: links, cookies, Host, Origin, CSRF, and what is never sent."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import asynccontextmanager
from http.cookies import SimpleCookie
from pathlib import Path

import aiohttp
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from onetape.dashboard import access
from onetape.dashboard import server as pages_server
from onetape.dashboard.access import KEY_HEADER, Sessions
from onetape.dashboard.main import Dashboard
from onetape.dashboard.options import dashboard_options, link_of
from onetape.model.config import parse_config
from onetape.model.errors import BadConfig, PermissionDenied, ProcessDown
from onetape.model.sections import ControlConfig
from onetape.store.config import load_config
from onetape.web.control_models import Caller
from onetape.web.listening import tls_files, trusts
from worlds.certificates import write_certificate
from worlds.chromium_pipe import CHROMIUM, Chromium
from worlds.control_server import control_server


def options_of(home: Path, text: str = "[dashboard]\nport = 0\n"):
    home.mkdir(exist_ok=True)
    file = home / "onetape.toml"
    file.write_text(text)
    return dashboard_options(load_config(file, {}), home=home, folder=home)


class Server:
    def __init__(self, made: Dashboard, home: Path, tls: ssl.SSLContext | bool = True) -> None:
        self.made, self.home, self.address = made, home, made.server.address
        web = aiohttp.TCPConnector(ssl=tls)
        self.web = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), connector=web)

    async def call(self, method: str, path: str, **facts) -> tuple[int, Mapping[str, str], str]:
        async with self.web.request(method, self.address + path, allow_redirects=False, **facts) as answer:
            return answer.status, answer.headers, await answer.text()

    async def login(self) -> str:
        """Returns the cookie; `own` is what a page shows, the key with it."""
        status, headers, _ = await self.call("GET", link_of(self.home).removeprefix(self.address))
        assert status == 303 and headers["Location"].startswith("/#key=")
        name, value = next(iter(SimpleCookie(headers["Set-Cookie"]).items()))
        self.cookies = headers["Set-Cookie"]
        assert all(word in self.cookies for word in ("HttpOnly", "SameSite=Strict", "Path=/"))
        cookie = f"{name}={value.value}"
        self.own = {"Cookie": cookie, KEY_HEADER: headers["Location"].removeprefix("/#key=")}
        return cookie

    def socket(self, own: Mapping[str, str]):
        """Connects as a browser does: it can add no header of its own."""
        headers, protocols = {"Cookie": own["Cookie"], "Origin": self.address}, ("onetape", own[KEY_HEADER])
        return self.web.ws_connect(f"{self.address}/ws", headers=headers, protocols=protocols)

    async def hello(self) -> dict:
        async with self.socket(self.own) as ws:
            return (await ws.receive_json())["hello"]


@asynccontextmanager
async def serving(home: Path, *facts: str, tls: ssl.SSLContext | bool = True):
    made = Dashboard(options_of(home, *facts))
    await made.start()
    server = Server(made, home, tls)
    try:
        yield server
    finally:
        await server.web.close()
        await made.close()


def run(work) -> None:
    asyncio.run(work())


def test_a_link_lets_in_once_and_its_cookie_outlives_the_server(tmp_path):
    async def work() -> None:
        async with serving(tmp_path / "h") as server:
            link = link_of(server.home)
            assert (await server.call("HEAD", link.removeprefix(server.address)))[0] == 404  # a look ahead
            cookie = await server.login()
            assert link_of(server.home) != link  # there is another one
            assert (await server.call("GET", link.removeprefix(server.address)))[0] == 401
            assert (await server.call("GET", "/"))[0] == 401
            assert (await server.call("GET", "/", headers={"Cookie": cookie}))[0] == 200
            odd = f'prefs={{"theme":"dark"}}; x; {cookie}; y="'  # of other ports of this host
            assert (await server.call("GET", "/", headers={"Cookie": odd}))[0] == 200
            name, _, value = cookie.partition("=")
            for strange in ("é", "\udc80"):
                wrong = f"{name}={strange}".encode("utf-8", "surrogateescape").decode("latin-1")
                assert (await server.call("GET", "/", headers={"Cookie": wrong}))[0] == 401
            forged = f"{name}={value[:-1]}{'0' if value[-1] != '0' else '1'}"
            assert (await server.call("GET", "/", headers={"Cookie": forged}))[0] == 401
            port = server.made.server.port
        async with serving(tmp_path / "h", f"[dashboard]\nport = {port}\n") as server:
            assert (await server.call("GET", "/", headers={"Cookie": cookie}))[0] == 200
            (server.home / "state" / "dashboard.sessions").unlink()
            assert (await server.call("GET", "/", headers={"Cookie": cookie}))[0] == 401

    run(work)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "localhost"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_another_name_or_page_is_refused(tmp_path, headers, status):
    async def work() -> None:
        async with serving(tmp_path / "h") as server:
            cookie = await server.login()
            assert (await server.call("GET", "/", headers={"Cookie": cookie, **headers}))[0] == status

    run(work)


def test_a_change_needs_the_word_of_our_own_page_and_a_locked_session_makes_none(tmp_path):
    async def work() -> None:
        async with serving(tmp_path / "h") as server:
            cookie = await server.login()
            body, own = {"do": "ack", "id": "1", "fields": {"id": "7"}}, server.own
            assert (await server.call("POST", "/act", json=body, headers={"Cookie": cookie}))[0] == 401
            assert (await server.call("POST", "/act", json=body, headers={**own, KEY_HEADER: "é"}))[0] == 401
            assert (await server.call("POST", "/act", json=body))[0] == 401
            assert (await server.call("POST", "/act", data=b"x=1", headers=own))[0] == 400
            for data in (b"[" * 30_000, b'{"a":' * 10_000, b"\xff", b"x"):
                headers = {**own, "Content-Type": "application/json"}
                assert (await server.call("POST", "/act", data=data, headers=headers))[0] == 400, data[:9]
            async with server.socket(own) as page:
                await page.receive_json()
                await page.send_str("[" * 30_000)
                while "refused" not in (await page.receive_str()):
                    pass
            for wrong in (
                {"do": "allocate"},  # moves money: no page may
                {"do": "kill"},
                {"do": "kill", "name": "main", "fields": {"x": 1}},
                {"do": "ack", "name": "x"},
                {"do": "ack", "id": "x" * 65},
            ):
                status, _, text = await server.call("POST", "/act", json={"id": "1", **wrong}, headers=own)
                assert status == 400, text
            async with server.socket(own) as page:
                assert not (await page.receive_json())["hello"]["read_only"]
                assert (await server.call("POST", "/lock", headers=own))[0] == 204
                while not page.closed:  # it comes back, and shows it
                    await page.receive()
            assert (await server.call("POST", "/act", json=body, headers=own))[0] == 403
            assert (await server.hello())["read_only"]

    run(work)


def test_a_cookie_that_another_port_has_seen_lets_nobody_in(tmp_path):
    async def work() -> None:
        async with serving(tmp_path / "h") as server:
            stolen = {"Cookie": await server.login()}
            own = server.own
            ticket = (await server.hello())["ticket"]
            for path in ("/session", "/read?topic=overview", "/report/runs/x", "/ws"):
                assert (await server.call("GET", path, headers={**stolen, "Origin": server.address}))[0] == 401, path
            for wrong in ("", "none", stolen["Cookie"].partition("=")[2], ticket):
                with pytest.raises(aiohttp.WSServerHandshakeError):
                    await server.socket({**stolen, KEY_HEADER: wrong})
            assert (await server.call("GET", "/session", headers=own))[0] == 204
            for site, status in (("same-origin", 200), ("none", 200), ("same-site", 403), ("cross-site", 403)):
                headers = {**own, "Sec-Fetch-Site": site, "Sec-Fetch-Mode": "cors"}
                assert (await server.call("GET", "/read?topic=overview", headers=headers))[0] == status, site
            headers = {**own, "Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate"}
            assert (await server.call("GET", "/", headers=headers))[0] == 200, "a link of another page"
            kept = (server.home / "state" / "dashboard.sessions").read_text()
            assert not any(each in kept for each in (own[KEY_HEADER], stolen["Cookie"].partition("=")[2]))
            link = link_of(server.home)
            headers = {"Sec-Purpose": "prefetch"}
            assert (await server.call("GET", link.removeprefix(server.address), headers=headers))[0] == 403
            assert link_of(server.home) == link

    run(work)


def test_a_session_ends_with_a_log_out_an_entry_that_is_taken_out_or_its_time(tmp_path, monkeypatch):
    monkeypatch.setattr(pages_server, "WATCH_S", 0.05)

    async def work() -> None:
        async with serving(tmp_path / "h") as server:
            sessions = Sessions(server.home)

            async def ends(how) -> dict:
                await server.login()
                own = server.own
                async with server.socket(own) as page:
                    await page.receive_json()
                    assert (await server.call("GET", "/session", headers=own))[0] == 204
                    await how(own)
                    assert (await server.call("GET", "/session", headers=own))[0] == 401
                    assert (await server.call("POST", "/act", json={"do": "ack", "id": "1"}, headers=own))[0] == 401
                    while not page.closed:
                        await page.receive()
                return own

            await server.login()
            other = server.own

            async def logged_out(own) -> None:
                status, headers, _ = await server.call("POST", "/logout", headers=own)
                assert status == 204 and "Max-Age=0" in headers["Set-Cookie"]

            async def taken_out(_own) -> None:
                sessions.end(sessions.all()[-1])

            async def all_out(own) -> None:
                assert (await server.call("GET", "/session", headers=other))[0] == 204
                assert (await server.call("POST", "/logout?all", headers=own))[0] == 204
                assert (await server.call("GET", "/session", headers=other))[0] == 401

            for how in (logged_out, taken_out, all_out):
                await ends(how)
            monkeypatch.setattr(access, "KEPT_DAYS", 0)
            await server.login()
            assert (await server.call("GET", "/session", headers=server.own))[0] == 401
            monkeypatch.undo()
            for _ in range(access.SESSIONS_MAX + 3):
                sessions.begin()
            assert len(sessions.all()) == access.SESSIONS_MAX

    run(work)


def test_read_only_is_so_for_sessions_from_before(tmp_path):
    async def work() -> None:
        async with serving(tmp_path / "h") as server:
            await server.login()
            own, port = server.own, server.made.server.port
        async with serving(tmp_path / "h", f"[dashboard]\nport = {port}\nread_only = true\n") as server:
            server.own = own
            assert (await server.hello())["read_only"]
            assert (await server.call("POST", "/act", json={"do": "ack", "id": "1"}, headers=own))[0] == 403

    run(work)


def test_a_socket_needs_a_session_and_our_own_page(tmp_path):
    async def work() -> None:
        async with serving(tmp_path / "h") as server:
            cookie = await server.login()
            for headers in (
                {},
                {"Origin": server.address},
                {"Cookie": cookie},
                {"Cookie": cookie, "Origin": "http://x"},
            ):
                with pytest.raises(aiohttp.WSServerHandshakeError):
                    await server.web.ws_connect(f"{server.address}/ws", headers=headers)

    run(work)


def test_pages_are_packed_and_allow_nothing_inline(tmp_path):
    async def work() -> None:
        async with serving(tmp_path / "h") as server:
            for path in ("/app.js", "/app.css", "/third_party/preact.js"):
                status, headers, _ = await server.call("GET", path, headers={"Accept-Encoding": "gzip"})
                assert (status, headers["Content-Encoding"]) == (200, "gzip")
                policy = headers["Content-Security-Policy"]
                assert policy.startswith("default-src 'self';") and "unsafe" not in policy
                second = await server.call("GET", path, headers={"If-None-Match": headers["ETag"]})
                assert second[0] == 304
            for path in ("/../main.py", "/%2e%2e/main.py", "/pages/", "/nothing"):
                assert (await server.call("GET", path))[0] == 404

    run(work)


def test_a_written_port_that_is_taken_is_an_error_and_the_default_takes_the_next(tmp_path, monkeypatch):
    async def work() -> None:
        async with serving(tmp_path / "one") as first:
            port = first.made.server.port
            with pytest.raises(ProcessDown, match=f"cannot listen on 127.0.0.1:{port}"):
                async with serving(tmp_path / "two", f"[dashboard]\nport = {port}\n"):
                    pass
            options = options_of(tmp_path / "three", "[dashboard]\n")
            assert options.ports[0] == 8080 and len(options.ports) == 100
            second = Dashboard(msgspec.structs.replace(options, ports=[port, 0]))
            await second.start()
            assert second.server.port not in (0, port)
            await second.close()
            assert (
                options_of(tmp_path / "three", "[dashboard]\n").ports[0] == second.server.port
            )  # its pages wait there

    run(work)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ('host = "0.0.0.0"', "has no TLS"),
        ('tls_cert = "a.pem"', "go together"),
        ('host = "10.0.0.5"\ntls_cert = "no.pem"\ntls_key = "no.pem"', "cannot read the file"),
    ],
)
def test_what_would_be_open_to_a_network_is_refused(tmp_path, keys, words):
    with pytest.raises(BadConfig, match=words):
        options_of(tmp_path / "h", f"[dashboard]\n{keys}\n")


@pytest.fixture
def certified(tmp_path):
    """A home with a certificate that somebody else has signed."""
    home = tmp_path / "h"
    home.mkdir()
    write_certificate(home / "cert.pem", home / "key.pem", signer=ec.generate_private_key(ec.SECP256R1()))
    return home


TLS = 'port = 0\ntls_cert = "cert.pem"\ntls_key = "key.pem"\n'


@pytest.mark.parametrize("name", ["dashboard", "control"])
def test_a_key_that_others_may_read_is_refused(certified, name):
    (certified / "key.pem").chmod(0o640)
    config = parse_config(f"[{name}]\n{TLS}")
    with pytest.raises(PermissionDenied, match="others may read this key"):
        tls_files(config, name, getattr(config, name), certified)


def test_with_a_certificate_pages_and_sockets_go_by_tls_alone(certified):
    trusted = trusts(certified / "cert.pem")

    async def work() -> None:
        async with serving(certified, f"[dashboard]\n{TLS}", tls=trusted) as server:
            assert link_of(certified).startswith(server.address) and server.address.startswith("https://")
            cookie = await server.login()
            assert "Secure" in server.cookies
            assert (await server.call("GET", "/", headers={"Cookie": cookie}))[0] == 200
            assert (await server.hello())["ticket"]
            origin = server.address.replace("https", "http")
            with pytest.raises(aiohttp.ClientError):
                await server.web.get(origin)
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await server.web.ws_connect(f"{server.address}/ws", headers={"Cookie": cookie, "Origin": origin})

    run(work)


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium (apt install --no-install-recommends chromium)")
def test_a_browser_shows_pages_over_tls(certified, tmp_path):
    def look() -> None:
        flags = ("--ignore-certificate-errors",)
        with Chromium(link_of(certified), tmp_path, ready="!!document.querySelector('.panel')", flags=flags) as page:
            page.wait(
                "document.querySelector('.link')?.innerText.includes(':')"
            )  # its socket is open: there is a clock
            assert page.js("location.protocol + document.cookie") == "https:"  # no script reads the cookie
            assert page.console == []

    async def work() -> None:
        async with serving(certified, f"[dashboard]\n{TLS}"):
            await asyncio.to_thread(look)

    run(work)


def test_the_pages_ask_a_control_plane_over_tls(certified):
    async def work() -> None:
        made = Dashboard(options_of(certified, f"[dashboard]\n{TLS}\n[control]\n{TLS}"))

        async def status() -> dict:
            return {"control": plane.url}

        made.reader.status = status
        try:
            assert (await made.control.call("caller"))["actor"] == "x"
        finally:
            await made.close()

    async def caller(_: object) -> Caller:
        return Caller(actor="x", scopes=["read"])

    files = {name: str(certified / f"{name.removeprefix('tls_')}.pem") for name in ("tls_cert", "tls_key")}
    section = ControlConfig(port=0, calls_per_second=0, **files)
    with control_server(certified, {"caller": caller}, section) as plane:
        run(work)

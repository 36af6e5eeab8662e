"""A real gateway that reaches its venue by a real HTTP proxy: all that it sends goes there, and what the proxy breaks
in the middle of trading is mended when it is back."""

from __future__ import annotations

import json
import random
import ssl
from collections import Counter

import msgspec
import pytest

from bridge.bridge_process import needs_ccxt
from exchange.venue_client import served
from gateway.test_bad_network import agreement, lasting, trade
from gateway.test_gateway_bridge import bridged_gateway
from onetape.model.enums import Side
from onetape.model.home import gateway_journal
from onetape.notify.rules import alert_of, ended_by
from onetape.simulation.tcp_proxy import Proxy
from onetape.tape.journal import JournalReader
from waiting import wait_for
from worlds.certificates import write_certificate
from worlds.gateway_process import TRADED, GatewayProcess, Robot, booked
from worlds.supervised import Home
from worlds.tcp_proxy import HttpProxy

KIND = "binance-usdm"


def proxy_news(home) -> list[tuple[int, dict]]:
    with JournalReader(gateway_journal(home, "main")) as reader:
        records = [(f.time, msgspec.msgpack.decode(f.payload)) for f in reader.frames(("health",))]
    return [(at, each) for at, each in records if each["kind"] == "proxy"]


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_all_of_it_goes_by_the_proxy_also_when_that_was_killed_while_it_traded(tmp_path, monkeypatch, secure):
    context = None
    if secure:
        cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
        write_certificate(cert, key)
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
    home = tmp_path / "home"
    home.mkdir()
    with (
        served(KIND, seed=5, limits=False) as (dialect, port),
        Proxy(port, tls=context) as venue,
        HttpProxy("me:hunter2") as proxy,
    ):
        account = dialect.exchange.accounts[0]
        s = "s" * secure
        at = f"127.0.0.1:{venue.port}"
        gateway = GatewayProcess(
            KIND,
            home,
            port,
            account,
            rest=f"http{s}://{at}",
            ws=f"ws{s}://{at}",
            ws_entry=f"ws{s}://{at}/ws-fapi/v1",
            rest_wallet=f"http{s}://{at}",
            order_entry="socket",
            proxy={"name": "corp", "host": "127.0.0.1", "port": proxy.port, "user": "me", "password": "hunter2"},
        )
        gateway.start()
        robot = Robot(tmp_path / "robot", gateway, 5)
        try:
            wait_for(lambda: gateway.ask("status")["order_entry"]["up"])
            rng = random.Random(5)
            trade(robot, dialect.exchange.listings[0], rng, lasting(proxy, "pass"))
            for mode in ("cut", "pass"):
                proxy.set(mode)
                trade(robot, dialect.exchange.listings[0], rng, lasting(proxy, mode))
                wait_for(lambda wanted=1 + (mode == "pass"): len(proxy_news(home)) == wanted)
            robot.cancel_all()
            agreement(gateway, account)
            assert gateway.ask("status")["order_entry"]["sent"] > 0
        finally:
            gateway.kill()
            robot.writer.close()
        assert account.open_orders == {}
        assert booked(home) == Counter(t.fill.trade_id for t in account.trades)
        # None came another way. One that was cut before its TLS was agreed has not come.
        wait_for(lambda: set(proxy.targets) == {at} and proxy.targets[at] >= venue.connections)
    begun, over = proxy_news(home)
    raised = alert_of("gateway:main", "alert", begun[1] | {"severity": "warning"}, begun[0])
    assert (raised.type, raised.severity, raised.subject) == ("proxy", "warn", "gateway:main proxy corp")
    assert ended_by("gateway:main", "health", over[1]) == [raised.subject]
    written = home.with_name("home.log").read_text() + json.dumps([each for _, each in proxy_news(home)])
    assert "hunter2" not in written


@needs_ccxt
def test_what_goes_through_ccxt_goes_by_the_proxy(tmp_path):
    with served(KIND, seed=5, limits=False) as (dialect, port), Proxy(port) as venue, HttpProxy("me:hunter2") as proxy:
        by = {"name": "corp", "host": "127.0.0.1", "port": proxy.port, "user": "me", "password": "hunter2"}
        account = dialect.exchange.accounts[0]
        gateway = bridged_gateway("ccxt:binanceusdm", tmp_path, venue.port, account, proxy=by)
        gateway.start()
        try:
            robot = Robot(tmp_path / "robot", gateway, 5)
            robot.place(Side.BUY, 0)
            wait_for(lambda: sum(booked(tmp_path).values()) > 0)
            robot.writer.close()
        finally:
            gateway.kill()
        assert venue.connections > 1
        wait_for(lambda: proxy.targets == {f"127.0.0.1:{venue.port}": venue.connections})


def test_under_up_status_and_alerts_say_when_it_fails_and_doctor_tries_it(tmp_path):
    with served(KIND, seed=5, limits=False) as (dialect, port), Proxy(port) as venue, HttpProxy("me:hunter2") as proxy:
        account = dialect.exchange.accounts[0]
        for name, text in (("key", account.key), ("secret", account.secret), ("password", "hunter2")):
            (tmp_path / name).write_text(text)
            (tmp_path / name).chmod(0o600)
        config = (
            f'[venues.v]\nkind = "{KIND}"\nrest = "http://127.0.0.1:{venue.port}"\n'
            f'[proxies.corp]\nurl = "http://127.0.0.1:{proxy.port}"\nuser = "me"\npassword = "file:password"\n'
            '[proxies.spare]\nurl = "http://127.0.0.1:1"\n'
            '[accounts.main]\nvenue = "v"\nkey = "file:key"\nsecret = "file:secret"\nproxy = "corp"\n'
            f'symbols = ["{TRADED[KIND][0]}"]\n'
            f'[collectors.c]\nvenue = "v"\nsymbols = ["{TRADED[KIND][0]}"]\nproxy = "corp"\n[notify]\n'
        )
        with Home(tmp_path, config + '[robots.mm]\nstrategy = "maker.py"\naccount = "main"\n') as home:
            said = {(f["subject"], f["state"]): f["text"] for f in home.run("doctor", "--listen", "5")["findings"]}
            assert f"http://127.0.0.1:{venue.port} is reached through it, " in said["proxy corp", "ok"]
            assert said["proxy spare", "warning"] == "no account or collector uses it"
            home.run("up")
            proxy.set("cut")
            home.wait_for(lambda: "proxy corp: " in home.process("gateway:main")["reason"])

            def going_on() -> set[str]:
                return {a["subject"] for a in home.run("alerts") if a["type"] == "proxy"}

            home.wait_for(lambda: going_on() == {"gateway:main proxy corp", "collector:c proxy corp"})
            broken = [f for f in home.run("doctor", "--listen", "0", code=6)["findings"] if f["code"] == 2002]
            assert {f["subject"] for f in broken} >= {"proxy corp", "venue v"}
            proxy.set("pass")
            home.wait_for(lambda: not going_on())
            home.run("down")
        wait_for(lambda: proxy.targets == {f"127.0.0.1:{venue.port}": venue.connections})

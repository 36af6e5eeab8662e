"""A gateway whose venue is reached through ccxt: the bridge as a process, a simulated exchange at
the other end, and requests as a robot's journal has them. `make bridge` plays longer."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from bridge.bridge_process import OWN, PYTHON, SIM_OF, needs_ccxt
from exchange.venue_client import served
from onetape.model.enums import RequestKind, Side
from onetape.model.errors import VenueRejected
from waiting import PATIENCE_S, wait_for
from worlds.gateway_process import BRIDGED, GatewayProcess, Robot, booked, news_of

KINDS = BRIDGED if OWN else ("ccxt:binanceusdm",)
SECONDS = 20.0 if OWN else 1.5

pytestmark = [needs_ccxt, pytest.mark.skipif(not Path("/proc").exists(), reason="looks a process up in /proc")]


def bridged_gateway(kind: str, home: Path, port: int, account, **options) -> GatewayProcess:
    ws = f"ws://127.0.0.1:{port}"
    return GatewayProcess(kind, home, port, account, bridge={"python": PYTHON}, ws=ws, **options)


def children_of(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def words_of(home: Path, order_id: int) -> set[str]:
    return {word for word, _ in news_of(home, order_id)}


def settled(gateway: GatewayProcess, account) -> dict:
    """After a round in which both sides have said all there is."""
    wait_for(lambda: not gateway.ask("status")["open"] and not account.open_orders)
    gateway.ask("reconcile")
    wait_for(lambda: not gateway.ask("status")["reconciling"])
    return gateway.ask("status")


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_traded_through_ccxt_is_what_the_exchange_says_though_the_bridge_dies(tmp_path, kind):
    rng = random.Random(5)
    with served(SIM_OF[kind], seed=5, limits=False) as (dialect, port):
        exchange, account = dialect.exchange, dialect.exchange.accounts[0]
        gateway = bridged_gateway(kind, tmp_path, port, account)
        gateway.start()
        robot = Robot(tmp_path / "robot", gateway, 5)
        try:
            assert account.secret not in _seen_of(gateway.process.pid)
            bid = exchange.listings[0].bid
            first = robot.place(Side.BUY, bid - 1000)
            wait_for(lambda: words_of(tmp_path, first) & {"accepted", "found"})
            robot.request(RequestKind.CANCEL, first, Side.BUY, bid - 1000)
            wait_for(lambda: "canceled" in words_of(tmp_path, first))
            robot.place(Side.BUY, 0)
            wait_for(lambda: sum(booked(tmp_path).values()) > 0)
            for killed in (False, True):
                until = time.monotonic() + SECONDS
                while time.monotonic() < until:
                    robot.act(exchange.listings[0].bid)
                    time.sleep(rng.uniform(0.02, 0.1))
                if not killed:
                    (bridge,) = children_of(gateway.process.pid)
                    os.kill(bridge, signal.SIGKILL)
                    wait_for(lambda: not gateway.ask("status")["ready"])
                    wait_for(lambda: gateway.ask("status")["ready"])
            if OWN:
                gateway.kill()
                robot.act(exchange.listings[0].bid)
                gateway.start()
            robot.cancel_all()
            status = settled(gateway, account)
            (bridge,) = children_of(gateway.process.pid)
        finally:
            gateway.kill()
            robot.writer.close()
        wait_for(lambda: not Path(f"/proc/{bridge}").exists())
        assert status["differences"] == []
        assert status["unknown"] == 0
        trades = [t.fill.trade_id for t in account.trades]
        assert sum(booked(tmp_path).values()) == len(trades) > 0
        assert status["positions"].get(f"{BRIDGED[kind][0]} both", 0) == account.qty(0)
        clients = Counter(o.client_id for o in account.by_id.values())
        assert max(clients.values()) == 1


def _seen_of(pid: int) -> str:
    """What everybody on this machine may read of a process and its children."""
    files = [Path(f"/proc/{each}/{name}") for each in (pid, *children_of(pid)) for name in ("cmdline", "environ")]
    return " ".join(each.read_bytes().decode(errors="replace") for each in files)


def refused(gateway: GatewayProcess) -> tuple[int, str]:
    with pytest.raises(AssertionError) as said:
        gateway.start()
    code = gateway.process.wait(PATIENCE_S)
    gateway.process.stdout.close()
    return code, str(said.value)


@pytest.mark.skipif(not OWN, reason="`make bridge` plays it; what decides it is in the tables")
def test_keys_that_the_venue_refuses_end_the_gateway_with_one_line(tmp_path):
    with served("binance-usdm", limits=False) as (dialect, port):
        account = SimpleNamespace(key="nobody", secret=dialect.exchange.accounts[0].secret)
        code, said = refused(bridged_gateway("ccxt:binanceusdm", tmp_path, port, account))
    assert code == VenueRejected.exit_code
    assert "VENUE_REJECTED" in said
    assert account.secret not in said


FAULTS = """
[[fault]]
purpose = "place"
action = "drop_answer"
probability = 0.15
to = "25s"
[[fault]]
purpose = "cancel"
action = "delay"
wait = "2s"
probability = 0.2
to = "25s"
[[fault]]
purpose = "open_orders"
action = "error"
status = 503
body = "<html>busy</html>"
probability = 0.2
to = "25s"
"""


@pytest.mark.skipif(not OWN, reason="`make bridge` plays it: lost answers take their time")
@pytest.mark.parametrize("kind", BRIDGED)
def test_answers_that_are_lost_on_the_way_lose_and_double_nothing(tmp_path, kind):
    rng = random.Random(8)
    with served(SIM_OF[kind], seed=8, limits=False, faults=FAULTS) as (dialect, port):
        exchange, account = dialect.exchange, dialect.exchange.accounts[0]
        gateway = bridged_gateway(kind, tmp_path, port, account)
        gateway.start()
        robot = Robot(tmp_path / "robot", gateway, 8)
        try:
            until = time.monotonic() + 20
            while time.monotonic() < until:
                robot.act(exchange.listings[0].bid)
                time.sleep(rng.uniform(0.05, 0.2))
            found = set().union(*(words_of(tmp_path, each) for each, _, _ in robot.placed))
            robot.cancel_all()
            status = settled(gateway, account)
        finally:
            gateway.kill()
            robot.writer.close()
        assert "lost" in found, "no answer was lost"
        assert status["differences"] == []
        assert status["unknown"] == 0
        trades = [t.fill.trade_id for t in account.trades]
        assert sum(booked(tmp_path).values()) == len(trades) > 0
        assert status["positions"].get(f"{BRIDGED[kind][0]} both", 0) == account.qty(0)
        clients = Counter(o.client_id for o in account.by_id.values())
        assert max(clients.values()) == 1

"""A real gateway process against a real exchange server, killed at random moments: what its journal
says afterwards is what the exchange says."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from types import SimpleNamespace

import msgspec
import pytest

from exchange.venue_client import served
from long_form import long_form
from onetape.model.errors import VenueRejected
from onetape.projections.checkpoint import checkpoint_file
from waiting import PATIENCE_S, wait_for
from worlds.gateway_process import TRADED, GatewayProcess, Robot, booked, traded

KILLS = 20 if os.environ.get("ONETAPE_LONG") else 4

CREDITS_FOR = {
    "pacifica": 2,
    "bitmex": 3,
    "hyperliquid": 4,
}  # kills in a minute: a start asks what an address may ask a few times


KINDS = ["binance-usdm", *long_form("kraken", "pacifica", "bitmex", "hyperliquid", "binance-spot")]


@pytest.mark.parametrize("seed", [1])
@pytest.mark.parametrize("kind", KINDS)
def test_a_gateway_killed_at_any_moment_ends_with_what_the_exchange_says(tmp_path, kind, seed):
    rng = random.Random(seed)
    with served(kind, seed=seed, limits=False) as (dialect, port):
        exchange, account = dialect.exchange, dialect.exchange.accounts[0]
        gateway = GatewayProcess(kind, tmp_path, port, account)
        gateway.start()
        robot = Robot(tmp_path / "robot", gateway, seed)
        try:
            for _ in range(CREDITS_FOR.get(kind, KILLS)):
                until = time.monotonic() + rng.uniform(0.2, 1.0)
                while time.monotonic() < until:
                    robot.act(exchange.listings[0].bid)
                    time.sleep(rng.uniform(0.001, 0.02))
                gateway.kill()
                for _ in range(5):  # what a robot asks for meanwhile waits on its journal
                    robot.act(exchange.listings[0].bid)
                gateway.start()
            robot.cancel_all()
            wait_for(lambda: not gateway.ask("status")["open"] and not account.open_orders)
            wait_for(lambda: not gateway.ask("status")["reconciling"])
            gateway.ask("reconcile")
            wait_for(lambda: not gateway.ask("status")["reconciling"])
            status = gateway.ask("status")
        finally:
            gateway.kill()
            robot.writer.close()
        assert status["differences"] == []
        assert status["open"] == 0
        assert account.open_orders == {}
        trades = traded(dialect)
        assert booked(tmp_path) == trades
        assert sum(trades.values()) > 0  # how many is the speed of the machine
        held = account.qty(0)
        assert status["positions"].get(f"{TRADED[kind][0]} both", 0) == held
        clients = Counter(o.client_id for o in account.by_id.values())
        assert max(clients.values()) == 1
        assert msgspec.json.encode(status)


def test_a_killed_gateway_starts_from_its_checkpoint_and_knows_the_same(tmp_path):
    """Made beside the gateway while it trades; read instead of the journal before it."""
    file = checkpoint_file(tmp_path, "main")
    with served("binance-usdm", seed=3, limits=False) as (dialect, port):
        exchange, account = dialect.exchange, dialect.exchange.accounts[0]
        gateway = GatewayProcess("binance-usdm", tmp_path, port, account, checkpoint_records=20)
        gateway.start()
        robot = Robot(tmp_path / "robot", gateway, 3)
        try:
            assert gateway.ask("status")["started_from"] == 0

            def traded_until_it_is_made() -> bool:
                robot.act(exchange.listings[0].bid)
                return file.exists()

            wait_for(traded_until_it_is_made)
            gateway.kill()
            gateway.start()
            assert gateway.ask("status")["started_from"] > 20
            robot.cancel_all()
            wait_for(lambda: not account.open_orders and not gateway.ask("status")["open"])
            gateway.ask("reconcile")
            wait_for(lambda: not gateway.ask("status")["reconciling"])
            status = gateway.ask("status")
        finally:
            gateway.kill()
            robot.writer.close()
    assert status["differences"] == []
    assert booked(tmp_path) == Counter(t.fill.trade_id for t in account.trades)
    assert status["positions"].get(f"{TRADED['binance-usdm'][0]} both", 0) == account.qty(0)
    text = file.read_text()
    assert account.key not in text
    assert account.secret not in text


@pytest.mark.parametrize("kind", TRADED)
def test_keys_that_the_venue_refuses_end_a_gateway_with_one_line(tmp_path, kind):
    """Asked again and again, a venue locks their owner out."""
    with served(kind, limits=False) as (dialect, port):
        key = "1" * 32 if kind == "pacifica" else f"0x{1:040x}"
        account = SimpleNamespace(key=key, secret=dialect.exchange.accounts[0].secret)
        if dialect.exchange.accounts[0].password:
            account.password = "wrong"
        gateway = GatewayProcess(kind, tmp_path, port, account)
        with pytest.raises(AssertionError):
            gateway.start()
        assert gateway.process.wait(PATIENCE_S) == VenueRejected.exit_code
        gateway.process.stdout.close()

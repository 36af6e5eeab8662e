"""Real robots on one gateway, killed at random moments: their orders go, those of others stay."""

from __future__ import annotations

import os
import random
import subprocess
import time
from pathlib import Path

import msgspec

from copied_process import ONETAPE, Copied
from exchange.venue_client import served
from onetape.model.enums import Side
from onetape.model.home import gateway_journal
from onetape.tape.journal import JournalReader
from waiting import wait_for
from worlds.gateway_process import GatewayProcess, Robot, booked

ROUNDS = 5 if os.environ.get("ONETAPE_LONG") else 2
ROBOTS = 3
MAKER = """
from onetape import Strategy


class Maker(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("act", every="50ms")

    def on_timer(self, name):
        quote = self.quote(self.symbol)
        orders = self.orders(self.symbol)
        if quote and len(orders) < 3:
            self.buy(self.symbol, 0.01, quote.bid - 200, post_only=True)
        elif orders:
            self.cancel(orders[0])
"""


def begin(folder: Path) -> subprocess.Popen:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("ONETAPE_")}
    return Copied(
        ONETAPE,
        "run",
        "maker.py",
        "--live",
        cwd=folder,
        env=clean,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def lost(home: Path) -> set[str]:
    """Robots that the gateway has missed."""
    with JournalReader(gateway_journal(home, "main")) as reader:
        received = [msgspec.msgpack.decode(f.payload) for f in reader.frames(("health",))]
    return {t["subject"] for t in received if t["kind"] == "robot" and t["state"] == "lost"}


def test_orders_of_killed_robots_go_and_those_of_others_stay(tmp_path):
    rng = random.Random(1)
    (tmp_path / "maker.py").write_text(MAKER)
    home = tmp_path / ".onetape"
    with served("binance-usdm", seed=4, limits=False) as (dialect, port):
        account = dialect.exchange.accounts[0]
        (tmp_path / "onetape.toml").write_text(
            f'[venues.b]\nkind = "binance-usdm"\nmode = "sim"\nrest = "http://127.0.0.1:{port}"\n'
            '[accounts.main]\nvenue = "b"\n'
        )
        gateway = GatewayProcess("binance-usdm", home, port, account)
        gateway.start()
        other = Robot(tmp_path / "other", gateway, 1)
        other.place(Side.BUY, dialect.exchange.listings[0].bid - 3000)
        wait_for(lambda: len(account.open_orders) == 1)
        (kept,) = account.open_orders.values()
        robots: list[subprocess.Popen] = []
        try:
            for number in range(ROUNDS):
                robots = [begin(tmp_path) for _ in range(ROBOTS)]
                wait_for(lambda: gateway.ask("status")["robots"] == 1 + ROBOTS)
                seen = len(account.by_id)
                wait_for(lambda seen=seen: len(account.by_id) > seen + 2 * ROBOTS)
                for robot in robots:
                    time.sleep(rng.uniform(0, 0.3))
                    robot.kill()
                    robot.wait()
                wait_for(lambda: gateway.ask("status")["robots"] == 1)
                wait_for(lambda: list(account.open_orders.values()) == [kept])
                assert 0 < len(lost(home)) <= ROBOTS * (number + 1)
            gateway.ask("reconcile")
            wait_for(lambda: not gateway.ask("status")["reconciling"])
            assert gateway.ask("status")["differences"] == []
            assert sum(booked(home).values()) == len(account.trades)
        finally:
            for robot in robots:
                robot.kill()
                robot.wait()
            gateway.kill()
            other.writer.close()

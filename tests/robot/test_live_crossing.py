"""Two live robots, a sub-account each, whose orders meet inside: each is told of its own fills, its
run is replayed the same, and the venue has seen no trade between them."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

from exchange.venue_client import served
from onetape.model.enums import Side
from onetape.model.home import gateway_journal
from onetape.orders.reports import INTERNAL_TRADES
from onetape.tape.journal import JournalReader
from waiting import wait_for
from worlds.command_lines import begin, ended
from worlds.frames import FILL
from worlds.netting_world import NettingWorld

SECONDS = ("--seconds", "300")  # at most: they end when what is wanted has come
MAKER = """
from onetape import Strategy


class Maker(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("act", every="100ms")

    def on_timer(self, name):
        quote, orders = self.quote(self.symbol), self.orders(self.symbol)
        for order in orders:
            if order.price < quote.bid:
                self.cancel(order)
        if quote and not orders:
            self.buy(self.symbol, 0.01, (quote.bid + quote.ask) / 2)
"""
TAKER = """
from onetape import Strategy


class Taker(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("act", every="200ms")

    def on_timer(self, name):
        if not self.orders(self.symbol):
            self.sell(self.symbol, 0.01)
"""


def fills(journal: Path) -> list[tuple]:
    with JournalReader(journal) as reader:
        return [FILL.unpack(f.payload) for f in reader.frames(("fill",))]


def inside_of(rows: list[tuple]) -> list[tuple]:
    return [f for f in rows if f[2] >= INTERNAL_TRADES]


def test_live_robots_that_meet_inside_are_told_and_replayed(tmp_path):
    (tmp_path / "maker.py").write_text(MAKER)
    (tmp_path / "taker.py").write_text(TAKER)
    with served("binance-usdm", seed=11, limits=False) as (dialect, port):
        (tmp_path / "onetape.toml").write_text(
            f'[venues.here]\nkind = "binance-usdm"\nmode = "sim"\nrest = "http://127.0.0.1:{port}"\n'
            '[accounts.main]\nvenue = "here"\nsubaccounts = { a = 2, b = 3 }\n'
            "cross_internally = true\n"
        )
        world = NettingWorld(tmp_path, dialect, port, "", cross_internally=True)
        try:
            live = [
                begin(tmp_path, "run", f"{name}.py", "--live", "--subaccount", slot, *SECONDS)
                for name, slot in (("maker", "a"), ("taker", "b"))
            ]
            journal = gateway_journal(world.home, "main")
            wait_for(lambda: len(inside_of(fills(journal))) >= 2)
            for each in live:
                each.send_signal(signal.SIGINT)
            received = [ended(each) for each in live]
            tape = fills(journal)
            status = world.gateway.ask("status")
            net = world.account.qty(0)
        finally:
            world.close()
    inside = inside_of(tape)
    assert len(inside) >= 2
    assert status["differences"] == []
    assert sum(f[5] * Side.from_id(f[8]).sign for f in tape) == net
    by_robot = Counter(f[11] for f in tape)
    assert sorted(by_robot.values()) == sorted(each["fills"] for each in received)
    for each in received:
        mine = inside_of(fills(Path(each["run"]) / "journal"))
        assert len(mine) == len(inside) // 2
    second = ended(begin(tmp_path, "replay", received[1]["run"], "--verify"))
    assert second["divergences"] == 0

"""One account that trades a perpetual, spot of the same raw symbol and a contract in coin, over real sockets: each
market on the tape is its own, and orders, positions and coins agree with the exchange, after kill -9, too."""

from __future__ import annotations

from contextlib import contextmanager
from decimal import Decimal

import pytest

from exchange.venue_client import served
from onetape.accounts import StrategyBalanceManager
from onetape.accounts.entries import Cause
from onetape.accounts.entry_frames import unpack
from onetape.exchange.hands import trade_by_hand
from onetape.model.enums import Side
from onetape.model.home import gateway_journal
from onetape.tape.journal import JournalReader
from onetape.tape.payloads import fields
from waiting import PATIENCE_S, wait_for
from worlds.gateway_process import GatewayProcess, Robot, booked, news_of, traded

KIND, BID = "bybit", fields("quote", "bid")
PERP, SPOT, COIN = TRADED = {"bybit:BTC/USDT:USDT": 10, "bybit:BTC/USDT": 10_000, "bybit:BTC/USD:BTC": 100}


class World:
    def __init__(self, tmp_path, dialect, port: int, order_entry: str) -> None:
        self.dialect, self.exchange, self.account = dialect, dialect.exchange, dialect.exchange.accounts[0]
        options = {"symbols": list(TRADED), "order_entry": order_entry, "venue": "here"}
        self.gateway = GatewayProcess(KIND, tmp_path / "home", port, self.account, **options)
        (tmp_path / "home").mkdir(mode=0o700)
        self.gateway.start()
        self.robots = {
            symbol: Robot(tmp_path / f"robot{at}", self.gateway, at, name=f"robot{at}", traded=(symbol, size))
            for at, (symbol, size) in enumerate(TRADED.items(), 1)
        }

    def at(self, symbol: str) -> int:
        return next(at for at, each in enumerate(self.exchange.instruments) if each.symbol == symbol)

    def last(self, symbol: str) -> int:
        return self.exchange.listings[self.at(symbol)].last

    def buy(self, symbol: str) -> None:
        order_id = self.robots[symbol].place(Side.BUY, 0)
        at = self.at(symbol)
        wait_for(lambda: any(each.order.index == at for each in self.account.trades), lambda: self.news(order_id))

    def news(self, order_id: int) -> list[tuple[str, int]]:
        return news_of(self.gateway.home, order_id)

    def agrees(self) -> bool:
        """Whether positions and coins are those of the exchange, and nothing is left to compare."""
        status = self.gateway.ask("status")
        held = {symbol: status["positions"].get(f"{symbol} both", 0) for symbol in (PERP, COIN)}
        real = {symbol: self.account.qty(self.at(symbol)) for symbol in held}
        books = StrategyBalanceManager("here", strategy_count=4, home=self.gateway.home, max_age=PATIENCE_S)
        coins = {each: books.get_all(each)[0] for each in ("USDT", "BTC")}
        numbers = {each: self.exchange.currencies.index(each) for each in coins}
        there = {each: Decimal(self.account.money.balance(at)).scaleb(-18) for each, at in numbers.items()}
        settled = status["ready"] and not status["reconciling"] and booked(self.gateway.home) == traded(self.dialect)
        return settled and status["differences"] == [] and (held, coins) == (real, there)


@contextmanager
def world(tmp_path, order_entry: str):
    with served(KIND, seed=5, limits=False) as (dialect, port):
        made = World(tmp_path, dialect, port, order_entry)
        try:
            yield made
        finally:
            made.gateway.kill()
            for robot in made.robots.values():
                robot.writer.close()


@pytest.mark.parametrize("order_entry", ["ws", "rest"])
def test_a_perpetual_spot_and_a_contract_in_coin_trade_side_by_side(tmp_path, order_entry):
    with world(tmp_path, order_entry) as w:
        for symbol in TRADED:
            w.buy(symbol)
        resting = w.robots[SPOT].place(Side.SELL, w.last(SPOT) * 103 // 100)
        wait_for(lambda: "accepted" in [word for word, _ in w.news(resting)])
        wait_for(w.agrees, lambda: w.gateway.ask("status"))
        w.gateway.kill()
        for symbol in TRADED:  # while nobody listens
            at = w.at(symbol)
            trade_by_hand(w.exchange, w.account, at, w.exchange.instruments[at].lot * 1000, w.exchange.now)
        w.gateway.start()
        wait_for(w.agrees, lambda: w.gateway.ask("status"))
        with JournalReader(gateway_journal(w.gateway.home, "main")) as reader:
            causes = [unpack(frame.payload).cause for frame in reader.frames(("entry",))]
        assert causes.count(Cause.FILL) >= 6 and Cause.CORRECTION not in causes
        w.robots[SPOT].cancel_all()
        wait_for(lambda: not w.account.open_orders)


def test_the_tape_has_a_market_of_its_own_for_each(tmp_path):
    with world(tmp_path, "ws") as w:
        wait_for(lambda: w.gateway.ask("status")["market"]["messages"] > 300)
        last = {symbol: w.last(symbol) for symbol in TRADED}
        assert w.gateway.ask("status")["market"]["unsubscribed"] == 0
    with JournalReader(gateway_journal(tmp_path / "home", "main")) as reader:
        bids = {frame.stream: BID.unpack_from(frame.payload)[0] for frame in reader.frames(("quote",))}
    assert bids.keys() == {1, 2, 3}
    for number, symbol in enumerate(TRADED, 1):
        near = min(last, key=lambda each: abs(bids[number] - last[each]))
        assert near == symbol and abs(bids[number] - last[symbol]) < last[symbol] // 2000

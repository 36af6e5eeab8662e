"""Stops and take-profits on spot, where each sale holds its coins back, so that only one may stand for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from onetape.engine.strategy import Strategy
from worlds.tapes import BTC, Market, play

SPOT = "binance:BTC/USDT"
LATENCY = (0.005, 0.005)


class Buys(Strategy):
    """Buys once, and checks at each event that its sales do not exceed what it has."""

    legs: dict[str, Any] = {}  # noqa: RUF012 - set by the test
    symbol: str = SPOT

    def on_start(self) -> None:
        self.subscribe(self.symbol, quotes=True, trades=True)
        self.entry, self.sold, self.ended = None, [], []

    def on_quote(self, quote) -> None:
        if self.entry is None:
            self.entry = self.buy(self.symbol, 1, **self.legs)

    def on_order(self, order) -> None:
        selling = sum(each.remaining for each in self.orders(self.symbol) if each.side == "sell")
        assert self.symbol != SPOT or selling <= 1 - sum(qty for _, qty, _ in self.sold)
        self.ended += [(order.kind, order.code)] if order.is_closed and order.side == "sell" else []

    def on_fill(self, fill) -> None:
        if fill.side == "sell":
            self.sold.append((fill.price, fill.qty, fill.order.kind))


def buys(kind: type[Buys] = Buys, **legs: Any) -> type[Buys]:
    return type("Once", (kind,), {"legs": legs})


def walk(path: Path, mids: list[float], symbol: str = SPOT) -> Path:
    made = Market(path, symbol=symbol)
    for second, mid in enumerate(mids):
        made.quote(second, round(mid - 0.1, 1), round(mid + 0.1, 1), 1000, 1000)
        made.trade(second + 0.5, round(mid, 1), 1, "buy")
    return made.done()


UP, DOWN = [100 + step / 2 for step in range(20)], [110 - step / 2 for step in range(40)]


@pytest.mark.parametrize("symbol", [BTC, SPOT])
@pytest.mark.parametrize("legs", [{"stop_loss": "2%"}, {"trail": "2%"}, {"stop_loss": "2%", "trail": "3%"}])
@pytest.mark.parametrize("take", [{}, {"take_profit": "2%"}])
def test_a_take_profit_is_no_order_beside_a_stop(tmp_path, symbol, legs, take):
    kind = type("Once", (Buys,), {"legs": legs | take, "symbol": symbol})
    robot = play(kind, walk(tmp_path / "t", [100] * 6, symbol)).robot
    wanted = {"stop"} | ({"take_profit"} if take and symbol == BTC else set())
    assert {each.kind for each in robot.entry.children} == wanted
    assert all(each.reduce_only == (symbol == BTC) for each in robot.entry.children)


def test_a_take_profit_alone_stands_as_an_order(tmp_path):
    robot = play(buys(take_profit="2%"), walk(tmp_path / "t", [100] * 6)).robot
    assert [each.kind for each in robot.entry.children] == ["take_profit"]


@pytest.mark.parametrize("latency", [(0, 0), LATENCY])
def test_a_take_profit_gets_the_coins_of_the_stop_when_its_price_is_reached(tmp_path, latency):
    kind = buys(stop_loss="5%", take_profit=[("2%", 0.25), ("4%", 0.75)])
    robot = play(kind, walk(tmp_path / "t", UP), latency=latency).robot
    assert [(qty, kind) for _, qty, kind in robot.sold] == [(0.25, None), (0.75, None)]
    assert 102 <= robot.sold[0][0] < 103 and 104 <= robot.sold[1][0] < 105
    assert robot.orders() == [] and robot.entry.children == [] and robot.position(SPOT).qty == 0


def test_the_stop_keeps_what_no_take_profit_has_sold(tmp_path):
    kind = buys(stop_loss="5%", take_profit=[("2%", 0.25), ("50%", 0.75)])
    robot = play(kind, walk(tmp_path / "t", UP + DOWN), latency=LATENCY).robot
    assert [(qty, kind) for _, qty, kind in robot.sold] == [(0.25, None), (0.75, "stop")]
    assert robot.sold[1][0] == pytest.approx(95, abs=0.6) and robot.orders() == []


def test_a_trailing_stop_is_canceled_before_it_moves(tmp_path):
    robot = play(buys(trail=2, take_profit="50%"), walk(tmp_path / "t", UP + DOWN), latency=LATENCY).robot
    assert [(qty, kind) for _, qty, kind in robot.sold] == [(1, "stop")] and robot.sold[0][0] > 105
    assert {code for _, code in robot.ended} == {0}, "none was refused for want of coins"


@pytest.mark.parametrize("size", [1.0, 0.4])
@pytest.mark.parametrize("latency", [(0, 0), LATENCY])
@pytest.mark.parametrize("how", ["sell", "target", "close"])
def test_the_strategys_own_sale_gets_the_coins_of_the_stop(tmp_path, size, latency, how):
    class Sells(Buys):
        def on_trade(self, trade):
            if trade.price != 101 or self.sold:
                return
            if how == "sell":
                self.order = self.sell(SPOT, size)
            else:
                self.order = self.set_target(SPOT, 1 - size) if how == "target" else self.close(SPOT)

    robot = play(buys(Sells, stop_loss="5%"), walk(tmp_path / "t", [100, 100, 101, 101, 101]), latency=latency).robot
    left = 0 if how == "close" else 1 - size
    assert robot.order.state == "FILLED" and robot.position(SPOT).qty == pytest.approx(left)
    assert sum(each.remaining for each in robot.entry.children) == pytest.approx(left)


@pytest.mark.parametrize("size", [0.4, 1.0])
def test_a_sale_that_is_canceled_gives_the_coins_back_to_the_stop(tmp_path, size):
    class Sells(Buys):
        def on_trade(self, trade):
            if trade.price == 101:
                self.order = self.sell(SPOT, size, 150)
            elif trade.price == 102:
                self.held = [each.remaining for each in self.entry.children]
                self.cancel(self.order)

    robot = play(buys(Sells, stop_loss="5%"), walk(tmp_path / "t", [100, 101, 102, 103, 103]), latency=LATENCY).robot
    assert robot.order.state == "CANCELED" and sum(robot.held) == pytest.approx(1 - size)
    assert [each.remaining for each in robot.entry.children] == [1.0]


def test_two_entries_share_the_coins(tmp_path):
    class Twice(Buys):
        def on_order(self, order):
            pass

        def on_trade(self, trade):
            if trade.price == 101:
                self.later = self.buy(SPOT, 2, stop_loss="5%")
            elif trade.price == 102:
                self.sell(SPOT, 2.5)

    robot = play(buys(Twice, stop_loss="5%"), walk(tmp_path / "t", [100, 101, 102, 103, 103]), latency=LATENCY).robot
    # What is sold is taken from the oldest entry first.
    assert robot.position(SPOT).qty == 0.5 and robot.entry.children == []
    assert [each.remaining for each in robot.later.children] == [0.5]


@pytest.mark.parametrize(
    ("bar", "sold"),
    [
        ((100, 106, 99, 105), [(105, 1, "take_profit")]),
        ((100, 101, 94, 96), [(95, 1, "stop")]),
        ((100, 106, 94, 100), [(95, 1, "stop")]),  # both are within the bar: the worse one counts
    ],
)
def test_inside_bars_both_stand_and_one_of_them_sells(tmp_path, bar, sold):
    class OfBars(Buys):
        def on_start(self):
            self.subscribe(SPOT, bars="1m")
            self.entry, self.sold, self.ended = None, [], []

        def on_order(self, order):
            pass

        def on_bar(self, bar):
            self.on_quote(bar)

    made = Market(tmp_path / "t", symbol=SPOT)
    for minute, prices in enumerate([(100, 100, 100, 100), (100, 101, 99, 100), bar, (100, 100, 100, 100)], 1):
        made.bar(60 * minute, "1m", prices)
    robot = play(buys(OfBars, stop_loss=95, take_profit=105), made.done()).robot
    assert robot.sold == sold and robot.orders() == [] and robot.position(SPOT).qty == 0


@pytest.mark.parametrize("legs", [{"stop_loss": "5%"}, {"take_profit": "5%"}, {"trail": "5%"}])
def test_no_entry_where_the_venue_takes_no_triggers(tmp_path, legs):
    made = Market(tmp_path / "t", symbol=SPOT, trigger_by=()).quote(0, 99.9, 100.1).quote(1, 99.9, 100.1)
    played = play(buys(**legs), made.done(), on_error="continue")
    assert "no orders with a trigger" in played.host.failures[0].error
    assert played.robot.entry is None and played.robot.orders() == []

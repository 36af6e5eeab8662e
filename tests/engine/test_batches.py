"""What one callback orders is judged as a whole: what is sold pays for what is bought beside it,
in whichever order the two are called, and what one closing order frees is there for the others. The
exchange judges again: where a sale comes to nothing, no purchase does either."""

from __future__ import annotations

from decimal import Decimal

import pytest

from onetape import Strategy
from worlds.tapes import START, Market, play, records

MINUTE = 60 * 10**9
SPOT = ("kraken:AAA/USD", "kraken:BBB/USD", "USD", 10.0, 1000)
LINEAR = ("binance:AAA/USDT:USDT", "binance:BBB/USDT:USDT", "USDT", 10.0, 1000)
# 1000 contracts of 1 USD at 100 are 10 coins.
INVERSE = ("binance:AAA/USD:AAA", "binance:AAA/USD:AAA-261225", "AAA", 1000, 10)


class Rotates(Strategy):
    """All that it has in `a`, then all of it in `b`: in one callback."""

    a: str = ""
    b: str = ""
    qty: float = 10.0
    buys_first: bool = False
    by_bars: bool = True
    at: int = 3  # which event
    sold: float = 1.0  # share of what it holds
    hedge: bool = False

    def on_start(self):
        self.seen = 0
        self.heard = []
        for symbol in (self.a, self.b):
            self.subscribe(symbol, quotes=not self.by_bars, bars="1m@venue" if self.by_bars else None)

    def on_quote(self, quote):
        self.step(quote.symbol)

    def on_bar(self, bar):
        self.step(bar.symbol)

    def step(self, symbol):
        if symbol != self.a:
            return
        self.seen += 1
        side = {"position_side": "long"} if self.hedge else {}
        if self.seen == 1:
            self.buy(self.a, self.qty, tag="first", **side)
        elif self.seen == self.at:
            deals = [
                lambda: self.sell(self.a, self.qty * self.sold, tag="out", **side),
                lambda: self.buy(self.b, self.qty, tag="in", **side),
            ]
            self.orders_sent = [deal() for deal in (deals[::-1] if self.buys_first else deals)]

    def on_order(self, order):
        self.heard.append((order.tag, str(order.state), order.code))

    def on_fill(self, fill):
        self.heard.append((fill.order.tag, fill.ts_event, fill.price))

    def fills(self, tag):
        return [each for each in self.heard if each[0] == tag and isinstance(each[1], int)]


def bars(path, a, b, *, b_first=False, minutes=8, skip=()):
    market = Market(path, a)
    market.add(b)
    for minute in range(1, minutes + 1):
        for symbol in (b, a) if b_first else (a, b):
            if (minute, symbol) not in skip:
                market.bar(60 * minute, "1m", (100, 101, 99, 100), 10**5, symbol=symbol)
    return market.done()


def cash(world):
    return {world[2]: Decimal(world[4])}


MODES = [
    (SPOT, {}),
    (LINEAR, {}),
    (LINEAR, {"margin": "isolated"}),
    (LINEAR, {"hedge": True}),
    (LINEAR, {"hedge": True, "margin": "isolated"}),
    (INVERSE, {}),
    (INVERSE, {"margin": "isolated"}),
]


@pytest.mark.parametrize("latency", [(0, 0), (0.005, 0.005)])
@pytest.mark.parametrize("b_first", [False, True])
@pytest.mark.parametrize("buys_first", [False, True])
@pytest.mark.parametrize(("world", "mode"), MODES)
def test_a_sale_pays_for_the_purchase_beside_it(tmp_path, world, mode, buys_first, b_first, latency):
    a, b, _, qty, _ = world
    tape = bars(tmp_path / "t", a, b, b_first=b_first)
    made = type(
        "R", (Rotates,), {"a": a, "b": b, "qty": qty, "buys_first": buys_first, "hedge": bool(mode.get("hedge"))}
    )
    played = play(made, tape, cash=cash(world), latency=latency, **mode)
    robot = played.robot
    assert not played.host.failures
    opened = START + 3 * MINUTE + round(latency[0] * 10**9)  # of the bar behind the decision
    assert [fill[1:] for fill in robot.fills("out")] == [(opened, 100)]
    assert [fill[1:] for fill in robot.fills("in")] == [(opened, 100)]
    assert played.loop.refusals() == {"denied": {}, "rejected": {}, "canceled": {}}


@pytest.mark.parametrize("buys_first", [False, True])
@pytest.mark.parametrize(("world", "mode"), MODES)
def test_the_same_with_quotes_at_a_distance(tmp_path, world, mode, buys_first):
    a, b, _, qty, _ = world
    market = Market(tmp_path / "t", a)
    market.add(b)
    for second in range(8):
        for symbol in (a, b):
            market.quote(second, 100, 100, 10**5, 10**5, symbol=symbol)
    made = type(
        "R",
        (Rotates,),
        {"a": a, "b": b, "qty": qty, "buys_first": buys_first, "hedge": bool(mode.get("hedge")), "by_bars": False},
    )
    played = play(made, market.done(), cash=cash(world), latency=(0.01, 0.3), **mode)
    assert len(played.robot.fills("in")) == 1, played.robot.heard
    assert played.loop.refusals() == {"denied": {}, "rejected": {}, "canceled": {}}


SHORT = "the account cannot carry it: it needs 1000 USD, and 500 are available"


def test_a_purchase_that_no_sale_beside_it_pays_is_denied_at_the_callbacks_end(tmp_path):
    """At once it cannot be: something is held that the callback might still sell."""
    a, b, _, qty, _ = SPOT
    made = type("R", (Rotates,), {"a": a, "b": b, "buys_first": True, "sold": 0.5, "qty": qty})
    journal = tmp_path / "run"
    played = play(made, bars(tmp_path / "t", a, b), cash=cash(SPOT), journal=journal)
    robot = played.robot
    bought = robot.orders_sent[0]
    assert (bought.state, bought.code, bought.reason) == ("DENIED", 4201, SHORT)
    assert ("in", "DENIED", 4201) in robot.heard
    assert len(robot.fills("out")) == 1
    assert robot.fills("in") == []
    rows = [
        (r.data["order_id"], r.data["news"], r.data.get("code"), r.data.get("more"))
        for r in records(journal, "order_event")
    ]
    assert (bought.id, "denied", 4201, {"reason": SHORT}) in rows


def test_what_nothing_could_pay_is_denied_at_once(tmp_path):
    a, b, _, qty, _ = SPOT

    class Greedy(Rotates):
        def step(self, symbol):
            if symbol == self.a:
                self.seen += 1
                if self.seen in (1, 3):
                    order = self.buy(self.b, 100 * self.qty)
                    self.heard.append((self.seen, str(order.state), order.code))

    made = type("R", (Greedy,), {"a": a, "b": b, "qty": qty})
    played = play(made, bars(tmp_path / "t", a, b), cash=cash(SPOT))
    assert played.robot.heard == [(1, "DENIED", 4201), (3, "DENIED", 4201)]
    assert played.loop.refusals()["denied"] == {4201: 2}


def test_a_robot_that_orders_again_when_denied_does_not_spin(tmp_path):
    a, b, _, qty, _ = SPOT

    class Repeats(Rotates):
        def on_order(self, order):
            super().on_order(order)
            if str(order.state) == "DENIED":
                self.buy(self.b, self.qty, tag="in")

    made = type("R", (Repeats,), {"a": a, "b": b, "buys_first": True, "sold": 0.5, "qty": qty})
    played = play(made, bars(tmp_path / "t", a, b), cash=cash(SPOT))
    assert played.loop.refusals()["denied"] == {4201: 2}


@pytest.mark.parametrize("b_first", [False, True])
def test_a_purchase_waits_for_a_sale_that_finds_no_market_yet(tmp_path, b_first):
    """`a` has no bar for two minutes. The purchase takes what its own bars offer, once the money is
    there: not before."""
    a, b, _, qty, _ = SPOT
    tape = bars(tmp_path / "t", a, b, b_first=b_first, skip={(4, a), (5, a)})
    made = type("R", (Rotates,), {"a": a, "b": b, "qty": qty})
    played = play(made, tape, cash=cash(SPOT))
    assert [fill[1] for fill in played.robot.fills("out")] == [START + 5 * MINUTE]
    assert [fill[1] for fill in played.robot.fills("in")] == [START + 5 * MINUTE]
    assert played.loop.refusals() == {"denied": {}, "rejected": {}, "canceled": {}}


def test_a_purchase_whose_sale_was_withdrawn_is_canceled(tmp_path):
    a, b, _, qty, _ = SPOT

    class Withdraws(Rotates):
        def step(self, symbol):
            super().step(symbol)
            if symbol == self.b and self.seen == self.at:
                self.cancel(self.orders_sent[0])

    tape = bars(tmp_path / "t", a, b, skip={(4, a)})
    made = type("R", (Withdraws,), {"a": a, "b": b, "qty": qty})
    played = play(made, tape, cash=cash(SPOT))
    robot = played.robot
    assert robot.fills("in") == robot.fills("out") == []
    assert ("in", "CANCELED", 4201) in robot.heard
    assert robot.balance("USD").total == 0
    assert played.loop.refusals()["canceled"] == {4201: 1}


def test_a_resting_purchase_waits_for_its_money_too(tmp_path):
    a, b, _, qty, _ = SPOT

    class Rests(Rotates):
        def step(self, symbol):
            if symbol != self.a:
                return
            self.seen += 1
            if self.seen == 1:
                self.buy(self.a, self.qty, tag="first")
            elif self.seen == self.at:
                self.sell(self.a, self.qty, tag="out")
                self.buy(self.b, self.qty, 99.5, tag="in")

    made = type("R", (Rests,), {"a": a, "b": b, "qty": qty})
    played = play(made, bars(tmp_path / "t", a, b), cash=cash(SPOT))
    assert [fill[1:] for fill in played.robot.fills("in")] == [(START + 4 * MINUTE, 99.5)]

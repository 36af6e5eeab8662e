"""Sums of what works are those of a walk over all open orders, after whatever happens to them."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from msgspec import structs

from onetape.model import catalogue
from onetape.model.enums import (
    Liquidity,
    OrderNews,
    OrderState,
    OrderType,
    PositionSide,
    RequestKind,
    Side,
    TimeInForce,
    TriggerBy,
    TriggerKind,
)
from onetape.model.order import OrderSpec
from onetape.model.time import SECOND
from onetape.orders.calls import Purpose
from onetape.orders.managed import Request
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import BalanceReport, FillReport, OrderStatusReport
from onetape.simulation.plain_scan import check_funds, check_sums
from onetape.venues.binance.trading import BinanceUsdmProtocol
from onetape.venues.kraken.assets import Pairs
from onetape.venues.kraken.trading import KrakenSpotProtocol
from orders.surroundings import manager_at

PERPS = ["binance:BTC/USDT:USDT", "binance:ETH/USDT:USDT"]
SPOTS = ["kraken:BTC/USD", "kraken:ETH/USD"]
PAIRS = {
    "XXBTZUSD": {"altname": "XBTUSD", "wsname": "XBT/USD", "base": "XXBT", "quote": "ZUSD",
                 "pair_decimals": 1, "lot_decimals": 8},
    "XETHZUSD": {"altname": "ETHUSD", "wsname": "ETH/USD", "base": "XETH", "quote": "ZUSD",
                 "pair_decimals": 2, "lot_decimals": 8},
}  # fmt: skip
NOW = 1_795_000_000_000_000_000
ENDS = [OrderNews.CANCELED, OrderNews.EXPIRED, OrderNews.REJECTED]


class Life:
    """Anything that can happen to orders, in any order. What happens need not make sense."""

    def __init__(self, symbols: list[str], seed: int) -> None:
        self.rng = random.Random(seed)
        self.is_spot = symbols is SPOTS
        found = [catalogue.find(symbol) for symbol in symbols]
        self.instruments = {i.symbol: i for i in found if i is not None}
        assert len(self.instruments) == len(symbols)
        protocol = KrakenSpotProtocol("k", "c2VjcmV0") if self.is_spot else BinanceUsdmProtocol("k", "s")
        protocol.set_instruments(list(self.instruments.values()))
        if self.is_spot:
            protocol.set_pairs(Pairs(PAIRS))
        self.manager = manager_at(protocol)
        self.now, self.count, self.calls = NOW, 0, []

    def step(self) -> None:
        self.now += self.rng.choice((0, SECOND // 10, SECOND, 7 * SECOND))
        what = self.rng.choice((
            self.submit, self.submit, self.submit, self.answer, self.answer, self.answer, self.news,
            self.fill, self.fill, self.cancel, self.amend, self.amend, self.tick, self.foreign,
            self.snapshot, self.price,
        ))  # fmt: skip
        what()
        self.calls += self.manager.calls
        self.manager.calls.clear()
        self.manager.outs.clear()

    def spec(self) -> OrderSpec:
        rng = self.rng
        is_market = rng.random() < 0.2
        has_trigger = rng.random() < 0.25
        sides = [PositionSide.BOTH] if self.is_spot else list(PositionSide)
        is_maker = not is_market and rng.random() < 0.3
        return OrderSpec(
            symbol=rng.choice(list(self.instruments)),
            side=rng.choice((Side.BUY, Side.SELL)),
            size_int=rng.randint(1, 20),
            type=OrderType.MARKET if is_market else OrderType.LIMIT,
            price_int=0 if is_market else rng.randint(590_000, 610_000),
            tif=TimeInForce.GTC,
            trigger_int=rng.randint(590_000, 610_000) if has_trigger else 0,
            trigger_by=TriggerBy.LAST if has_trigger else TriggerBy.NONE,
            trigger_kind=TriggerKind.STOP if has_trigger else TriggerKind.NONE,
            position_side=rng.choice(sides),
            post_only=is_maker,
            reduce_only=not self.is_spot and rng.random() < 0.2,
        )

    def one(self):
        """An open order, or one that has ended not long ago."""
        orders = list(self.manager.orders.values())[-30:]
        return self.rng.choice(orders) if orders else None

    def submit(self) -> None:
        self.count += 1
        request = Request(1, RequestKind.PLACE, self.count, self.spec())
        if self.rng.random() < 0.05:
            self.manager.deny(f"o{self.count}", request, self.now, 1, "no")
        else:
            self.manager.submit(f"o{self.count}", request, self.now)

    def answer(self) -> None:
        if not self.calls:
            return
        call = self.calls.pop(self.rng.randrange(len(self.calls)))
        answer = Answer(self.rng.choice(list(Outcome)))
        if answer.outcome is Outcome.DEFINITIVE and call.purpose is not Purpose.PLACE:
            answer = replace(answer, not_found=self.rng.random() < 0.5)
        order = self.manager.orders.get(call.subject.client_id) if call.subject else None
        if order is not None and self.rng.random() < 0.5:
            answer = replace(answer, reports=(self.report(order),))
        self.manager.answered(call, answer, self.now)

    def report(self, order, news: OrderNews | None = None) -> OrderStatusReport:
        rng = self.rng
        states = [
            OrderState.ACCEPTED,
            OrderState.PARTIALLY_FILLED,
            OrderState.FILLED,
            OrderState.CANCELED,
            OrderState.EXPIRED,
            OrderState.REJECTED,
        ]
        size = rng.choice((order.size, max(order.size - 1, 1), 25))
        return OrderStatusReport(
            order.spec.symbol,
            order.client_id,
            rng.choice(("", f"7{order.client_id[1:]}", "99")),
            rng.choice(states),
            self.now - rng.choice((0, SECOND)),
            news=news,
            side=order.spec.side,
            type=order.spec.type,
            price=rng.choice((order.price, order.amend_to[0])),
            size=size,
            filled=rng.choice((order.filled, order.filled + 1)),
            position_side=order.spec.position_side,
            reduce_only=order.spec.reduce_only,
            conditional=order.conditional and rng.random() < 0.5,
        )

    def news(self) -> None:
        order = self.one()
        if order is not None:
            words = [OrderNews.ACCEPTED, OrderNews.TRIGGERED, OrderNews.UPDATED, *ENDS]
            self.manager.hear([self.report(order, self.rng.choice(words))], self.now)

    def snapshot(self) -> None:
        order = self.one()
        if order is not None:
            self.manager.hear([self.report(order)], self.now, source="rest")

    def fill(self) -> None:
        order = self.one()
        if order is None:
            return
        self.count += 1
        name = order.client_id if self.rng.random() < 0.8 else ""
        most = max(order.size - order.filled, 1)
        self.manager.hear([FillReport(
            order.spec.symbol, name, order.venue_id or "98", self.count, order.spec.side,
            order.spec.position_side, 600_000, self.rng.choice((1, most)), self.now, 0, "USD",
            Liquidity.TAKER,
        )], self.now)  # fmt: skip

    def foreign(self) -> None:
        self.count += 1
        spec = self.spec()
        self.manager.hear([OrderStatusReport(
            spec.symbol, f"web{self.count}", f"8{self.count}", OrderState.ACCEPTED, self.now,
            side=spec.side, type=spec.type, price=spec.price_int, size=spec.size_int,
            position_side=spec.position_side, reduce_only=spec.reduce_only,
        )], self.now)  # fmt: skip

    def cancel(self) -> None:
        order = self.one()
        if order is not None:
            self.manager.cancel(order, self.now)

    def amend(self) -> None:
        order = self.one()
        if order is not None and order.spec.type is OrderType.LIMIT:
            price = self.rng.choice((0, self.rng.randint(590_000, 610_000)))
            self.manager.amend(order, self.now, price=price, size=self.rng.choice((0, 5, 30)))

    def tick(self) -> None:
        self.manager.tick(self.now)

    def price(self) -> None:
        symbol = self.rng.choice(list(self.instruments))
        self.manager.references[symbol] = self.rng.randint(590_000, 610_000)
        self.manager.hear([BalanceReport("USD", self.rng.randint(0, 10**24), self.now)], self.now)

    def specs(self) -> list[OrderSpec]:
        """One of each position and direction, and a few more."""
        requests = [self.spec() for _ in range(3)]
        sides = [PositionSide.BOTH] if self.is_spot else list(PositionSide)
        return requests + [
            structs.replace(requests[0], symbol=symbol, side=side, position_side=position_side)
            for symbol in self.instruments
            for side in (Side.BUY, Side.SELL)
            for position_side in sides
        ]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("symbols", [PERPS, SPOTS], ids=["positions", "balances"])
def test_sums_are_those_of_a_walk_over_all_open_orders(symbols, seed):
    life = Life(symbols, seed)
    most = 0
    for number in range(400):
        life.step()
        if number % life.rng.choice((1, 3)):  # orders that change often between two questions, too
            continue
        left_out = (None, life.one())
        check_sums(life.manager, life.specs(), left_out)
        check_funds(life.manager, life.instruments, ("USD", "BTC", "ETH"), left_out)
        most = max(most, len(life.manager.open))
    assert most >= 10  # a walk had something to find


def test_an_order_that_has_ended_leaves_nothing_behind():
    life = Life(PERPS, 1)
    for _ in range(400):
        life.step()
    manager = life.manager
    for order in list(manager.open.values()):
        order.filled = order.reported_filled = order.size
        manager.hear([life.report(order, OrderNews.CANCELED)._replace(filled=0)], life.now + SECOND)
    assert not manager.open and not manager.unknown
    assert manager.next_due > life.now + 10**6 * SECOND
    assert [manager.account.opening(spec) for spec in life.specs()] == [0] * 15
    assert not any(manager.account.meets(spec) for spec in life.specs())


def test_what_is_marked_does_not_pile_up_where_nobody_asks():
    """A gateway that only watches what other hands do has a tick and no gate."""
    life = Life(PERPS, 2)
    for _ in range(50):
        life.foreign()
    assert life.manager.account.touched
    life.manager.tick(life.now)
    assert not life.manager.account.touched

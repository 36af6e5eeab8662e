"""What a gateway of 200 symbols asks of Binance in a minute. Each round once asked for the fills of all: 1000 of 2400
without a trade."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from onetape.exchange.dialect import Dialect
from onetape.exchange.flow import FlowMarket, GeneratedMarket, flow_market
from onetape.exchange.hands import trade_by_hand
from onetape.exchange.venues import Crowd, open_venue
from onetape.model.time import MINUTE, SECOND
from onetape.orders.calls import Purpose
from onetape.simulation import world as gateway_world
from onetape.simulation.faults import Faults
from onetape.simulation.world import World
from onetape.venues.contract import Addresses
from onetape.venues.open import open_trading_venue

COUNT, FEW, MINUTES = 200, 5, 3
RATE = 3.0  # of each market, so that there is somebody to trade with


def listed(number: int) -> FlowMarket:
    """One of many contracts that are alike but for their names."""
    like, base = flow_market("binance:BTC/USDT:USDT"), f"X{number:03}"
    names = {"symbol": f"binance:{base}/USDT:USDT", "raw_symbol": f"{base}USDT", "base": base}
    return replace(like, instrument=structs.replace(like.instrument, **names))


class Many(World):
    """Of contracts that are in no catalogue."""

    def open_venue(self) -> None:
        self.venue = open_trading_venue(
            self.kind, self.account.key, self.account.secret, Addresses("", "", ""), self.account.password
        )
        self.protocol = self.venue.protocol
        self.listed = self.listed or self.http(self.venue.instruments()).body
        names = frozenset(each.symbol for each in self.exchange.instruments)
        self.instruments = self.venue.instruments_of(self.listed, names)


@pytest.fixture
def world(monkeypatch) -> World:
    """Connected and compared, with nobody who trades."""

    def opened(kind: str, *, now: int, market: Crowd, **options: Any) -> Dialect:
        contracts = [listed(number) for number in range(COUNT)]
        made = GeneratedMarket(contracts, seed=1, start=now - market.history, rate=RATE)
        return open_venue(kind, now=now, market=made, **options)

    monkeypatch.setattr(gateway_world, "open_venue", opened)
    made = Many(1, Faults.none(), crashes=False)
    made.connect()
    made.until(made.now + 10 * SECOND)
    assert made.gate.ready and len(made.instruments) == COUNT
    return made


def spent(world: World) -> dict[str, int]:
    """Weight of the minutes that follow, by what was asked for."""
    found: dict[str, int] = {}
    leave = world.leave

    def counted(call) -> None:
        found[call.purpose] = found.get(call.purpose, 0) + call.weight
        leave(call)

    world.leave = counted
    world.until(world.now + MINUTES * MINUTE)
    print({name: weight / MINUTES for name, weight in found.items()}, sum(found.values()) / MINUTES)
    return found


def test_without_a_trade_no_fills_are_asked_for_and_an_eighth_of_the_weight_is_enough(world):
    found = spent(world)
    assert Purpose.FILLS not in found
    assert sum(found.values()) / MINUTES <= world.venue.budget[0].most / 8


def test_with_fills_in_a_few_symbols_it_is_enough_too(world):
    qty = 2 * world.exchange.instruments[0].lot

    def trade(number: int) -> None:
        """Each second in the next one: opens it, or takes it off."""
        index, is_opened = number % FEW, number // FEW % 2
        trade_by_hand(world.exchange, world.account, index, -qty if is_opened else qty, world.now)
        world.at(world.now + SECOND, trade, number + 1)

    world.at(world.now + SECOND, trade, 0)
    found = spent(world)
    assert len(world.account.trades) > MINUTES * 30 and found[Purpose.FILLS]
    assert sum(found.values()) / MINUTES <= world.venue.budget[0].most / 8

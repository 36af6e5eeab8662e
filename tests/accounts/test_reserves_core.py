"""What is held of sub-accounts' money is what the slow model says, after each step of random worlds."""

from __future__ import annotations

import random
from decimal import Decimal

import msgspec
import pytest

from accounts.booking_world import INSTRUMENTS, INVERSE, LINEAR, SPOT, UNIT
from long_form import examples
from onetape.accounts.reserves import Reserves
from onetape.model.enums import OrderState, OrderType, PositionSide, Side, TriggerBy, TriggerKind
from onetape.model.order import OrderSpec
from onetape.orders.order import Order
from reference.reserves import Locks

SLOTS = (1, 2, 3)
CURRENCIES = ("USDT", "BTC")
PRICES = {SPOT: 6_000_000, LINEAR: 1000, INVERSE: 100_000}
SIDES = tuple(PositionSide)


def a_spec(draw: random.Random) -> OrderSpec:
    symbol = draw.choice((SPOT, LINEAR, INVERSE))
    near = PRICES[symbol]
    is_market, is_triggered = draw.random() < 0.2, draw.random() < 0.2
    return OrderSpec(
        symbol=symbol,
        side=draw.choice((Side.BUY, Side.SELL)),
        size_int=draw.randint(1, 5000),
        type=OrderType.MARKET if is_market else OrderType.LIMIT,
        price_int=0 if is_market else draw.randint(1, 2 * near),
        trigger_int=draw.randint(1, 2 * near) if is_triggered else 0,
        trigger_by=TriggerBy.LAST if is_triggered else TriggerBy.NONE,
        trigger_kind=TriggerKind.STOP if is_triggered else TriggerKind.NONE,
        position_side=PositionSide.BOTH if symbol == SPOT else draw.choice(SIDES),
        post_only=draw.random() < 0.2,
        reduce_only=draw.random() < 0.15,
        own_reducing=draw.random() < 0.1,
    )


class Both:
    """The core's and the model's, which are given the same."""

    def __init__(self, leverage: float) -> None:
        self.references: dict[str, int] = {}
        self.of = Reserves(INSTRUMENTS, leverage=leverage, references=self.references)
        self.model = Locks(INSTRUMENTS, leverage=leverage, references=self.references)
        self.orders: dict[str, tuple[Order, int]] = {}

    def step(self, draw: random.Random) -> None:
        match draw.choice(("order", "order", "change", "change", "position", "price", "anew")):
            case "order":
                name, spec = str(draw.randint(1, 12)), a_spec(draw)
                order = Order(1, 1, spec, client_id=name)
                order.state = OrderState.ACCEPTED
                self.orders[name] = order, draw.choice(SLOTS)
                self.update(name)
            case "change" if self.orders:
                name = draw.choice(list(self.orders))
                order, _ = self.orders[name]
                order.filled = min(order.filled + draw.randint(0, 2000), order.size)
                order.is_unfunded = draw.random() < 0.1
                order.update_open = draw.random() < 0.2
                order.size_wanted, order.amend_to = draw.randint(0, 6000), (draw.randint(0, 2000), 0)
                order.state = draw.choice((OrderState.ACCEPTED, OrderState.ACCEPTED, OrderState.CANCELED))
                self.update(name)
            case "position":
                symbol, qty = draw.choice((SPOT, LINEAR, INVERSE)), draw.randint(-3, 3) * 500
                row = draw.choice(SLOTS), symbol, draw.choice(SIDES), qty, draw.randint(-9, 9) * 10 * UNIT // 7
                assert set(self.of.position(*row)) == set(self.model.position(*row))
            case "price":
                symbol = draw.choice(list(PRICES))
                self.references[symbol] = draw.randint(0, 2 * PRICES[symbol])
            case "anew" if draw.random() < 0.1:
                self.of.flatten()
                self.model.flatten()

    def update(self, name: str) -> None:
        assert set(self.of.update(*self.orders[name])) == set(self.model.update(*self.orders[name]))

    def compare(self, draw: random.Random) -> None:
        for currency in CURRENCIES:
            assert self.of.held_in(currency, 4) == self.model.held_in(currency, 4)
            for order, _ in self.orders.values():
                assert self.of.of(order, currency) == self.model.of(order, currency)
        spec, slot = a_spec(draw), draw.choice(SLOTS)
        of = spec, draw.randint(0, spec.size_int), draw.choice((0, spec.price_int, PRICES[spec.symbol]))
        old = draw.choice([None, *(order for order, _ in self.orders.values())])
        assert self.of.wanted(*of, slot=slot, without=old) == self.model.wanted(*of, slot=slot, without=old)
        assert self.of.opens(*of, slot=slot) == self.model.opens(*of, slot=slot)
        value = draw.randint(-(10**22), 10**22)
        assert self.of.backing(value) == self.model.backing(value)


@pytest.mark.parametrize("seed", range(examples(40)))
def test_all_that_is_held_and_wanted_is_the_models(seed):
    draw = random.Random(seed)
    both = Both(draw.choice((1.0, 3.0, 0.5, 1.1, 2.75)))
    for _ in range(120):
        both.step(draw)
        both.compare(draw)


def test_an_instrument_whose_fees_change_is_reckoned_anew():
    instruments = dict(INSTRUMENTS)
    found = Reserves(instruments, leverage=1.0)
    spec = OrderSpec(symbol=LINEAR, side=Side.BUY, size_int=1000, price_int=1000)
    assert found.wanted(spec, 1000, 1000) == ("USDT", 100 * UNIT + UNIT // 20)
    instruments[LINEAR] = msgspec.structs.replace(instruments[LINEAR], taker_fee=Decimal("0.01"))
    assert found.wanted(spec, 1000, 1000) == ("USDT", 101 * UNIT)


@pytest.mark.parametrize("symbol", [SPOT, LINEAR, INVERSE])
def test_an_order_beyond_all_amounts_wants_more_than_anybody_has(symbol):
    found = Reserves(INSTRUMENTS, leverage=1.0)
    spec = OrderSpec(symbol=symbol, side=Side.BUY, size_int=2**63 - 1, price_int=2**63 - 1)
    wanted = found.wanted(spec, spec.size_int, 1 if symbol == INVERSE else spec.price_int)
    assert wanted is not None and wanted[1] > 10**27
    for number in range(9):
        found.hold(str(number), spec, spec.size_int, spec.price_int, 2)
    assert found.held(wanted[0], 2) >= 0

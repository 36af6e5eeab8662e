"""Margin against the core's account: the same to the unit, after everything that happens."""

from __future__ import annotations

import random
from decimal import Decimal
from fractions import Fraction as F
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.booking_world import UNIT
from long_form import examples
from onetape import _core
from onetape.accounts.joint import Asset, JointMargin
from onetape.accounts.liquidation import liquidation_price
from onetape.accounts.margin import Contract, Wallet
from onetape.accounts.position import Position
from onetape.accounts.position import liquidation_price as exact_price
from onetape.exchange.joint import Collateral, JointFunds, Rates
from onetape.model.enums import Kind, PositionSide, Side
from onetape.model.instrument import Instrument, from_symbol
from onetape.model.margin import MarginBracket

BOTH, LONG, SHORT = PositionSide.BOTH, PositionSide.LONG, PositionSide.SHORT
CURRENCY = 1
BRACKETS = (
    MarginBracket(notional_max=Decimal(50), maintenance_rate=Decimal("0.01"), leverage_max=50),
    MarginBracket(notional_max=Decimal(600), maintenance_rate=Decimal("0.025"), leverage_max=20),
    MarginBracket(notional_max=Decimal(9000), maintenance_rate=Decimal("0.1"), leverage_max=5),
)


def instrument_of(kind: Kind, brackets: tuple[MarginBracket, ...] = BRACKETS) -> Instrument:
    facts: dict[str, Any] = {"tick": Decimal("0.1"), "lot": Decimal("0.01")}
    facts |= {"taker_fee": "0.0005", "brackets": brackets, "maintenance_rate": "0.02"}
    if kind is Kind.INVERSE:
        # So small that values in coins meet the same brackets.
        return from_symbol("binance:BTC/USD:BTC", **{**facts, "lot": 1, "multiplier": 100})
    return from_symbol("binance:BTC/USDT:USDT", **facts)


class World:
    """One account in the core, and the same in whole units of ours."""

    def __init__(self, kind: Kind, *, hedge: bool, isolated: bool, leverage: int) -> None:
        self.instrument = instrument_of(kind)
        spec = _core.InstrumentSpec(**self.instrument.spec())
        self.core = _core.CoreAccount(hedge=hedge, leverage=leverage, isolated=isolated)
        self.core.set_instrument(0, spec, CURRENCY, 2)
        self.core.set_terms(0, _core.InstrumentTerms(**self.instrument.terms()))
        self.core.deposit(CURRENCY, 500 * UNIT)
        self.contract = Contract(self.instrument, leverage, is_isolated=isolated)
        self.wallet = Wallet(0, {"x": self.contract})
        self.sides = (LONG, SHORT) if hedge else (BOTH,)
        self.orders: list[tuple[PositionSide, Side, int, int]] = []

    def order(self, side: PositionSide, way: Side, price: int, size: int) -> None:
        self.core.add_working(0, str(way), price, size, str(side))
        self.orders.append((side, way, price, size))

    def remove(self, at: int) -> tuple[PositionSide, Side, int, int]:
        side, way, price, size = self.orders.pop(at)
        self.core.remove_working(0, str(way), price, size, str(side))
        return side, way, price, size

    def look(self) -> None:
        """Takes over what is held and ordered: this is what a gateway knows."""
        self.wallet.balance = self.core.balance(CURRENCY)
        spec = _core.InstrumentSpec(**self.instrument.spec())
        self.contract.order_fees = 0
        for side in self.sides:
            held, core = self.contract.at(side), self.core.position(0, str(side))
            held.qty, held.cost, held.buys, held.sells = core.qty, core.cost, 0, 0
            held.margin = self.core.allotted(0, str(side))
        for side, way, price, size in self.orders:
            value = abs(self.instrument.notional_units(price, size))
            if way is Side.BUY:
                self.contract.at(side).buys += value
            else:
                self.contract.at(side).sells += value
            self.contract.order_fees += spec.fee("taker", price, size)

    def check(self) -> None:
        self.look()
        core, wallet = self.core, self.wallet
        assert wallet.equity == core.equity(CURRENCY)
        assert wallet.unrealized == core.unrealized(0)
        assert wallet.initial == core.initial_margin(CURRENCY)
        assert wallet.maintenance == core.maintenance_margin(CURRENCY)
        assert wallet.available == core.available(CURRENCY)
        if self.contract.is_isolated:
            for side in self.sides:
                assert self.contract.is_short(side) == core.position_below_maintenance(0, str(side))
        else:
            assert wallet.is_short == core.below_maintenance(CURRENCY)

    def is_closed_at(self, mark: int, side: PositionSide) -> bool:
        before = self.contract.mark
        self.core.set_mark(0, mark)
        try:
            if self.contract.is_isolated:
                return bool(self.core.position_below_maintenance(0, str(side)))
            return bool(self.core.below_maintenance(CURRENCY))
        finally:
            self.core.set_mark(0, before)


@pytest.mark.parametrize("seed", range(40))
def test_margins_are_those_of_the_exchange_after_every_event(seed: int) -> None:
    rng = random.Random(seed)
    kind = rng.choice([Kind.LINEAR, Kind.INVERSE])
    world = World(kind, hedge=rng.random() < 0.5, isolated=rng.random() < 0.4, leverage=rng.choice([1, 3, 7, 20]))
    price, liquidations = 1000, 0
    for _ in range(120):
        price = max(price + rng.randint(-60, 60), 50)
        size = rng.randint(1, 400)
        side = rng.choice(world.sides)
        way = rng.choice([Side.BUY, Side.SELL])
        match rng.randint(0, 3):
            case 0:
                world.contract.mark = price
                world.core.set_mark(0, price)
            case 1:
                world.order(side, way, price, size)
            case 2 if world.orders:
                world.remove(rng.randrange(len(world.orders)))
            case _:
                qty = world.core.position(0, str(side)).qty
                closes = (side is LONG and way is Side.SELL) or (side is SHORT and way is Side.BUY)
                size = min(size, abs(qty)) if closes else size
                if size:
                    world.core.apply_fill(0, str(way), price, size, 10**15, str(side))
        world.check()
        liquidations += at_liquidation(world)
    assert liquidations > 0


def at_liquidation(world: World) -> int:
    """On one side of the price the exchange closes, on the other it does not."""
    seen = 0
    if not world.contract.mark:
        return 0
    for side in world.sides:
        price = liquidation_price(world.wallet, "x", side)
        if price is None or world.is_closed_at(world.contract.mark, side):
            continue
        ticks = price * 10**world.instrument.price_decimals
        apart = world.contract.is_isolated
        sides = [side] if apart else list(world.sides)
        falls = sum(world.contract.at(each).qty for each in sides) > 0
        below, above = int(ticks // 1), int(-(-ticks // 1))
        if below == above or below < 2:
            continue
        if (falls and ticks > world.contract.mark) or (not falls and ticks < world.contract.mark):
            continue  # a table of two roots
        assert world.is_closed_at(below if falls else above, side)
        assert not world.is_closed_at(above if falls else below, side)
        seen += 1
    return seen


@settings(max_examples=examples(150), deadline=None)
@given(
    kind=st.sampled_from([Kind.LINEAR, Kind.INVERSE]),
    way=st.sampled_from([1, -1]),
    price=st.integers(100, 5000),
    size=st.integers(1, 2000),
    margin=st.integers(0, 400),
    brackets=st.sampled_from([(), BRACKETS]),
    isolated=st.booleans(),
)
def test_one_position_s_price_is_the_exact_one(
    kind: Kind, way: int, price: int, size: int, margin: int, brackets: tuple[MarginBracket, ...], isolated: bool
) -> None:
    i = instrument_of(kind, brackets)
    contract = Contract(i, 5, price, is_isolated=isolated)
    held = contract.at()
    held.qty, held.cost = way * size, i.notional_units(price, way * size)
    if isolated:
        held.margin = margin * UNIT
    wallet = Wallet(0 if isolated else margin * UNIT, {"x": contract})
    exact = Position(kind, F(i.multiplier), qty=F(held.qty, 10**i.size_decimals))
    exact.opened_value = F(held.cost, UNIT) * (-1 if kind is Kind.INVERSE else 1)
    wanted = exact_price(exact, margin, maintenance_rate=i.maintenance_rate, brackets=i.brackets)
    assert liquidation_price(wallet, "x") == wanted


def test_other_contracts_back_and_burden_a_cross_position() -> None:
    """100 USDT, long 10 at 100; the other one has gained 30 and needs 2: 128 less 1 %."""
    flat = from_symbol("binance:ETH/USDT:USDT", tick=1, lot=1, maintenance_rate="0.01")
    other = from_symbol("binance:SOL/USDT:USDT", tick=1, lot=1, maintenance_rate="0.02")
    own, far = Contract(flat, 10, 100), Contract(other, 10, 100)
    own.at().qty, own.at().cost = 10, 1000 * UNIT
    far.at().qty, far.at().cost = 1, 70 * UNIT
    wallet = Wallet(100 * UNIT, {"own": own, "far": far})
    price = liquidation_price(wallet, "own")
    assert price is not None
    assert 128 + 10 * (price - 100) == 10 * price / 100
    assert liquidation_price(wallet, "far") is None  # it cannot lose so much
    assert wallet.withdrawable == 130 * UNIT - 110 * UNIT
    own.at().qty = 0
    assert liquidation_price(wallet, "own") is None


def test_long_and_short_of_one_contract_end_together() -> None:
    """Each closes the other's losses: nothing but maintenance can end it, far above."""
    i = from_symbol("binance:ETH/USDT:USDT", tick=1, lot=1, maintenance_rate="0.01")
    contract = Contract(i, 10, 100)
    contract.at(LONG).qty, contract.at(LONG).cost = 10, 1000 * UNIT
    contract.at(SHORT).qty, contract.at(SHORT).cost = -10, -1000 * UNIT
    wallet = Wallet(100 * UNIT, {"x": contract})
    assert liquidation_price(wallet, "x", LONG) == liquidation_price(wallet, "x", SHORT) == 500
    contract.is_isolated = True
    contract.at(LONG).margin = 100 * UNIT
    assert liquidation_price(wallet, "x", LONG) == F(9000, 99)


@settings(max_examples=examples(60), deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(-(10**22), 10**22),  # equity
            st.integers(0, 10**21),  # initial
            st.integers(1, 10**23),  # index
            st.integers(0, 50),  # haircut, percent
        ),
        min_size=1,
        max_size=4,
    )
)
def test_joint_margin_is_that_of_the_exchange(rows: list[tuple[int, int, int, int]]) -> None:
    class Own:
        def equity(self, at: int) -> int:
            return rows[at][0]

        def initial_margin(self, at: int) -> int:
            return rows[at][1]

        def maintenance_margin(self, at: int) -> int:
            return rows[at][1] // 3

    cuts = [Decimal(row[3]) / 100 for row in rows]
    rates = [Rates.of(row[2], Collateral(cut, cut, Decimal(0))) for row, cut in zip(rows, cuts, strict=True)]
    theirs = JointFunds(Own(), [], len(rows), lambda at: rates[at])
    ours = JointMargin({str(at): Asset(row[0], row[1], row[1] // 3, row[2], cuts[at]) for at, row in enumerate(rows)})
    assert ours.equity == theirs.equity_usd()
    assert ours.maintenance == theirs.maintenance_usd()
    assert ours.free == theirs.free_usd()
    for at in range(len(rows)):
        assert ours.available(str(at)) == theirs.available(at)
    assert ours.is_short == theirs.below_maintenance(0)
